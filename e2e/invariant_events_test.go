package e2e

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// Invariant 8: every account change leaves its event, written in the same
// transaction; no event tells of what did not happen.
//
// A person does one thing after another while the store fails at random steps.
// After each, what changed in the database is held against what was told.
func TestInvariant08(t *testing.T) {
	t.Parallel()
	onEveryEngine(t, toldWithTheChange)
}

func toldWithTheChange(t *testing.T, on engine) {
	p := newPair(t, on, func(s *core.Settings) { s.LimitsDisabled = true })
	p.shareStore()
	l := &life{pair: p, rand: chance(t), db: on.look(t, p.where), numbers: [2]string{number(0), number(1)}}
	names := acts()
	steps := 400
	if raced {
		steps = 120 // scripts/test has all of them without the race detector
	}
	for range steps {
		l.step(names[l.rand.IntN(len(names))])
		if t.Failed() {
			return
		}
	}
	t.Logf("%d acts done, %d undone by a failing store, %d done although their answer was lost", l.done, l.undone, l.lost)
	if l.done == 0 || l.undone == 0 || l.lost == 0 {
		t.Error("the run did not see every kind of outcome")
	}
}

// act is something that a person does: prepared while the store works, and then
// run while it may fail. want are the events of its success.
type act struct {
	name    string
	prepare func(*life) (run func() error, want []event.Name)
}

// life is a person with an account, a living session and a spare number.
type life struct {
	*pair
	rand    *mathrand.Rand
	db      witness
	numbers [2]string // the account's, and the spare one
	set     core.TokenSet
	caller  core.Caller

	password, next keyring.Secret // the account's, and the one that an act would set

	done, undone, lost int
}

// step does one act, perhaps under a fault, and judges it.
func (l *life) step(a act) {
	l.t.Helper()
	l.signIn()
	run, want := a.prepare(l)
	l.told()
	before := l.state()
	failed := l.failAtRandom()
	err := run()
	l.fault.Store(nil)
	told, changed := l.told(), l.state() != before

	l.learn(told)
	whole := slices.Equal(told, want) && (len(want) > 0 || !changed)
	nothing := len(told) == 0 && !changed
	switch {
	case codeOf(err) != core.CodeUnavailable && whole:
		l.done++
	case codeOf(err) == core.CodeUnavailable && failed() == stepCommitted && whole:
		l.lost++
	case codeOf(err) == core.CodeUnavailable && nothing:
		l.undone++
	default:
		l.t.Errorf("%s, failed at %q: %v; told of %v, want %v; changed: %v", a.name, failed(), err, told, want, changed)
	}
}

// signIn makes sure of a living session.
func (l *life) signIn() {
	l.t.Helper()
	var err error
	if l.caller, err = l.in(l.set.AccessToken); err == nil {
		return
	}
	set, err := l.signUp(l.numbers[0], goodPassword)
	if codeOf(err) == core.CodeAccountDisabled {
		l.must(l.one().EnableUser(context.Background(), stranger(), l.set.User.ID, "test"))
		set, err = l.signUp(l.numbers[0], goodPassword)
	}
	l.must(err)
	if l.set = set; set.Created {
		l.password = goodPassword
	}
	l.caller, err = l.in(l.set.AccessToken)
	l.must(err)
}

// learn follows what was told: a change whose answer was lost has been made.
func (l *life) learn(told []event.Name) {
	for _, name := range told {
		switch name {
		case event.PasswordChanged, event.PasswordReset:
			l.password = l.next
		case event.PhoneNumberChanged:
			l.numbers[0], l.numbers[1] = l.numbers[1], l.numbers[0]
		}
	}
}

// failAtRandom lets the store fail once, at some step, every other time. It gives
// a function that tells at which step it did.
func (l *life) failAtRandom() (failed func() string) {
	steps := []string{stepBegin, stepStatement, stepOperation, stepCommit, stepCommitted}
	at, left, hit := steps[l.rand.IntN(len(steps))], 1+l.rand.IntN(2), ""
	if at == stepStatement {
		left = 1 + l.rand.IntN(12)
	}
	if l.rand.IntN(2) == 0 {
		left = 0
	}
	broken := func(step string) error { // the writer alone calls it, and is done when the act is
		if step == at {
			if left--; left == 0 {
				hit = step
				return errors.New("the disk is gone")
			}
		}
		return nil
	}
	l.fault.Store(&broken)
	return func() string { return hit }
}

// told gives the names of all account events since it was last asked, in the
// order of their commits.
func (l *life) told() []event.Name {
	l.t.Helper()
	var names []event.Name
	for {
		claimed, err := l.stores[0].ClaimEvents(context.Background(), "witness", core.Claim{
			Holder: "witness", Limit: 100, Lease: time.Hour, Now: l.clock.read(),
		})
		if err != nil {
			l.t.Fatal(err)
		}
		if len(claimed) == 0 {
			return names
		}
		for _, e := range claimed {
			names = append(names, e.Name)
			if !keyring.ValidID(e.ID) || e.Time.IsZero() || e.RequestID != stranger().RequestID || e.PhonePseudonym == "" {
				l.t.Errorf("an event lacks something: %+v", e)
			}
		}
		if _, err := l.stores[0].SettleEvents(context.Background(), core.SettleEvents{
			Sink: "witness", Holder: "witness", Through: claimed[len(claimed)-1].ID, Now: l.clock.read(),
		}); err != nil {
			l.t.Fatal(err)
		}
	}
}

// state is a fingerprint of everything that an event has to tell of. Counters of
// failures and of refreshes are not: a try is counted before it is judged, and
// refreshes are told of in the log alone.
func (l *life) state() string {
	l.t.Helper()
	hash := sha256.New()
	for _, query := range []string{
		"SELECT * FROM users ORDER BY id", "SELECT * FROM phones ORDER BY phone_key", "SELECT * FROM password_history ORDER BY user_id, hash",
		"SELECT id, user_id FROM devices ORDER BY id",
		"SELECT id, user_id, auth_time, ended_at, end_reason, methods FROM sessions ORDER BY id",
		"SELECT id, guesses_left, resends, redeemed_at, voided_at FROM challenges ORDER BY id",
	} {
		err := l.db.rows(query, func(columns [][]byte) {
			for _, column := range columns {
				fmt.Fprintf(hash, "%x|", column)
			}
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return string(hash.Sum(nil))
}
