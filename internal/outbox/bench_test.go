package outbox_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/outbox"
	"github.com/countersign/countersign/internal/phone"
	"github.com/countersign/countersign/internal/store/sqlite"
)

const (
	number = "+4915112345678"
	text   = "Example: your code is 731942. Never share it."
)

// bench is an outbox over a real store, within a bubble of synctest: its time
// passes only in sleeps.
type bench struct {
	t      *testing.T
	dir    string
	store  *edited
	ring   *keyring.Ring
	sender *sender
	routes []outbox.Route // by sender alone, where there are none
	fixed  outbox.Routing
	sinks  []event.Sink
	log    *lockedBuilder
	poll   time.Duration
	price  core.Money // of each message
	hourly core.Money // what they may cost
	box    *outbox.Outbox
	stop   func() error
}

// inBubble runs a test in which time is fake.
func inBubble(t *testing.T, test func(b *bench)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "test.db")})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, dir: dir, store: &edited{Store: store}, ring: newRing(t), sender: &sender{}, log: &lockedBuilder{}}
		test(b)
		if b.stop != nil {
			b.end()
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func newRing(t testing.TB) *keyring.Ring {
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
		key, err := ring.MakeKey(slot, time.Now(), rand.Reader)
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

// run starts an outbox; end, or another run, ends it.
func (b *bench) run() {
	b.t.Helper()
	if b.stop != nil {
		b.end()
	}
	routes := b.routes
	if routes == nil {
		routes = []outbox.Route{{Sender: b.sender, Weight: 1}}
	}
	b.box = outbox.New(outbox.Options{
		Store: b.store, Ring: b.ring, Routes: routes, Routing: b.fixed, Currency: "EUR", Sinks: b.sinks, Poll: b.poll,
		Budgets: core.Budgets{Total: core.Budget{Hour: b.hourly}, StrangerPct: 100},
		Now:     now, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	})
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.box.Run(ctx) }()
	b.stop = func() error { cancel(); return <-ended }
	synctest.Wait()
}

func (b *bench) end() {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Error(err)
	}
	b.stop = nil
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func (b *bench) id() string {
	b.t.Helper()
	id, err := keyring.NewID(now(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// begin opens a challenge that lives so long, and queues its message and an
// account event named by the reason given.
func (b *bench) begin(life time.Duration, reason string) {
	b.t.Helper()
	b.beginIn(core.MessageQueued, life, reason)
}

func (b *bench) beginIn(state core.MessageState, life time.Duration, reason string) {
	b.t.Helper()
	b.beginTo(number, state, life, reason)
}

func (b *bench) beginTo(number string, state core.MessageState, life time.Duration, reason string) {
	b.t.Helper()
	to, err := phone.FromE164(number)
	if err != nil {
		b.t.Fatal(err)
	}
	id := b.id()
	sealed, err := core.SealText(b.ring, rand.Reader, id, to, core.Text{Body: text})
	if err != nil {
		b.t.Fatal(err)
	}
	key := b.ring.Pseudonym(number)
	_, err = b.store.OpenChallenge(b.t.Context(), core.OpenChallenge{
		Challenge: core.Challenge{
			ID: id, Purpose: core.PurposeSignup, Channel: core.ChannelSMS,
			Phone:   core.SealedPhone{Key: key, Sealed: []byte("sealed"), Masked: to.Masked()},
			CodeMAC: []byte("mac"), CodeLength: 6, Sealed: sealed, GuessesLeft: core.MaxGuesses,
			CreatedAt: now(), ExpiresAt: now().Add(life), Dialect: "native",
		},
		Message: core.Message{
			ID: b.id(), ChallengeID: id, Purpose: "signup", Channel: core.ChannelSMS, PhoneKey: key, PhoneMasked: to.Masked(),
			State: state, Country: to.Region(), Price: b.price, CreatedAt: now(), ExpiresAt: now().Add(life), RequestID: "request-1",
		},
		Now:   now(),
		Event: event.Event{ID: b.id(), Time: now(), Name: event.SignupStarted, Outcome: event.Success, Reason: reason},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	synctest.Wait()
}

// states are those of the number's messages, the newest first.
func (b *bench) states() string {
	b.t.Helper()
	messages, err := b.store.Messages(b.t.Context(), b.ring.Pseudonym(number), 100)
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, m := range messages {
		all = append(all, string(m.State))
	}
	return strings.Join(all, " ")
}

// newest is the number's last message.
func (b *bench) newest() core.Message {
	b.t.Helper()
	messages, err := b.store.Messages(b.t.Context(), b.ring.Pseudonym(number), 1)
	if err != nil || len(messages) != 1 {
		b.t.Fatalf("%d messages, %v", len(messages), err)
	}
	return messages[0]
}

// went tells by whom the newest message was tried, and how that ended.
func (b *bench) went() string {
	b.t.Helper()
	var all []string
	for _, a := range b.newest().Attempts {
		end := cmp.Or(a.Failure, "taken")
		if a.EndedAt.IsZero() {
			end = "lost"
		}
		all = append(all, a.Provider+" "+end)
	}
	return strings.Join(all, ", ")
}

// sender is a provider whose answers a test sets.
type sender struct {
	name   string // "": fake
	price  *gateway.Price
	parts  int
	mu     sync.Mutex
	answer func(gateway.Message) error // nil: takes all
	sent   []gateway.Message
	at     []time.Time
}

func (s *sender) Name() string             { return cmp.Or(s.name, "fake") }
func (s *sender) Kind() string             { return "fake" }
func (s *sender) Channel() gateway.Channel { return gateway.SMS }
func (s *sender) Close() error             { return nil }

func (s *sender) Check(context.Context) []gateway.Finding { return nil }

func (s *sender) Receipts(context.Context, gateway.Callback) ([]gateway.Receipt, error) {
	return nil, gateway.ErrNoReceipts
}

func (s *sender) Send(ctx context.Context, m gateway.Message) (gateway.Sent, error) {
	s.mu.Lock()
	s.sent = append(s.sent, m)
	s.at = append(s.at, time.Now())
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		if err := answer(m); err != nil {
			return gateway.Sent{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return gateway.Sent{}, err
	}
	return gateway.Sent{ProviderRef: "ref-" + m.ID, Cost: s.price, Segments: s.parts}, nil
}

func (s *sender) answers(f func(gateway.Message) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *sender) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// memory is a sink that remembers, fails or hangs as it is told.
type memory struct {
	name string
	mu   sync.Mutex
	fail error
	hold chan struct{} // while set, Write waits for it to close
	got  []event.Event

	writes int // that brought them
}

func (m *memory) Name() string { return m.name }
func (m *memory) Close() error { return nil }

func (m *memory) Write(_ context.Context, events []event.Event) (event.Head, error) {
	m.mu.Lock()
	hold := m.hold
	m.mu.Unlock()
	if hold != nil {
		<-hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return event.Head{}, m.fail
	}
	m.got = append(m.got, events...)
	m.writes++
	return event.Head{}, nil
}

func (m *memory) set(fail error, hold chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.hold = fail, hold
}

// carried waits until what was told is written: carriers gather for a moment.
func carried() {
	time.Sleep(20 * time.Millisecond)
	synctest.Wait()
}

// seen are the reasons (or else the names) of the events, in order.
func (m *memory) seen(only ...event.Name) string {
	carried()
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, e := range m.got {
		if len(only) > 0 && e.Name != only[0] {
			continue
		}
		if e.Reason != "" {
			all = append(all, e.Reason)
		} else {
			all = append(all, string(e.Name))
		}
	}
	return strings.Join(all, " ")
}

// edited is a store some of whose operations fail when told to.
type edited struct {
	core.Store
	mu         sync.Mutex
	failing    error // what settling and claiming answer
	headsAlone int
	claims     int   // of events
	deaf       bool  // of settling messages
	beginning  error // what BeginAttempts answers
}

func (s *edited) BeginAttempts(ctx context.Context, in core.BeginAttempts) error {
	s.mu.Lock()
	beginning := s.beginning
	s.mu.Unlock()
	if beginning != nil {
		return beginning
	}
	return s.Store.BeginAttempts(ctx, in)
}

func (s *edited) begins(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beginning = err
}

func (s *edited) set(failing error, deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing, s.deaf = failing, deaf
}

func (s *edited) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims
}

func (s *edited) ClaimEvents(ctx context.Context, sink string, c core.Claim) ([]event.Event, error) {
	s.mu.Lock()
	s.claims++
	failing := s.failing
	s.mu.Unlock()
	if failing != nil {
		return nil, failing
	}
	return s.Store.ClaimEvents(ctx, sink, c)
}

func (s *edited) ClaimMessages(ctx context.Context, c core.ClaimMessages) (core.Claimed, error) {
	s.mu.Lock()
	failing := s.failing
	s.mu.Unlock()
	if failing != nil {
		return core.Claimed{}, failing
	}
	return s.Store.ClaimMessages(ctx, c)
}

func (s *edited) SettleMessage(ctx context.Context, in core.SettleMessage) (core.Outcome, error) {
	s.mu.Lock()
	deaf := s.deaf
	s.mu.Unlock()
	if deaf {
		return "", errors.New("the process was killed here")
	}
	return s.Store.SettleMessage(ctx, in)
}

func (s *edited) SettleEvents(ctx context.Context, in core.SettleEvents) (core.Outcome, error) {
	s.mu.Lock()
	if in.Through == "" {
		s.headsAlone++
	}
	deaf := s.deaf
	s.mu.Unlock()
	if deaf {
		return "", errors.New("the process was killed here")
	}
	return s.Store.SettleEvents(ctx, in)
}

// lockedBuilder is a strings.Builder for several goroutines.
type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func traffic(reason any) event.Event {
	return event.Event{ID: fmt.Sprint("traffic-", reason), Time: now(), Name: event.TokenRefreshed, Reason: fmt.Sprint(reason)}
}
