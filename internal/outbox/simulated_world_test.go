package outbox_test

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"path/filepath"
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
	tick     = 10 * time.Second // in which people do what they do: together, so that they share commits
	codeLife = 10 * time.Minute
)

// countries are those of the people, and the beginnings of their numbers.
var countries = []struct {
	code, begins string
	digits       int
}{
	{"DE", "+49151", 8}, {"FR", "+336", 8}, {"US", "+1202555", 4}, {"IN", "+9198", 8}, {"BR", "+55119", 8},
}

// simulation is a day of people who want codes, on the clock of a bubble: the
// outbox and the store are real, providers and people are played. The same seed
// gives the same day.
type simulation struct {
	t     *testing.T
	store *sqlite.Store
	ring  *keyring.Ring
	box   *outbox.Outbox
	seed  uint64
	start time.Time
	long  time.Duration // the day
	rush  int           // people who come at a time

	mu      sync.Mutex
	plan    plan
	people  map[string]*person // by challenge
	cost    core.Money         // of what providers took
	late    int                // messages offered to a provider after their end
	offers  int
	trouble []string
}

// person wants a code.
type person struct {
	n         int
	chance    *mathrand.Rand
	country   string
	number    phone.Number
	challenge string
	began     time.Time
	arrived   time.Time      // the first code
	entered   time.Time      // the code
	asked     int            // how often, again
	got       map[string]int // messages, how often each
}

// action is what somebody does at a time.
type action struct {
	at  time.Time
	key string // of those at the same time, the order
	do  func(now time.Time) error
}

// plan has the next action first.
type plan []action

func (p plan) Len() int { return len(p) }
func (p plan) Less(i, j int) bool {
	return cmp.Or(p[i].at.Compare(p[j].at), cmp.Compare(p[i].key, p[j].key)) < 0
}
func (p plan) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p *plan) Push(x any)   { *p = append(*p, x.(action)) }
func (p *plan) Pop() any {
	last := len(*p) - 1
	x := (*p)[last]
	*p = (*p)[:last]
	return x
}

// simulate plays a day with so many people, and providers in an order.
func simulate(t *testing.T, people int, long time.Duration, routing outbox.Routing, order []string) (r result) {
	t.Helper()
	dir := inMemory(t)
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "simulated.db")})
		if err != nil {
			t.Fatal(err)
		}
		s := &simulation{t: t, store: store, ring: newRing(t), seed: 20261124, start: now(), rush: int(int64(people) * int64(tick) / int64(long)), long: long, people: map[string]*person{}}
		seed := [32]byte{1}
		s.box = outbox.New(outbox.Options{
			Store: store, Ring: s.ring, Routes: s.routes(order), Routing: routing, Poll: 2 * time.Second,
			Now: now, Rand: mathrand.NewChaCha8(seed), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.box.Run(ctx) }()
		s.live(people)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		r = s.result()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (s *simulation) routes(order []string) (all []outbox.Route) {
	for _, name := range order {
		for _, script := range scripts() {
			if script.name == name {
				all = append(all, outbox.Route{
					Sender: &played{script: script, world: s, seen: map[string]int{}}, Weight: 1, Prices: core.Prices{"*": script.price},
				})
			}
		}
	}
	return all
}

// chance is that of a message at a provider: the same in every run.
func (s *simulation) chance(words ...any) *mathrand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, words...)
	return mathrand.New(mathrand.NewPCG(s.seed, h.Sum64()))
}

// day is how much of it is over.
func (s *simulation) day(now time.Time) float64 {
	return float64(now.Sub(s.start)) / float64(s.long)
}

// live has people come all day, and ends when nothing is left to happen.
func (s *simulation) live(people int) {
	for n := range people {
		at := time.Duration(float64(s.long) * float64(n) / float64(people))
		s.at(s.start.Add(at), fmt.Sprintf("begin %07d", n), func(now time.Time) error { return s.begin(n, now) })
	}
	for until := s.start; ; until = until.Add(tick) {
		time.Sleep(time.Until(until))
		due := s.due(until)
		var all sync.WaitGroup
		for _, each := range due {
			all.Go(func() {
				if err := each.do(now()); err != nil {
					s.troubles(each.key + ": " + err.Error())
				}
			})
		}
		all.Wait()
		s.mu.Lock()
		left := len(s.plan)
		s.mu.Unlock()
		if left == 0 {
			time.Sleep(codeLife)
			return
		}
	}
}

