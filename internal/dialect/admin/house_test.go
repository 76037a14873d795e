package admin_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/admin"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/store/sqlite"
	"github.com/countersign/countersign/internal/token"
)

// house is the API over a real core and store, with a clock that the test moves.
type house struct {
	t       testing.TB
	core    *core.Core
	store   core.Store
	ring    *keyring.Ring
	handler http.Handler

	mu      sync.Mutex
	now     time.Time
	traffic []event.Event
}

func newHouse(t testing.TB) *house {
	t.Helper()
	store, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h := &house{t: t, store: store, now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	h.ring = newRing(t, h.now)
	tokens, err := token.New(h.ring, []token.SigningKey{newSigningKey(t)}, token.Settings{Issuer: "http://localhost", Audience: "http://localhost", ClientID: "default", TTL: time.Minute}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h.core = core.New(core.Deps{
		Store: store, Ring: h.ring, Tokens: tokens, Rand: rand.Reader, Now: h.clock, Traffic: h.heard,
		Settings: core.Settings{Currency: "USD", Limits: map[string]limit.Rule{"send_total": {Name: "send_total", N: 7, Window: time.Minute}}},
	})
	edge := dialect.Edge{
		Now: h.clock, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Forward: func(ctx context.Context, caller core.Caller, key keyring.Secret) (core.Caller, error) {
			return h.core.AuthenticateKey(ctx, caller, key, core.ScopeClientsForward)
		},
	}
	h.handler = edge.Wrap(admin.New(h.core))
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

func newSigningKey(t testing.TB) token.SigningKey {
	t.Helper()
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const (
	alice = "+14155550100"
	bob   = "+14155550101"
)

// message has a code on its way to a number.
func (h *house) message(e164 string, at time.Time) core.Message {
	h.t.Helper()
	id := func() string {
		id, err := keyring.NewID(at, rand.Reader)
		if err != nil {
			h.t.Fatal(err)
		}
		return id
	}
	key := h.ring.Pseudonym(e164)
	m := core.Message{
		ID: id(), Purpose: "signup", Channel: core.ChannelSMS, PhoneKey: key, PhoneMasked: e164[:2] + "••" + e164[10:],
		State: core.MessageQueued, Country: "US", Price: 7_500, CreatedAt: at, ExpiresAt: at.Add(10 * time.Minute), RequestID: "request-" + e164[10:],
	}
	ch := core.Challenge{
		ID: id(), Purpose: core.PurposeSignup, Channel: core.ChannelSMS, Phone: core.SealedPhone{Key: key, Masked: m.PhoneMasked, Sealed: []byte("n")},
		CodeMAC: []byte("m"), CodeLength: 6, Sealed: []byte("text"), GuessesLeft: 5, CreatedAt: at, ExpiresAt: m.ExpiresAt, Dialect: "native",
	}
	m.ChallengeID = ch.ID
	if _, err := h.store.OpenChallenge(context.Background(), core.OpenChallenge{Challenge: ch, Message: m, Now: at}); err != nil {
		h.t.Fatal(err)
	}
	return m
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

// acts gives the admin_actions that were told since the last call.
func (h *house) acts() []event.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var acts []event.Event
	for _, e := range h.traffic {
		if e.Name == event.AdminAction {
			acts = append(acts, e)
		}
	}
	h.traffic = nil
	return acts
}

// key makes an API key for the scopes given.
func (h *house) key(name string, life time.Duration, scopes ...core.KeyScope) (id, secret string) {
	h.t.Helper()
	in := core.CreateAPIKeyIn{Name: name, Life: life}
	for _, s := range scopes {
		in.Scopes = append(in.Scopes, string(s))
	}
	key, shown, err := h.core.CreateAPIKey(context.Background(), core.Caller{UserAgent: "countersign apikey"}, in)
	if err != nil {
		h.t.Fatal(err)
	}
	return key.ID, shown.Reveal()
}

// call asks with a bearer ("" for none).
func (h *house) call(method, target, bearer string) *httptest.ResponseRecorder {
	body := ""
	if method == http.MethodPost {
		body = `{"phone_number":"` + alice + `"}`
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}
