package storetest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// Invariant 5, in parallel: once an operation that ends sessions has answered,
// no refresh succeeds, and no login that was checked before leaves a session.
func endings(f flow) {
	for name, each := range everyEnding() {
		f.shows("C25 refreshes racing "+name, raceEnding(each))
		f.shows("C25 no clock set back revives what had lapsed before "+name, endLapsed(each))
	}
	f.shows("C25 50 password logins racing a new password", raceLoginsWithSetPassword)
	f.shows("C25 50 password logins racing a reset", raceLoginsWithReset)
	f.shows("C25 30 code logins racing a logout of all", raceCodesWithEndAll)
	f.shows("C25 30 code logins racing a disabling", raceCodesWithDisable)
	f.shows("C35 30 code logins racing everybody's end", raceCodesWithEverybodysEnd)
}

// ending prepares an operation that ends an account's sessions, and names the
// sessions that live on.
type ending func(w *world, owner account) (run func() (core.Outcome, error), survivors []string)

func everyEnding() map[string]ending {
	return map[string]ending{
		"a logout of all": func(w *world, owner account) (func() (core.Outcome, error), []string) {
			in := w.endSessions(owner, core.ScopeAll)
			return func() (core.Outcome, error) { return w.store.EndSessions(w.ctx, in) }, nil
		},
		"a logout of others": func(w *world, owner account) (func() (core.Outcome, error), []string) {
			in := w.endSessions(owner, core.ScopeOthers)
			return func() (core.Outcome, error) { return w.store.EndSessions(w.ctx, in) }, sessionIDs(owner.session)
		},
		"a new password": func(w *world, owner account) (func() (core.Outcome, error), []string) {
			in := w.setPassword(owner)
			return func() (core.Outcome, error) { return w.store.SetPassword(w.ctx, in) }, sessionIDs(owner.session)
		},
		"a reset": func(w *world, owner account) (func() (core.Outcome, error), []string) {
			in := w.redeemReset(w.beginFor(owner, core.PurposePasswordReset))
			return func() (core.Outcome, error) {
				got, err := w.store.RedeemReset(w.ctx, in)
				return got.Outcome, err
			}, []string{in.Session.ID}
		},
		"a phone change": func(w *world, owner account) (func() (core.Outcome, error), []string) {
			in := w.redeemPhoneChange(owner, w.beginAs(owner, core.PurposePhoneChange, w.newNumber()))
			return func() (core.Outcome, error) {
				got, err := w.store.RedeemPhoneChange(w.ctx, in)
				return got.Outcome, err
			}, sessionIDs(owner.session)
		},
		"a disabling": func(w *world, owner account) (func() (core.Outcome, error), []string) {
			in := w.changeUser(owner.ID, event.AccountDisabled)
			return func() (core.Outcome, error) { return w.store.DisableUser(w.ctx, in) }, nil
		},
		"everybody's end": func(w *world, _ account) (func() (core.Outcome, error), []string) {
			return w.everybodysEnd(), nil
		},
		"an erasure": func(w *world, owner account) (func() (core.Outcome, error), []string) {
			in := core.DeleteUser{SessionID: owner.session.ID, Now: w.now, Event: w.newEvent(event.AccountDeleted)}
			return func() (core.Outcome, error) { return w.store.DeleteUser(w.ctx, in) }, nil
		},
	}
}

// endLapsed sets the clock back to before a session lapsed, once an operation
// has ended it with the others.
func endLapsed(prepare ending) func(*world) {
	return func(w *world) {
		owner := w.account()
		lapsed := w.login(owner)
		w.advance(time.Second)
		w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Done) // lives a second longer
		w.setClock(lapsed.IdleExpiresAt)
		run, _ := prepare(w, owner)
		outcome, err := run()
		w.holds("it was carried out", err == nil && outcome == core.Done)

		w.advance(-time.Millisecond)
		got := do(w, w.store.RotateSession, w.rotate(lapsed)).Outcome
		w.holds("the session is over", got == core.SessionEnded || got == core.NotFound)
	}
}

// raceEnding refreshes eight sessions without a pause while the operation ends
// them.
func raceEnding(prepare ending) func(*world) {
	return func(w *world) {
		owner := w.account()
		tokens := many(8, func(int) core.RotateSession { return unnoticed(w.rotate(w.login(owner))) })
		run, survivors := prepare(w, owner)

		var refreshing, begun sync.WaitGroup
		var answered atomic.Bool
		begun.Add(len(tokens))
		for i := range tokens {
			refreshing.Go(func() { refreshUntilEnded(w, &tokens[i], begun.Done, &answered) })
		}
		begun.Wait()
		outcome, err := run()
		answered.Store(true)
		refreshing.Wait()

		w.holds("the ending did not fail", err == nil)
		w.outcome(outcome, core.Done)
		equal(w, "living sessions", w.living(owner.ID), survivors)
		for _, in := range tokens {
			for range 2 { // the current token, and within its grace the one before
				got := do(w, w.store.RotateSession, in).Outcome
				w.holds("the token is dead", got == core.SessionEnded || got == core.NotFound)
				in.Counter--
			}
		}
	}
}