func (s *simulation) at(when time.Time, key string, do func(time.Time) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	heap.Push(&s.plan, action{at: when, key: key, do: do})
}

func (s *simulation) due(now time.Time) (all []action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.plan) > 0 && !s.plan[0].at.After(now) {
		all = append(all, heap.Pop(&s.plan).(action))
	}
	return all
}

func (s *simulation) troubles(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = append(s.trouble, what)
}

// id is made of chance that is the same in every run.
func (p *person) id(now time.Time) string {
	var bytes [16]byte
	for i := range bytes {
		bytes[i] = byte(p.chance.Uint32())
	}
	id, err := keyring.NewID(now, &fixed{bytes[:]})
	if err != nil {
		panic(err)
	}
	return id
}

type fixed struct{ left []byte }

func (f *fixed) Read(p []byte) (int, error) {
	n := copy(p, f.left)
	f.left = f.left[n:]
	return n, nil
}

func (p *person) event(name event.Name, now time.Time) event.Event {
	return event.Event{ID: p.id(now), Time: now, Name: name, Outcome: event.Success}
}

// begin has a person ask for a code.
func (s *simulation) begin(n int, now time.Time) error {
	p := &person{n: n, chance: s.chance("person", n), began: now, got: map[string]int{}}
	where := countries[p.chance.IntN(len(countries))]
	number := where.begins + fmt.Sprintf("%0*d", where.digits, p.chance.IntN(10_000))
	to, err := phone.FromE164(number)
	if err != nil {
		return err
	}
	p.country, p.number, p.challenge = where.code, to, p.id(now)
	sealed, err := core.SealText(s.ring, mathrand.NewChaCha8([32]byte{2}), p.challenge, to, core.Text{Body: text, Code: "731942"})
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.people[p.challenge] = p
	s.mu.Unlock()
	key := fmt.Sprintf("phone of %d", n)
	got, err := s.store.OpenChallenge(s.t.Context(), core.OpenChallenge{
		Challenge: core.Challenge{
			ID: p.challenge, Purpose: core.PurposeSignup, Channel: core.ChannelSMS,
			Phone:   core.SealedPhone{Key: key, Sealed: []byte("sealed"), Masked: to.Masked()},
			CodeMAC: []byte("mac"), CodeLength: 6, Sealed: sealed, GuessesLeft: core.MaxGuesses,
			CreatedAt: now, ExpiresAt: now.Add(codeLife), ResendAt: now.Add(30 * time.Second), Dialect: "native",
		},
		Message: s.message(p, key, now), Now: now, Event: p.event(event.SignupStarted, now),
	})
	if err == nil && got.Outcome != core.Done {
		err = fmt.Errorf("outcome %s", got.Outcome)
	}
	s.waits(p, key, now, 35*time.Second)
	return err
}

func (s *simulation) message(p *person, key string, now time.Time) core.Message {
	return core.Message{
		ID: p.id(now), ChallengeID: p.challenge, Purpose: "signup", Channel: core.ChannelSMS, PhoneKey: key, PhoneMasked: p.number.Masked(),
		State: core.MessageQueued, Country: p.country, PrefixKey: "prefix of " + p.country, Price: 60_000,
		CreatedAt: now, ExpiresAt: p.began.Add(codeLife),
	}
}

// waits has a person ask again, if need be: five of six do, twice at most.
func (s *simulation) waits(p *person, key string, now time.Time, patience time.Duration) {
	asks := p.chance.IntN(6) > 0
	s.at(now.Add(patience), fmt.Sprintf("again %07d", p.n), func(now time.Time) error {
		s.mu.Lock()
		arrived := !p.arrived.IsZero() && p.arrived.Before(now)
		s.mu.Unlock()
		if arrived || !asks || p.asked == 2 {
			return nil
		}
		p.asked++
		got, err := s.store.ResendChallenge(s.t.Context(), core.ResendChallenge{
			ID: p.challenge, Resends: p.asked - 1, NextResendAt: now.Add(time.Minute), Message: s.message(p, key, now), Now: now, Event: p.event(event.CodeResent, now),
		})
		if err == nil && got.Outcome != core.Done {
			err = fmt.Errorf("outcome %s", got.Outcome)
		}
		s.waits(p, key, now, 65*time.Second)
		return err
	})
}

