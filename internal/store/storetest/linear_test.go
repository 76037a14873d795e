package storetest

import (
	"context"
	"math"
	"path/filepath"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/sqlite"
)

// A checker that cannot fail shows nothing: these stores are wrong in ways that
// no single answer betrays.
func TestLinearRefuses(t *testing.T) {
	t.Parallel()
	t.Run("a second redemption", func(t *testing.T) {
		t.Parallel()
		refused(t, examine(t, broken(func(s core.Store) core.Store { return redeemsTwice{s} }), loginOracle(), loginClients))
	})
	t.Run("a failed redemption that happened", func(t *testing.T) {
		t.Parallel()
		refused(t, examine(t, broken(func(s core.Store) core.Store { return failsLate{s} }), loginOracle(), loginClients))
	})
	t.Run("a second account", func(t *testing.T) {
		t.Parallel()
		refused(t, examine(t, broken(func(s core.Store) core.Store { return makesAnother{s} }), signupOracle(), signupClients))
	})
	t.Run("a session read from a cache", func(t *testing.T) {
		t.Parallel()
		refused(t, examine(t, broken(func(s core.Store) core.Store {
			return &remembers{Store: s, seen: map[string]core.Session{}}
		}), sessionOracle(), sessionClients))
	})
	t.Run("a second successor", func(t *testing.T) {
		t.Parallel()
		refused(t, examine(t, broken(func(s core.Store) core.Store { return rotatesAgain{s} }), sessionOracle(), sessionClients))
	})
	t.Run("a lost failure", func(t *testing.T) {
		t.Parallel()
		refused(t, examine(t, broken(func(s core.Store) core.Store { return &forgets{Store: s} }), failureOracle(), failureClients))
	})
}

func refused(t *testing.T, got verdict) {
	t.Helper()
	if got.refused == "" {
		t.Errorf("all histories were explained: %v", got.outcomes)
	}
}

// broken opens a store that works, and breaks it.
func broken(by func(core.Store) core.Store) func(*testing.T, Fault) []core.Store {
	return func(t *testing.T, _ Fault) []core.Store {
		s, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return []core.Store{by(s)}
	}
}

// redeemsTwice lets a right code through again.
type redeemsTwice struct{ core.Store }

func (s redeemsTwice) RedeemLogin(ctx context.Context, in core.RedeemLogin) (core.RedeemResult, error) {
	got, err := s.Store.RedeemLogin(ctx, in)
	if got.Outcome == core.Spent && string(in.CodeMACs[0]) == string(mac(right)) {
		got.Outcome, got.Session = core.Done, in.Session
	}
	return got, err
}

// failsLate says that a redemption failed, and it did not.
type failsLate struct{ core.Store }

func (s failsLate) RedeemLogin(ctx context.Context, in core.RedeemLogin) (core.RedeemResult, error) {
	got, err := s.Store.RedeemLogin(ctx, in)
	if got.Outcome == core.Done {
		return core.RedeemResult{}, errLuckless
	}
	return got, err
}

// makesAnother says of a second redemption that it made an account too.
type makesAnother struct{ core.Store }

func (s makesAnother) RedeemSignup(ctx context.Context, in core.RedeemSignup) (core.RedeemResult, error) {
	got, err := s.Store.RedeemSignup(ctx, in)
	if got.Outcome == core.Done && !got.Created {
		got.Created, got.User = true, in.User
	}
	return got, err
}

// remembers reads each session once, and tells that for ever.
type remembers struct {
	core.Store
	mu   sync.Mutex
	seen map[string]core.Session
}

func (s *remembers) Session(ctx context.Context, id string) (core.Session, core.User, error) {
	got, user, err := s.Store.Session(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.seen[id]; ok {
		return before, user, err
	}
	s.seen[id] = got
	return got, user, err
}

// rotatesAgain gives an old token one more successor.
type rotatesAgain struct{ core.Store }

func (s rotatesAgain) RotateSession(ctx context.Context, in core.RotateSession) (core.SessionResult, error) {
	got, err := s.Store.RotateSession(ctx, in)
	if got.Outcome == core.Repeated {
		in.Counter = got.Session.Counter
		return s.Store.RotateSession(ctx, in)
	}
	return got, err
}

// forgets does not count the third failure of each three.
type forgets struct {
	core.Store
	mu    sync.Mutex
	tries int
}

func (s *forgets) TryPassword(ctx context.Context, in core.TryPassword) (core.TryPasswordResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tries++; s.tries%3 > 0 {
		return s.Store.TryPassword(ctx, in)
	}
	in.Limits = core.PasswordLimits{Free: math.MaxInt}
	in.PhoneKey += " of nobody"
	got, err := s.Store.TryPassword(ctx, in)
	got.Failures = 1
	return got, err
}

// A lost answer explains both what tells of it and what does not, but not both
// in turns.
func TestLostAnswerExplains(t *testing.T) {
	t.Parallel()
	redeem := func(out any) porcupine.Operation {
		op := porcupine.Operation{Input: codeAct{what: "guess", id: "c", code: right, by: "s"}, Output: out, Call: 3, Return: 4}
		if out == any(lostAnswer{}) {
			op.Return = math.MaxInt64
		}
		return op
	}
	read := func(at int64, redeemed bool) porcupine.Operation {
		told := codeTold{outcome: core.Done, left: core.MaxGuesses, redeemed: redeemed}
		return porcupine.Operation{Input: codeAct{what: "read", id: "c"}, Output: told, Call: at, Return: at + 1}
	}
	open := porcupine.Operation{
		Input: codeAct{what: "open", id: "c"}, Output: codeTold{outcome: core.Done, id: "c"}, Call: 1, Return: 2,
	}
	lost, done := redeem(lostAnswer{}), redeem(codeTold{outcome: core.Done, session: "s"})
	for name, c := range map[string]struct {
		history []porcupine.Operation
		want    porcupine.CheckResult
	}{
		"it happened":               {[]porcupine.Operation{open, lost, read(5, true)}, porcupine.Ok},
		"it did not":                {[]porcupine.Operation{open, lost, read(5, false)}, porcupine.Ok},
		"it happened late":          {[]porcupine.Operation{open, lost, read(5, false), read(7, true)}, porcupine.Ok},
		"it was undone":             {[]porcupine.Operation{open, lost, read(5, true), read(7, false)}, porcupine.Illegal},
		"it was acknowledged":       {[]porcupine.Operation{open, done, read(5, true)}, porcupine.Ok},
		"acknowledged and not seen": {[]porcupine.Operation{open, done, read(5, false)}, porcupine.Illegal},
		"nobody did it":             {[]porcupine.Operation{open, read(5, true)}, porcupine.Illegal},
		"twice":                     {[]porcupine.Operation{open, done, redeem(codeTold{outcome: core.Done, session: "s"})}, porcupine.Illegal},
	} {
		if got := loginOracle().check(c.history); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
