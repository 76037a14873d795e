package core_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
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

const goodPassword = "correct horse battery staple 7"

// house is a core over a real store, with a clock that the test moves.
type house struct {
	*core.Core
	t        testing.TB
	store    core.Store
	ring     *keyring.Ring
	tokens   *token.Minter
	hasher   *password.Hasher
	settings core.Settings
	limiter  limit.Limiter
	captcha  captcha.Verifier // nil: none

	mu      sync.Mutex
	now     time.Time
	traffic []event.Event
	claimed []core.Message
}

func newHouse(t testing.TB, change ...func(*core.Settings)) *house {
	t.Helper()
	store, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h := &house{t: t, store: store, limiter: limit.NewMemory(limit.MemoryOptions{}), now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	h.settings = core.Settings{
		AppName: "Test", Host: "example.com", CodeTTL: 10 * time.Minute, RefreshGrace: 10 * time.Second,
		IdleTimeout: 30 * 24 * time.Hour, Lifetime: 365 * 24 * time.Hour, ReauthWindow: 10 * time.Minute,
	}
	for _, c := range change {
		c(&h.settings)
	}
	h.ring = newRing(t, h.now)
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	h.tokens, err = token.New(h.ring, []token.SigningKey{key}, token.Settings{
		Issuer: "http://localhost:8420", Audience: "http://localhost:8420", ClientID: "default", TTL: 5 * time.Minute,
	}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// The cheapest parameters: what is slow about hashing is shown in its own room.
	h.hasher = password.NewHasher(password.HasherOptions{
		Ring: h.ring, Slots: 4, Queue: 1000, Wait: time.Minute, Params: password.Params{MemoryKiB: 64, Time: 1, Threads: 1}, Rand: rand.Reader,
	})
	h.Core = h.coreOver(store)
	return h
}

// coreOver is another core, as another instance would be, over the same keys.
func (h *house) coreOver(store core.Store) *core.Core {
	return core.New(core.Deps{
		Store: store, Ring: h.ring, Tokens: h.tokens, Hasher: h.hasher,
		Policy: password.NewPolicy(8, h.settings.AppName, nil), Traffic: h.heard, Now: h.clock, Rand: rand.Reader,
		Limiter: h.limiter, Captcha: h.captcha, Settings: h.settings,
	})
}

// The waits between messages to one number that nobody redeems, and the longest.
var sendWaits = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute}

const longestWait = 5 * time.Minute

// unhurried lets who keeps to the waits send more often than five times an hour:
// for tests of what comes after sending.
func unhurried(s *core.Settings) {
	s.Limits = map[string]limit.Rule{"send_number_hour": {N: 1000}, "send_number_day": {N: 1000}}
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

func (h *house) heard(e event.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.traffic = append(h.traffic, e)
}

// stranger is a caller whom nobody knows.
func stranger() core.Caller {
	return core.Caller{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "test/1", RequestID: "req-1"}
}

// as is the caller behind an access token, let in at the door.
func (h *house) as(set core.TokenSet) core.Caller {
	h.t.Helper()
	caller, err := h.Authenticate(context.Background(), stranger(), set.AccessToken)
	if err != nil {
		h.t.Fatalf("authenticating: %v", err)
	}
	return caller
}

var digits = regexp.MustCompile(`[0-9]{6,8}`)

// code is what the newest message of a challenge says. The house takes the
// messages from the outbox as a dispatcher would.
func (h *house) code(ch core.Challenge) keyring.Secret {
	h.t.Helper()
	h.claim()
	for i := len(h.claimed) - 1; i >= 0; i-- {
		if h.claimed[i].ChallengeID == ch.ID {
			_, body, err := core.OpenText(h.ring, h.claimed[i])
			if err != nil {
				h.t.Fatal(err)
			}
			// The origin-bound last line has the code alone.
			last := body.Body.Reveal()[strings.LastIndex(body.Body.Reveal(), "#"):]
			return keyring.Secret(digits.FindString(last))
		}
	}
	h.t.Fatalf("no message was queued for the %s challenge", ch.Purpose)
	return ""
}

// messages are all that have been queued and not withheld so far.
func (h *house) messages() []core.Message {
	h.claim()
	return h.claimed
}

func (h *house) claim() {
	h.t.Helper()
	for {
		batch, err := h.store.ClaimMessages(context.Background(), core.ClaimMessages{Claim: core.Claim{Holder: "test", Limit: 100, Lease: time.Hour, Now: h.clock()}})
		if err != nil {
			h.t.Fatal(err)
		}
		if len(batch.Messages) == 0 {
			return
		}
		for _, m := range batch.Messages {
			if m.State != core.MessageWithheld {
				h.claimed = append(h.claimed, m)
			}
		}
	}
}

// wrong is a code that is not the right one.
func wrong(right keyring.Secret) keyring.Secret {
	b := []byte(right.Reveal())
	b[0] = '0' + (b[0]-'0'+1)%10
	return keyring.Secret(b)
}

func (h *house) verify(ch core.Challenge, code keyring.Secret) (core.TokenSet, error) {
	out, err := h.Verify(context.Background(), stranger(), core.VerifyIn{ChallengeID: ch.ID, Code: code})
	if err != nil {
		return core.TokenSet{}, err
	}
	return *out.Tokens, nil
}

// signUp makes an account; pw "" leaves it without a password.
func (h *house) signUp(number, pw string) core.TokenSet {
	h.t.Helper()
	in := core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: number}}
	if pw != "" {
		secret := keyring.Secret(pw)
		in.Password = &secret
	}
	ch, err := h.Signup(context.Background(), stranger(), in)
	if err != nil {
		h.t.Fatalf("signing up: %v", err)
	}
	set, err := h.verify(ch, h.code(ch))
	if err != nil {
		h.t.Fatalf("verifying a signup: %v", err)
	}
	return set
}