// refreshUntilEnded rotates one session until it is refused, and fails the test
// if that took longer than the ending did.
func refreshUntilEnded(w *world, in *core.RotateSession, begun func(), answered *atomic.Bool) {
	for n := 0; ; n++ {
		over := answered.Load()
		got, err := w.store.RotateSession(w.ctx, *in)
		if n == 0 {
			begun()
		}
		if err != nil {
			w.t.Errorf("RotateSession: %v", err)
			return
		}
		if got.Outcome != core.Done {
			return
		}
		if over {
			w.t.Errorf("a refresh begun after the ending had answered succeeded")
			return
		}
		in.Counter = got.Session.Counter
	}
}

// unnoticed takes the events from a rotation.
func unnoticed(in core.RotateSession) core.RotateSession {
	in.OnMoved, in.OnReused = event.Event{}, event.Event{}
	return in
}

// passwordLogins are logins that were all checked by the password that is.
func (w *world) passwordLogins(owner account, n int) []core.OpenSession {
	w.t.Helper()
	return many(n, func(int) core.OpenSession {
		in := w.openSession(owner)
		in.MaxSessions = 2 * n // none is surplus
		return in
	})
}

func raceLoginsWithSetPassword(w *world) {
	owner := w.account()
	set := w.setPassword(owner)
	raceWithLast(w, w.store.OpenSession, w.passwordLogins(owner, 50), func() (core.Outcome, error) {
		return w.store.SetPassword(w.ctx, set)
	})
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
}

func raceLoginsWithReset(w *world) {
	owner := w.account()
	reset := w.redeemReset(w.beginFor(owner, core.PurposePasswordReset))
	raceWithLast(w, w.store.OpenSession, w.passwordLogins(owner, 50), func() (core.Outcome, error) {
		got, err := w.store.RedeemReset(w.ctx, reset)
		return got.Outcome, err
	})
	equal(w, "living sessions", w.living(owner.ID), []string{reset.Session.ID})
}

func raceCodesWithEndAll(w *world) {
	owner := w.account()
	ins := many(30, func(int) core.RedeemLogin { return w.redeemLogin(w.beginFor(owner, core.PurposeLogin)) })
	end := w.endSessions(owner, core.ScopeAll)
	raceWithLast(w, w.store.RedeemLogin, ins, func() (core.Outcome, error) { return w.store.EndSessions(w.ctx, end) })
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
}

func raceCodesWithDisable(w *world) {
	owner := w.account()
	ins := many(30, func(int) core.RedeemLogin { return w.redeemLogin(w.beginFor(owner, core.PurposeLogin)) })
	change := w.changeUser(owner.ID, event.AccountDisabled)
	raceWithLast(w, w.store.RedeemLogin, ins, func() (core.Outcome, error) { return w.store.DisableUser(w.ctx, change) })
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
}

func raceCodesWithEverybodysEnd(w *world) {
	owner := w.account()
	ins := many(30, func(int) core.RedeemLogin { return w.redeemLogin(w.beginFor(owner, core.PurposeLogin)) })
	raceWithLast(w, w.store.RedeemLogin, ins, w.everybodysEnd())
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	for _, in := range ins {
		w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Spent)
	}
}

// everybodysEnd is an ending of all sessions there are.
func (w *world) everybodysEnd() func() (core.Outcome, error) {
	in := core.EndAllSessions{Now: w.now, Event: w.newEvent(event.AllSessionsEnded)}
	return func() (core.Outcome, error) {
		until, err := w.store.EndAllSessions(w.ctx, in)
		if !until.Equal(in.Now) {
			w.t.Errorf("everybody's end counts from %v, want %v", until, in.Now)
		}
		return core.Done, err
	}
}

// raceWithLast calls an operation with all inputs and, at the same time, one
// more that must be done.
func raceWithLast[In, Out any](
	w *world, operation func(context.Context, In) (Out, error), ins []In, last func() (core.Outcome, error),
) {
	w.t.Helper()
	var outcome core.Outcome
	atOnce(len(ins)+1, func(i int) {
		var err error
		if i == len(ins) {
			outcome, err = last()
		} else {
			_, err = operation(w.ctx, ins[i])
		}
		if err != nil {
			w.t.Errorf("racing: %v", err)
		}
	})
	w.outcome(outcome, core.Done)
}
