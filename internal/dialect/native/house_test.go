package native_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/native"
	"github.com/countersign/countersign/internal/dialect/oauth"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/password"
	"github.com/countersign/countersign/internal/store/sqlite"
	"github.com/countersign/countersign/internal/token"
)

// Numbers that belong to nobody.
const (
	alice = "+14155550100"
	bob   = "+14155550101"
	carol = "+14155550102"
)

const (
	issuer       = "https://id.example.com"
	goodPassword = "correct horse battery staple 7"
)

// house is the API over a real core and store, with a clock that the test moves.
type house struct {
	t       testing.TB
	store   core.Store
	ring    *keyring.Ring
	handler http.Handler
	checker *checker

	mu      sync.Mutex
	now     time.Time
	claimed []core.Message
}

func newHouse(t testing.TB) *house {
	t.Helper()
	store, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h := &house{t: t, store: store, now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), checker: newChecker(t)}
	h.ring = newRing(t, h.now)
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := token.New(h.ring, []token.SigningKey{key}, token.Settings{
		Issuer: issuer, Audience: issuer, ClientID: "default", TTL: 5 * time.Minute,
	}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := core.New(core.Deps{
		Store: store, Ring: h.ring, Tokens: tokens, Rand: rand.Reader, Now: h.clock,
		Limiter: limit.NewMemory(limit.MemoryOptions{}),
		// The cheapest parameters: what is slow about hashing is shown in its own room.
		Hasher: password.NewHasher(password.HasherOptions{
			Ring: h.ring, Slots: 4, Queue: 1000, Wait: time.Minute, Params: password.Params{MemoryKiB: 64, Time: 1, Threads: 1}, Rand: rand.Reader,
		}),
		Policy: password.NewPolicy(8, "Test", nil), Traffic: func(event.Event) {},
		Settings: core.Settings{
			AppName: "Test", Host: "example.com", CodeTTL: 10 * time.Minute, RefreshGrace: 10 * time.Second,
			IdleTimeout: 30 * 24 * time.Hour, Lifetime: 365 * 24 * time.Hour, ReauthWindow: 10 * time.Minute,
		},
	})
	edge := dialect.Edge{Now: h.clock, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
	standards := oauth.New(c, issuer)
	h.handler = edge.Wrap(dialect.Mounts(
		dialect.Mount{Prefix: "/v1/", Handler: native.New(c)},
		dialect.Mount{Prefix: "/oauth/", Handler: standards},
		dialect.Mount{Prefix: "/.well-known/", Handler: standards},
	))
	return h
}

func newRing(t testing.TB, now time.Time) *keyring.Ring {
	t.Helper()
	masters, err := keyring.ParseMasters("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(masters)
	if err != nil {
		t.Fatal(err)
	}
	var keys []keyring.StoredKey
	for _, slot := range []string{keyring.SlotPseudonym, keyring.SlotPepper, keyring.SlotData} {
		key, err := ring.MakeKey(slot, now, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if err := ring.Unlock(keys); err != nil {
		t.Fatal(err)
	}
	return ring
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// request makes a request with a JSON body ("" for none) and a bearer ("" for none).
func request(method, target, bearer, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return r
}

// send serves a request, and checks that the document tells of its answer.
func (h *house) send(r *http.Request) *httptest.ResponseRecorder {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	for header, want := range map[string]string{ // C-93, on every route
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := w.Header().Get(header); got != want && !strings.HasPrefix(r.URL.Path, "/.well-known/") {
			h.t.Errorf("%s %s: %s is %q, want %q", r.Method, r.URL, header, got, want)
		}
	}
	if t, ok := h.t.(*testing.T); ok && w.Code != http.StatusMethodNotAllowed {
		path := r.URL.Path
		for _, parent := range []string{"/v1/challenges/", "/v1/sessions/"} {
			if rest, under := strings.CutPrefix(path, parent); under {
				_, action, _ := strings.Cut(rest, "/")
				path = strings.TrimSuffix(parent+"{id}/"+action, "/")
			}
		}
		h.checker.answer(t, r.Method, path, strconv.Itoa(w.Code), w.Header().Get("Content-Type"), w.Body.Bytes())
	}
	return w
}

// call sends a request and wants a status.
func (h *house) call(want int, method, target, bearer, body string) *httptest.ResponseRecorder {
	h.t.Helper()
	w := h.send(request(method, target, bearer, body))
	if w.Code != want {
		h.t.Fatalf("%s %s: %d, want %d: %s", method, target, w.Code, want, w.Body)
	}
	return w
}

// read decodes an answer.
func read[T any](t testing.TB, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

var digits = regexp.MustCompile(`[0-9]{6,8}`)

// code is what the newest message of a challenge says, "" if there is none.
func (h *house) code(challenge string) string {
	h.t.Helper()
	messages := h.messages()
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].ChallengeID != challenge {
			continue
		}
		_, body, err := core.OpenText(h.ring, messages[i])
		if err != nil {
			h.t.Fatal(err)
		}
		text := body.Body.Reveal()
		return digits.FindString(text[strings.LastIndex(text, "#"):])
	}
	return ""
}

// messages are all that were queued so far, taken as a dispatcher would.
func (h *house) messages() []core.Message {
	h.t.Helper()
	for {
		batch, err := h.store.ClaimMessages(context.Background(), core.ClaimMessages{Claim: core.Claim{Holder: "test", Limit: 100, Lease: time.Hour, Now: h.clock()}})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(batch.Messages) == 0 {
			return h.claimed
		}
		h.claimed = append(h.claimed, batch.Messages...)
	}
}

// begin begins a challenge and gives it.
func (h *house) begin(path, bearer, body string) native.Challenge {
	h.t.Helper()
	return read[native.Challenge](h.t, h.call(202, "POST", path, bearer, body))
}

// signUp makes an account; pw "" leaves it without a password.
func (h *house) signUp(number, pw string) native.TokenSet {
	h.t.Helper()
	body := `{"phone_number":"` + number + `"}`
	if pw != "" {
		body = `{"phone_number":"` + number + `","password":"` + pw + `"}`
	}
	ch := h.begin("/v1/signup", "", body)
	return read[native.TokenSet](h.t, h.call(200, "POST", "/v1/challenges/"+ch.ChallengeID+"/verify", "", `{"code":"`+h.code(ch.ChallengeID)+`"}`))
}

// wrong is a code that is not the right one.
func wrong(code string) string {
	if code == "" {
		return "000000"
	}
	return string('0'+(code[0]-'0'+1)%10) + code[1:]
}
