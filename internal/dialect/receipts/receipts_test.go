package receipts_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/receipts"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store/sqlite"
)

// acme is a provider that says what the test has it say.
type acme struct {
	gateway.Sender
	name     string
	receipts []gateway.Receipt
	err      error
	seen     []gateway.Callback
}

func (a *acme) Name() string { return a.name }
func (a *acme) Receipts(_ context.Context, c gateway.Callback) ([]gateway.Receipt, error) {
	a.seen = append(a.seen, c)
	return a.receipts, a.err
}

// broken is a store that keeps no receipts.
type broken struct {
	core.Store
	fails bool
}

func (b *broken) RecordReceipt(ctx context.Context, in core.RecordReceipt) (core.RecordReceiptResult, error) {
	if b.fails {
		return core.RecordReceiptResult{}, errors.New("the disk is full")
	}
	return b.Store.RecordReceipt(ctx, in)
}

type house struct {
	*acme
	t       *testing.T
	store   *broken
	now     time.Time
	traffic []event.Event
	handler http.Handler
}

func newHouse(t *testing.T) *house {
	t.Helper()
	store, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	h := &house{acme: &acme{name: "acme-us"}, t: t, store: &broken{Store: store}, now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return h.now }
	c := core.New(core.Deps{Store: h.store, Now: clock, Rand: rand.Reader, Traffic: func(e event.Event) { h.traffic = append(h.traffic, e) }})
	edge := dialect.Edge{Now: clock, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
	h.handler = edge.Wrap(receipts.New(receipts.Options{
		Core: c, Senders: []gateway.Sender{h.acme}, PublicURL: "https://id.example.com", Currency: "USD", Now: clock,
	}))
	return h
}

// message has one message that acme took.
func (h *house) message(ref string) core.Message {
	h.t.Helper()
	id := func() string {
		id, err := keyring.NewID(h.now, rand.Reader)
		if err != nil {
			h.t.Fatal(err)
		}
		return id
	}
	ch := core.Challenge{
		ID: id(), Purpose: core.PurposeSignup, Channel: core.ChannelSMS, Phone: core.SealedPhone{Key: "k", Masked: "+1••00", Sealed: []byte("n")},
		CodeMAC: []byte("m"), CodeLength: 6, Sealed: []byte("text"), GuessesLeft: 5, CreatedAt: h.now, ExpiresAt: h.now.Add(time.Minute), Dialect: "native",
	}
	m := core.Message{
		ID: id(), ChallengeID: ch.ID, Purpose: "signup", Channel: core.ChannelSMS, PhoneKey: "k", PhoneMasked: "+1••00",
		State: core.MessageQueued, CreatedAt: h.now, ExpiresAt: ch.ExpiresAt,
	}
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			h.t.Fatal(err)
		}
	}
	_, err := h.store.OpenChallenge(ctx, core.OpenChallenge{Challenge: ch, Message: m, Now: h.now})
	must(err)
	_, err = h.store.ClaimMessages(ctx, core.ClaimMessages{Claim: core.Claim{Holder: "h", Limit: 1, Lease: time.Minute, Now: h.now}})
	must(err)
	_, err = h.store.SettleMessage(ctx, core.SettleMessage{ID: m.ID, Holder: "h", State: core.MessageSent, Provider: h.name, ProviderRef: ref, Now: h.now})
	must(err)
	return m
}

func (h *house) state(id string) core.MessageState {
	h.t.Helper()
	found, err := h.store.FindMessages(context.Background(), core.MessageQuery{ID: id, Limit: 1})
	if err != nil || len(found) != 1 {
		h.t.Fatal(found, err)
	}
	return found[0].State
}

