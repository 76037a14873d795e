package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
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

// siege is one instance with the limits as they come, over a real database, on
// a clock of its own: what attackers are let loose on.
type siege struct {
	*core.Core
	t        testing.TB
	store    *sqlite.Store
	ring     *keyring.Ring
	clock    *clock
	settings core.Settings

	orderly bool // actors whose turn comes at the same time act one after another

	mu      sync.Mutex
	refused map[string]int // by the limit that events named
	paused  []event.Event
	texts   map[string]string // by challenge: the newest message
	sent    []sentMessage
}

// sentMessage is one that a provider took, and what it cost.
type sentMessage struct {
	at                 time.Time
	challenge, country string
	cost               core.Money
}

// newSiege makes one; asks is the captcha strangers are asked for, if any.
func newSiege(t testing.TB, asks func(*keyring.Ring) captcha.Verifier, change ...func(*core.Settings)) *siege {
	t.Helper()
	s := &siege{
		t: t, clock: &clock{now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)},
		refused: map[string]int{}, texts: map[string]string{},
		settings: core.Settings{
			AppName: "Test", Host: "example.com", CodeTTL: 10 * time.Minute, RefreshGrace: 10 * time.Second,
			IdleTimeout: 30 * 24 * time.Hour, Lifetime: 365 * 24 * time.Hour, ReauthWindow: 10 * time.Minute,
		},
	}
	for _, c := range change {
		c(&s.settings)
	}
	s.ring = newRing(t, s.clock.now)
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := token.New(s.ring, []token.SigningKey{key}, token.Settings{
		Issuer: "http://localhost", Audience: "http://localhost", ClientID: "default", TTL: 10 * time.Minute,
	}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.store, err = sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(fastFolder(t), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	var verifier captcha.Verifier
	if asks != nil {
		verifier = asks(s.ring)
	}
	s.Core = core.New(core.Deps{
		Store: s.store, Ring: s.ring, Tokens: tokens, Rand: rand.Reader, Now: s.clock.read, Settings: s.settings,
		Hasher: password.NewHasher(password.HasherOptions{
			Ring: s.ring, Slots: 8, Queue: 1000, Wait: time.Minute, Rand: rand.Reader,
			Params: password.Params{MemoryKiB: 64, Time: 1, Threads: 1},
		}),
		Policy: password.NewPolicy(8, "Test", nil), Traffic: s.hear, Captcha: verifier,
		Limiter: limit.NewMemory(limit.MemoryOptions{}),
	})
	return s
}

// work is our own proof of work, as it is asked for where nothing is set.
func work(ring *keyring.Ring) captcha.Verifier {
	return captcha.NewPoW(captcha.PoWOptions{Ring: ring, Rand: rand.Reader})
}

// fastFolder is a folder in memory where the system has one: a week of commits
// waits for no disk.
func fastFolder(t testing.TB) string {
	folder, err := os.MkdirTemp("/dev/shm", "countersign-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

func (s *siege) hear(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Name {
	case event.RateLimited:
		s.refused[e.Reason]++
	case event.SendingPaused:
		s.paused = append(s.paused, e)
	}
}

// refusedBy tells how often a limit refused so far.
func (s *siege) refusedBy(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused[name]
}

// run has actors act, each again once the wait that it gave is over, until a
// time. Those whose turn comes at the same time act together, unless they have
// to be orderly. An actor that gives no wait has had enough.
func (s *siege) run(until time.Time, actors ...func() time.Duration) {
	due := make([]time.Time, len(actors))
	for i := range due {
		due[i] = s.clock.read()
	}
	for {
		next := until
		for _, at := range due {
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if !next.Before(until) {
			s.clock.pass(until.Sub(s.clock.read()))
			return
		}
		s.clock.pass(next.Sub(s.clock.read()))
		var all sync.WaitGroup
		for i, act := range actors {
			if !due[i].Equal(next) {
				continue
			}
			all.Go(func() {
				due[i] = time.Time{}
				if wait := act(); wait > 0 {
					due[i] = next.Add(wait)
				}
			})
			if s.orderly {
				all.Wait()
			}
		}
		all.Wait()
	}
}

// code is what the newest message of a challenge says that was delivered; ""
// where none was.
func (s *siege) code(challenge string) keyring.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.texts[challenge]
	return keyring.Secret(text[strings.LastIndex(text, "#")+1:])
}

// deliver has a provider take all that is due, as the outbox would: within the
// budgets, and each message at the price that was expected.
func (s *siege) deliver() {
	s.t.Helper()
	for {
		now := s.clock.read()
		claimed, err := s.store.ClaimMessages(context.Background(), core.ClaimMessages{
			Claim:   core.Claim{Holder: "test", Limit: 100, Lease: time.Hour, Now: now},
			Budgets: s.settings.Budgets, HoldFor: 30 * time.Second,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, m := range claimed.Messages {
			s.settle(m, now)
		}
		if len(claimed.Messages) == 0 {
			return
		}
	}
}

func (s *siege) settle(m core.Message, now time.Time) {
	s.t.Helper()
	_, body, err := core.OpenText(s.ring, m)
	if err != nil {
		s.t.Fatal(err)
	}
	settled := core.SettleMessage{
		ID: m.ID, Holder: "test", State: core.MessageSent, Cost: &m.Price, Provider: "test", Now: now,
	}
	if m.State == core.MessageWithheld {
		settled.State, settled.Cost = core.MessageWithheld, new(core.Money)
	}
	if _, err := s.store.SettleMessage(context.Background(), settled); err != nil {
		s.t.Fatal(err)
	}
	if m.State == core.MessageWithheld {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[m.ChallengeID] = body.Body.Reveal()
	s.sent = append(s.sent, sentMessage{now, m.ChallengeID, m.Country, m.Price})
}

// solving asks once more with a captcha solved where one was asked for. It has
// to be one of those that cost nothing.
func solving(f func(captcha.Solution) error) error {
	err := f(captcha.Solution{})
	if r := refusalOf(err); r != nil && r.Code == core.CodeCaptchaRequired {
		return f(captcha.Solution{Type: r.Captcha.Type, Token: keyring.Secret(r.Captcha.Challenge)})
	}
	return err
}

// from is a caller at an address.
func from(address netip.Addr) core.Caller {
	return core.Caller{Address: address, UserAgent: "test/1", RequestID: "req-1"}
}

// botnet is the i-th of many addresses that share no network.
func botnet(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(1 + i>>16%200), byte(i >> 8), byte(i), 7})
}

// lands are the beginnings of numbers in as many countries, in each of which
// seven more digits make one.
var lands = []string{
	"+1415", "+3461", "+39312", "+4670", "+4851", "+91981", "+551196", "+81901", "+658", "+4178", "+43664", "+3247",
	"+35841", "+35385", "+2771", "+90501", "+97250", "+97150", "+6012", "+6681", "+6421", "+52551", "+54111", "+30691",
	"+42060", "+3670", "+4072", "+88691",
}

// inLand is the i-th number of a country: seven hundred prefixes take turns.
func inLand(land, i int) string {
	return fmt.Sprintf("%s%03d%04d", lands[land], 200+i%700, i/700%10000)
}

// anywhere is the i-th number of all countries in turns.
func anywhere(i int) string { return inLand(i%len(lands), i/len(lands)) }

// refusalOf is what a flow refused with; nil where it did not.
func refusalOf(err error) *core.Error {
	var refusal *core.Error
	errors.As(err, &refusal)
	return refusal
}

// signUp makes an account.
func (s *siege) signUp(caller core.Caller, number, pw string) core.TokenSet {
	s.t.Helper()
	in := core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: number}}
	if pw != "" {
		secret := keyring.Secret(pw)
		in.Password = &secret
	}
	ch, err := s.Signup(context.Background(), caller, in)
	if err != nil {
		s.t.Fatalf("signing up: %v", err)
	}
	return s.redeem(caller, ch)
}

// redeem proves a challenge's code.
func (s *siege) redeem(caller core.Caller, ch core.Challenge) core.TokenSet {
	s.t.Helper()
	s.deliver()
	out, err := s.Verify(context.Background(), caller, core.VerifyIn{ChallengeID: ch.ID, Code: s.code(ch.ID)})
	if err != nil {
		s.t.Fatalf("redeeming a code: %v", err)
	}
	return *out.Tokens
}