// enters has a person enter the code: nine of ten do.
func (s *simulation) enters(p *person, now time.Time) error {
	s.mu.Lock()
	entered := !p.entered.IsZero()
	p.entered = now
	s.mu.Unlock()
	if entered || now.After(p.began.Add(codeLife)) {
		return nil
	}
	got, err := s.store.RedeemSignup(s.t.Context(), core.RedeemSignup{
		Guess: core.Guess{
			ChallengeID: p.challenge, CodeMACs: [][]byte{[]byte("mac")}, Now: now, CloseAt: 3,
			Limits: core.CodeLimits{Strangers: 9, StrangersWindow: time.Hour, Device: 9, DeviceWindow: time.Hour},
		},
		SignIn: core.SignIn{
			Session: core.Session{
				ID: p.id(now), SecretHash: []byte("secret"), SecretSealed: []byte("sealed"), TokenKeyID: "key",
				CreatedAt: now, AuthTime: now, LastSeenAt: now, IdleExpiresAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
				Methods: []string{core.MethodSMS}, Dialect: "native", Reissue: core.ReissueDevice,
			},
			Device:     core.Device{ID: p.id(now), CreatedAt: now, LastSeenAt: now},
			OnSignedIn: p.event(event.SuccessfulLogin, now), MaxSessions: 2,
		},
		User:      core.User{ID: p.id(now), Phone: core.SealedPhone{Key: fmt.Sprintf("phone of %d", p.n), Sealed: []byte("sealed"), Masked: p.number.Masked()}, Generation: 1},
		OnCreated: p.event(event.AccountCreated, now),
	})
	if err == nil && got.Outcome != core.Done {
		err = fmt.Errorf("outcome %s", got.Outcome)
	}
	return err
}

// offered notes that a provider is asked to send a message: never after its end.
func (s *simulation) offered(m gateway.Message, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers++
	p := s.people[m.ChallengeID]
	if !now.Before(m.ExpiresAt) || !p.entered.IsZero() && now.After(p.entered.Add(time.Second)) {
		s.late++
	}
}

// goesOut has a message that a provider took come to the phone, or not, and has
// the provider tell of it.
func (s *simulation) goesOut(by *played, m gateway.Message, now time.Time, v verdict) {
	s.mu.Lock()
	s.cost += by.price
	p := s.people[m.ChallengeID]
	s.mu.Unlock()
	if v.reaches > 0 {
		s.reaches(p, m.ID, now.Add(v.reaches))
	}
	if v.receipt == 0 {
		return
	}
	state := core.DeliveryDelivered
	if v.denied {
		state = core.DeliveryUndelivered
	}
	tell := func(key string, after time.Duration, state core.DeliveryState) {
		s.at(now.Add(after), "receipt "+key+" "+m.ID, func(now time.Time) error { return s.receipt(by.name, m, state, now) })
	}
	end := max(v.reaches, time.Second) + v.receipt
	tell("a", end, state)
	if v.again {
		tell("b", end+tick, state)
	}
	if v.disorder {
		tell("c", end+tick, core.DeliverySent)
	}
}

func (s *simulation) reaches(p *person, id string, at time.Time) {
	s.mu.Lock()
	p.got[id]++
	first := p.arrived.IsZero()
	if first || at.Before(p.arrived) {
		p.arrived = at
	}
	s.mu.Unlock()
	enters := s.chance("enters", p.n)
	if enters.IntN(10) > 0 {
		s.at(at.Add(4*time.Second+time.Duration(enters.IntN(20))*time.Second), fmt.Sprintf("enter %07d", p.n), func(now time.Time) error { return s.enters(p, now) })
	}
}

// receipt does what the server does with one.
func (s *simulation) receipt(provider string, m gateway.Message, state core.DeliveryState, now time.Time) error {
	told := event.Event{Time: now, Outcome: event.Success}
	chance := s.chance("receipt", m.ID, state, now)
	p := &person{chance: chance}
	told.ID = p.id(now)
	delivered, failed := told, told
	delivered.Name, failed.Name, failed.Outcome = event.SMSSent, event.SMSSendFailed, event.Failure
	got, err := s.store.RecordReceipt(s.t.Context(), core.RecordReceipt{
		Provider: provider, MessageID: m.ID, ProviderRef: m.ID, State: state, At: now, Now: now,
		Again: true, RetryAt: now, OnDelivered: delivered, OnFailed: failed,
	})
	if err == nil && got.Outcome == core.Done && state != core.DeliverySent {
		s.box.Receipt(provider, m.Country, state != core.DeliveryDelivered)
	}
	return err
}