func (h *house) call(method, target string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	r.Host = "elsewhere.example"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

// The provider reads its call as it sent it: the raw body of whatever type, and the
// URL by which it knows us, whatever Host the request names.
func TestReceiptsAreKept(t *testing.T) {
	h := newHouse(t)
	m := h.message("r1")
	h.receipts = []gateway.Receipt{
		{MessageID: m.ID, State: gateway.StateDelivered, Cost: &gateway.Price{Amount: 5, Currency: "USD"}},
		{ProviderRef: "nobody's", State: gateway.StateFailed},
	}
	w := h.call("POST", "/receipts/acme-us?m=%2b1&b", strings.NewReader("{ }"), "Content-Type", "text/plain; charset=UTF-8", "X-Sig", "s")
	if w.Code != http.StatusOK || w.Body.Len() != 0 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	seen := h.seen[0]
	if seen.URL != "https://id.example.com/receipts/acme-us?m=%2b1&b" || string(seen.Body) != "{ }" || seen.Method != "POST" ||
		seen.Header.Get("X-Sig") != "s" || !seen.Now.Equal(h.now) {
		t.Errorf("it saw %+v", seen)
	}
	if got := h.state(m.ID); got != core.MessageDelivered {
		t.Errorf("the message is %s", got)
	}
	if w := h.call("GET", "/receipts/acme-us?m=1", nil); w.Code != http.StatusOK || len(h.seen) != 2 || h.seen[1].Body != nil {
		t.Errorf("by GET: %d, %+v", w.Code, h.seen)
	}
	if h.traffic != nil {
		t.Errorf("told %+v", h.traffic)
	}
}

func TestReceiptsAreRefused(t *testing.T) {
	h := newHouse(t)
	m := h.message("r1")
	h.receipts = []gateway.Receipt{{MessageID: m.ID, State: gateway.StateDelivered}}
	forged := "canary-signature"
	for _, c := range []struct {
		what, path string
		err        error
		status     int
		reason     string
	}{
		{"not the provider's", "/receipts/acme-us?s=" + forged, gateway.ErrForged, 403, "forged"},
		{"not to be read", "/receipts/acme-us", errors.New("no JSON: " + forged), 400, "unreadable"},
		{"of no provider", "/receipts/acme", nil, 404, ""},
		{"of nothing", "/receipts/", nil, 404, ""},
		{"by another path", "/receipts/acme-us/", nil, 404, ""},
		{"of who tells none", "/receipts/acme-us", gateway.ErrNoReceipts, 404, ""},
	} {
		h.traffic, h.err = nil, c.err
		w := h.call("POST", c.path, strings.NewReader("x"), "X-Sig", forged)
		if w.Code != c.status || strings.Contains(w.Body.String(), forged) {
			t.Errorf("%s: %d %s", c.what, w.Code, w.Body)
		}
		if c.reason == "" {
			if h.traffic != nil {
				t.Errorf("%s: told %+v", c.what, h.traffic)
			}
			continue
		}
		if len(h.traffic) != 1 || h.traffic[0].Name != event.ReceiptRefused || h.traffic[0].Reason != c.reason || h.traffic[0].Attributes["provider"] != "acme-us" {
			t.Fatalf("%s: told %+v", c.what, h.traffic)
		}
		if line := event.Encode(h.traffic[0]); strings.Contains(string(line), forged) {
			t.Errorf("%s: told as %s", c.what, line)
		}
	}
	if got := h.state(m.ID); got != core.MessageSent {
		t.Errorf("what was refused moved the message to %s", got)
	}
	if w := h.call("PUT", "/receipts/acme-us", nil); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", w.Code)
	}
}

// C-66: a call of more than 64 KiB is not read, nor is one that is packed.
func TestC66ReceiptsAreBounded(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		size     int
		encoding string
		status   int
	}{{64 << 10, "", 200}, {64<<10 + 1, "", 413}, {10, "gzip", 415}} {
		body := strings.Repeat("x", c.size)
		for _, reader := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body))} { // of a known size, and not
			if w := h.call("POST", "/receipts/acme-us", reader, "Content-Encoding", c.encoding); w.Code != c.status {
				t.Errorf("%d bytes, %q: %d, want %d", c.size, c.encoding, w.Code, c.status)
			}
		}
	}
	if len(h.seen) != 2 {
		t.Errorf("%d calls came to the provider", len(h.seen))
	}
}

// What could not be kept is asked for again.
func TestReceiptsOfAStoreThatFails(t *testing.T) {
	h := newHouse(t)
	m := h.message("r1")
	h.receipts = []gateway.Receipt{{MessageID: m.ID, State: gateway.StateDelivered}}
	h.store.fails = true
	if w := h.call("POST", "/receipts/acme-us", nil); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "disk") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	h.store.fails = false
	if w := h.call("POST", "/receipts/acme-us", nil); w.Code != http.StatusOK || h.state(m.ID) != core.MessageDelivered {
		t.Errorf("again: %d, %s", w.Code, h.state(m.ID))
	}
}

func TestReceiptsInTheCoresTerms(t *testing.T) {
	at, five := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), core.Money(5)
	got := receipts.Read([]gateway.Receipt{
		{MessageID: "m", ProviderRef: "r", State: gateway.StateFailed, Class: gateway.Failover, Code: "c", At: at, Cost: &gateway.Price{Amount: 5, Currency: "USD"}},
		{State: gateway.StateUndelivered, Class: gateway.Retry, Cost: &gateway.Price{Amount: 5, Currency: "EUR"}},
		{State: gateway.StateUndelivered, Class: gateway.Final},
	}, "USD")
	want := []core.ReceiptIn{
		{MessageID: "m", Ref: "r", State: core.DeliveryFailed, Again: true, AtOnce: true, Code: "c", At: at, Cost: &five},
		{State: core.DeliveryUndelivered, Again: true},
		{State: core.DeliveryUndelivered},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
