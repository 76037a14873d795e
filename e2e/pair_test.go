package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/native"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/password"
	"github.com/countersign/countersign/internal/token"
)

// pair is two instances over one database, each with connections of its own. A
// server over SQLite takes its data folder for itself, so instances that share
// one are cores here. Nothing sends their messages: the test reads them.
type pair struct {
	t      testing.TB
	engine engine
	where  string // the database
	cores  [2]*core.Core
	stores [2]closingStore
	ring   *keyring.Ring
	tokens *token.Minter
	clock  *clock
	next   atomic.Int64 // whose turn it is
	change []func(*core.Settings)
	hash   password.Params // of cores that are made from now on
	fault  atomic.Pointer[func(step string) error]

	mu    sync.Mutex
	texts map[string]string // by challenge, the newest
}

// newPair makes one; change, if any, alters the settings.
func newPair(t testing.TB, on engine, change ...func(*core.Settings)) *pair {
	t.Helper()
	p := &pair{
		t: t, engine: on, where: on.database(t), texts: map[string]string{}, change: change,
		clock: &clock{now: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)},
		// The cheapest parameters: what is slow about hashing is shown in its own room.
		hash: password.Params{MemoryKiB: 64, Time: 1, Threads: 1},
	}
	p.ring = newRing(t, p.clock.now)
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	p.tokens, err = token.New(p.ring, []token.SigningKey{key}, token.Settings{
		Issuer: "http://localhost", Audience: "http://localhost", ClientID: "default", TTL: 10 * time.Minute,
	}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.cores {
		p.stores[i], err = on.open(p.where, p.faults)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.stores[i].Close() })
		p.cores[i] = p.coreOver(p.stores[i])
	}
	return p
}

// shareStore lets both instances write by one connection where one would wait for
// the other's lock: for long random runs.
func (p *pair) shareStore() {
	if p.engine.oneWrite {
		p.cores[1] = p.coreOver(p.stores[0])
	}
}

// coreOver is an instance over a store.
func (p *pair) coreOver(store core.Store) *core.Core {
	settings := core.Settings{
		AppName: "Test", Host: "example.com", CodeTTL: 10 * time.Minute, RefreshGrace: 10 * time.Second,
		IdleTimeout: 30 * 24 * time.Hour, Lifetime: 365 * 24 * time.Hour, ReauthWindow: 10 * time.Minute,
	}
	widen(&settings)
	for _, c := range p.change {
		c(&settings)
	}
	return core.New(core.Deps{
		Store: store, Ring: p.ring, Tokens: p.tokens, Rand: rand.Reader, Now: p.clock.read,
		Hasher: password.NewHasher(password.HasherOptions{
			Ring: p.ring, Slots: 8, Queue: 1000, Wait: time.Minute, Rand: rand.Reader,
			Params: p.hash,
		}),
		Policy: password.NewPolicy(8, "Test", nil), Traffic: func(event.Event) {}, Settings: settings,
		Limiter: limit.NewMemory(limit.MemoryOptions{}),
	})
}