func (h *house) loginSMS(number string, device keyring.Secret) core.Challenge {
	h.t.Helper()
	ch, err := h.LoginSMS(context.Background(), stranger(), core.BeginIn{PhoneNumber: number, Device: core.DeviceIn{Token: device}})
	if err != nil {
		h.t.Fatalf("beginning a login: %v", err)
	}
	return ch
}

func (h *house) loginPassword(number, pw string, device keyring.Secret) (core.TokenSet, error) {
	return h.LoginPassword(context.Background(), stranger(), core.LoginPasswordIn{
		PhoneNumber: number, Password: keyring.Secret(pw), Device: core.DeviceIn{Token: device},
	})
}

func (h *house) refresh(refresh, device keyring.Secret) (core.TokenSet, error) {
	return h.Refresh(context.Background(), stranger(), core.RefreshIn{RefreshToken: refresh, Device: core.DeviceIn{Token: device}})
}

// want checks that an error is a refusal with the code given; "" wants none.
func want(t *testing.T, err error, code core.Code) *core.Error {
	t.Helper()
	var refusal *core.Error
	errors.As(err, &refusal)
	switch {
	case code == "" && err != nil:
		t.Fatalf("got %v, want no error", err)
	case code == "":
		return nil
	case refusal == nil:
		t.Fatalf("got %v, want %s", err, code)
	case refusal.Code != code:
		t.Fatalf("got %v, want %s", err, code)
	}
	return refusal
}

// accountEvents are a user's events by name, newest first.
func (h *house) accountEvents(userID string) []event.Event {
	h.t.Helper()
	events, err := h.store.UserEvents(context.Background(), userID, core.Page{Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	return events
}

func count(events []event.Event, name event.Name) int {
	n := 0
	for _, e := range events {
		if e.Name == name {
			n++
		}
	}
	return n
}

func refusalOf(err error) *core.Error {
	var refusal *core.Error
	errors.As(err, &refusal)
	return refusal
}

func codeOf(err error) core.Code {
	if e := refusalOf(err); e != nil {
		return e.Code
	}
	return ""
}