// serve serves the second instance's API, and gives its base URL.
func (p *pair) serve() string {
	edge := dialect.Edge{Now: p.clock.read, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
	api := httptest.NewServer(edge.Wrap(native.New(p.cores[1])))
	p.t.Cleanup(api.Close)
	return api.URL
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

func (p *pair) faults(step string) error {
	if f := p.fault.Load(); f != nil {
		return (*f)(step)
	}
	return nil
}

// one gives the instances in turns.
func (p *pair) one() *core.Core { return p.cores[p.next.Add(1)%2] }

// stranger is a caller whom nobody knows.
func stranger() core.Caller {
	return core.Caller{Address: netip.MustParseAddr("192.0.2.7"), UserAgent: "test/1", RequestID: "req-1"}
}

// in lets the bearer of an access token in at the door.
func (p *pair) in(access keyring.Secret) (core.Caller, error) {
	return p.one().Authenticate(context.Background(), stranger(), access)
}

// code is what the message of a challenge says; "" where none was queued.
func (p *pair) code(challenge string) keyring.Secret {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.texts[challenge] == "" {
		claimed, err := p.stores[0].ClaimMessages(context.Background(), core.ClaimMessages{Claim: core.Claim{
			Holder: "test", Limit: 100, Lease: time.Hour, Now: p.clock.read(),
		}})
		if err != nil {
			p.t.Error(err)
			return ""
		}
		if len(claimed.Messages) == 0 {
			return ""
		}
		for _, m := range claimed.Messages {
			_, body, err := core.OpenText(p.ring, m)
			if err != nil {
				p.t.Error(err)
				return ""
			}
			p.texts[m.ChallengeID] = body.Body.Reveal()
		}
	}
	text := p.texts[challenge]
	return keyring.Secret(text[strings.LastIndex(text, "#")+1:])
}

// signUp makes an account, or signs in to the one there is; pw "" gives no
// password.
func (p *pair) signUp(number, pw string) (core.TokenSet, error) {
	in := core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: number}}
	if pw != "" {
		secret := keyring.Secret(pw)
		in.Password = &secret
	}
	ch, err := p.one().Signup(context.Background(), stranger(), in)
	if err != nil {
		return core.TokenSet{}, err
	}
	return p.verify(stranger(), ch.ID, p.code(ch.ID))
}

// mustSignUp is signUp where nothing may go wrong.
func (p *pair) mustSignUp(number, pw string) core.TokenSet {
	p.t.Helper()
	set, err := p.signUp(number, pw)
	if err != nil {
		p.t.Fatalf("signing up: %v", err)
	}
	return set
}

func (p *pair) verify(caller core.Caller, challenge string, code keyring.Secret) (core.TokenSet, error) {
	out, err := p.one().Verify(context.Background(), caller, core.VerifyIn{ChallengeID: challenge, Code: code})
	if err != nil || out.Tokens == nil {
		return core.TokenSet{}, err
	}
	return *out.Tokens, nil
}

// begin begins a sign-in by code and gives the challenge's id.
func (p *pair) begin(number string, device keyring.Secret) string {
	p.t.Helper()
	ch, err := p.one().LoginSMS(context.Background(), stranger(), core.BeginIn{
		PhoneNumber: number, Device: core.DeviceIn{Token: device},
	})
	if err != nil {
		p.t.Fatalf("beginning a sign-in: %v", err)
	}
	return ch.ID
}

func (p *pair) login(number, pw string, device keyring.Secret) (core.TokenSet, error) {
	return p.one().LoginPassword(context.Background(), stranger(), core.LoginPasswordIn{
		PhoneNumber: number, Password: keyring.Secret(pw), Device: core.DeviceIn{Token: device},
	})
}

func (p *pair) refresh(refresh, device keyring.Secret) (core.TokenSet, error) {
	return p.one().Refresh(context.Background(), stranger(), core.RefreshIn{
		RefreshToken: refresh, Device: core.DeviceIn{Token: device},
	})
}

// alive tells whether anything of a session is still accepted.
func (p *pair) alive(set core.TokenSet) bool {
	if _, err := p.in(set.AccessToken); err == nil {
		return true
	}
	_, err := p.refresh(set.RefreshToken, set.DeviceToken)
	return err == nil
}

// codeOf is the word of a refusal; "" where there is no error, and the error's
// text where it is none.
func codeOf(err error) core.Code {
	var refusal *core.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Code
	default:
		return core.Code(err.Error())
	}
}

// number is the nth number of an area; nobody lives there.
func number(n int) string { return fmt.Sprintf("+1415%d", 5550000+n) }

// together calls f n times at once, and waits for all.
func together(n int, f func(i int)) {
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		all.Go(func() {
			ready.Done()
			<-start
			f(i)
		})
	}
	ready.Wait()
	close(start)
	all.Wait()
}

// chance is a source of its own for each of many workers, told by the test's
// log so that a run can be told apart from another.
func chance(t testing.TB) *mathrand.Rand {
	seed := mathrand.Uint64()
	t.Logf("seed %d", seed)
	return mathrand.New(mathrand.NewPCG(seed, seed))
}
