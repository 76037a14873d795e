package storetest

import (
	"context"
	"errors"
	"slices"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// What must hold when many do the same at once. What races the end of sessions
// is in endings.go.
func races(f flow) {
	f.shows("C03 200 wrong guesses, five judged", raceWrongGuesses)
	f.shows("C40 100 wrong guesses at one number, 30 judged", raceNumberLimit)
	f.shows("C04 32 right codes, one redeemed", raceRightCodes)
	f.shows("C04 32 right codes of one request, one session", raceRepeats)
	f.shows("C43 32 wrong codes of one request, one counted", raceRepeatedMisses)
	f.shows("C54 50 signups of one number, one account", raceSignups)
	f.shows("C43 100 passwords, three judged before the wait", raceTries)
	f.shows("C43 100 passwords without limits, none lost", raceTriesUnlimited)
	f.shows("C24 64 refreshes with one token, one successor", raceRotations)
	f.shows("C30 60 logins, 50 sessions", raceLogins)
	f.shows("C25 16 new passwords, one set", raceSetPassword)
	f.shows("two phone changes to one number, one has it", racePhoneChanges)
	f.shows("16 begins with one key, one challenge", raceBegins)
	f.shows("16 resends, one message", raceResends)
	f.shows("16 keys of one slot, one kept", raceKeys)
	f.shows("8 drops of one key, one does it", raceDrops)
	f.shows("four claimers, no message claimed twice", raceClaims)
	f.shows("a context that ends leaves no doubt", raceContexts)
}

// tally counts results by a word each.
func tally[T any, K comparable](results []T, of func(T) K) map[K]int {
	counts := map[K]int{}
	for _, each := range results {
		counts[of(each)]++
	}
	return counts
}

func redeemed(r core.RedeemResult) core.Outcome   { return r.Outcome }
func tried(r core.TryPasswordResult) core.Outcome { return r.Outcome }
func onSession(r core.SessionResult) core.Outcome { return r.Outcome }

// many makes n inputs.
func many[In any](n int, one func(i int) In) []In {
	ins := make([]In, n)
	for i := range ins {
		ins[i] = one(i)
	}
	return ins
}

func raceWrongGuesses(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	ins := many(200, func(int) core.RedeemLogin {
		in := w.redeemLogin(c)
		in.Guess = w.guess(c, wrong)
		return in
	})
	got := doAtOnce(w, w.store.RedeemLogin, ins)
	equal(w, "outcomes", tally(got, redeemed), map[core.Outcome]int{core.Wrong: 5, core.Spent: 195})
	left := tally(got, func(r core.RedeemResult) int { return r.GuessesLeft })
	for n := 1; n < core.MaxGuesses; n++ {
		equal(w, "tellers of so many guesses left", left[n], 1)
	}
	equal(w, "failures of the number", w.number(c.Phone.Key).CodeFailures, 5)
	w.wrote(slices.Repeat([]event.Name{event.CodeFailed}, 5)...)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(c)).Outcome, core.Spent)
}

func raceNumberLimit(w *world) {
	owner := w.account()
	begun := many(20, func(int) core.Challenge { return w.beginFor(owner, core.PurposeLogin) })
	ins := many(100, func(i int) core.RedeemLogin {
		in := w.redeemLogin(begun[i%20])
		in.Guess = w.guess(begun[i%20], wrong)
		return in
	})
	got := doAtOnce(w, w.store.RedeemLogin, ins)
	equal(w, "outcomes", tally(got, redeemed), map[core.Outcome]int{core.Wrong: 30, core.Locked: 70})
	equal(w, "failures of the number", w.number(owner.Phone.Key).CodeFailures, 30)
	told := tally(w.events(), func(e event.Event) event.Name { return e.Name })
	equal(w, "events", told, map[event.Name]int{event.CodeFailed: 30, event.AccountLocked: 1})
	spent := 0
	for _, c := range begun {
		spent += core.MaxGuesses - do(w, w.store.Challenge, c.ID).GuessesLeft
	}
	equal(w, "guesses spent", spent, 30)
}

func raceRightCodes(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	got := doAtOnce(w, w.store.RedeemLogin, many(32, func(int) core.RedeemLogin { return w.redeemLogin(c) }))
	equal(w, "outcomes", tally(got, redeemed), map[core.Outcome]int{core.Done: 1, core.Spent: 31})
	equal(w, "living sessions", len(w.living(owner.ID)), 2)
	w.wrote(event.SuccessfulLogin)
}

func raceRepeats(w *world) {
	c := w.beginSignup(w.newNumber())
	got := doAtOnce(w, w.store.RedeemSignup, many(32, func(int) core.RedeemSignup {
		in := w.redeemSignup(c)
		in.Guess = keyed(in.Guess)
		return in
	}))
	equal(w, "outcomes", tally(got, redeemed), map[core.Outcome]int{core.Done: 1, core.Repeated: 31})
	for _, each := range got {
		equal(w, "the session", each.Session, got[0].Session)
		equal(w, "the user", each.User, got[0].User)
		w.holds("the account was made", each.Created)
	}
	w.wrote(event.AccountCreated, event.SuccessfulLogin)
}

func raceRepeatedMisses(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	got := doAtOnce(w, w.store.RedeemLogin, many(32, func(int) core.RedeemLogin {
		in := w.redeemLogin(c)
		in.Guess = keyed(w.guess(c, wrong))
		return in
	}))
	equal(w, "outcomes", tally(got, redeemed), map[core.Outcome]int{core.Wrong: 32})
	equal(w, "guesses left", do(w, w.store.Challenge, c.ID).GuessesLeft, core.MaxGuesses-1)
	equal(w, "failures of the number", w.number(c.Phone.Key).CodeFailures, 1)
	w.wrote(event.CodeFailed)
}

func raceSignups(w *world) {
	phone := w.newNumber()
	begun := many(50, func(int) core.Challenge { return w.beginSignup(phone) })
	got := doAtOnce(w, w.store.RedeemSignup, many(50, func(i int) core.RedeemSignup { return w.redeemSignup(begun[i]) }))
	equal(w, "outcomes", tally(got, redeemed), map[core.Outcome]int{core.Done: 1, core.Spent: 49})
	for _, each := range got {
		if each.Outcome == core.Done {
			w.holds("it made the account", each.Created)
			equal(w, "who has the number", w.number(phone.Key).User, each.User)
			equal(w, "living sessions", w.living(each.User.ID), sessionIDs(each.Session))
		}
	}
	w.wrote(event.AccountCreated, event.SuccessfulLogin)
}

func raceTries(w *world) {
	owner := w.account()
	got := doAtOnce(w, w.store.TryPassword, many(100, func(int) core.TryPassword { return w.tryInput(owner.Phone.Key, "") }))
	equal(w, "outcomes", tally(got, tried), map[core.Outcome]int{core.Done: 3, core.Locked: 97})
}

func raceTriesUnlimited(w *world) {
	owner := w.account()
	unlimited := func(int) core.TryPassword {
		in := w.tryInput(owner.Phone.Key, "")
		in.Limits = core.PasswordLimits{}
		return in
	}
	got := doAtOnce(w, w.store.TryPassword, many(100, unlimited))
	equal(w, "outcomes", tally(got, tried), map[core.Outcome]int{core.Done: 100})
	counts := tally(got, func(r core.TryPasswordResult) int { return r.Failures })
	for n := 1; n <= 100; n++ {
		equal(w, "tries that were counted as one number", counts[n], 1)
	}
	equal(w, "failures in a row", do(w, w.store.TryPassword, unlimited(0)).Failures, 101)
}

func raceRotations(w *world) {
	owner := w.account()
	got := doAtOnce(w, w.store.RotateSession, many(64, func(i int) core.RotateSession {
		in := w.rotate(owner.session)
		in.TokenKeyID = string(rune('A' + i))
		return in
	}))
	equal(w, "outcomes", tally(got, onSession), map[core.Outcome]int{core.Done: 1, core.Repeated: 63})
	stored := w.session(owner.session.ID)
	equal(w, "counter", stored.Counter, int64(1))
	for _, each := range got {
		equal(w, "the session told", each.Session, stored)
	}
}

func raceLogins(w *world) {
	owner := w.account()
	got := doAtOnce(w, w.store.OpenSession, many(60, func(int) core.OpenSession { return w.openSession(owner) }))
	equal(w, "outcomes", tally(got, onSession), map[core.Outcome]int{core.Done: 60})
	equal(w, "living sessions", len(w.living(owner.ID)), core.MaxSessions)
}

func raceSetPassword(w *world) {
	owner := w.account()
	got := doAtOnce(w, w.store.SetPassword, many(16, func(int) core.SetPassword { return w.setPassword(owner) }))
	counts := tally(got, func(o core.Outcome) core.Outcome { return o })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Done: 1, core.Stale: 15})
	equal(w, "the generation", w.user(owner.ID).Generation, owner.Generation+1)
	w.wrote(event.PasswordChanged)
}

func racePhoneChanges(w *world) {
	phone := w.newNumber()
	ins := many(8, func(int) core.RedeemPhoneChange {
		owner := w.account()
		return w.redeemPhoneChange(owner, w.beginAs(owner, core.PurposePhoneChange, phone))
	})
	got := doAtOnce(w, w.store.RedeemPhoneChange, ins)
	counts := tally(got, redeemed)
	equal(w, "changes done", counts[core.Done], 1)
	equal(w, "changes refused", counts[core.Spent]+counts[core.Taken], 7)
	for _, each := range got {
		if each.Outcome == core.Done {
			equal(w, "who has the number", w.number(phone.Key).User, each.User)
		}
	}
}

func raceBegins(w *world) {
	phone := w.newNumber()
	got := doAtOnce(w, w.store.OpenChallenge, many(16, func(int) core.OpenChallenge {
		c := w.newChallenge(core.PurposeSignup, phone)
		c.BeginKey, c.BeginBody = mac("key"), mac("body")
		return w.openChallenge(c)
	}))
	counts := tally(got, func(r core.OpenChallengeResult) core.Outcome { return r.Outcome })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Done: 1, core.Repeated: 15})
	for _, each := range got {
		equal(w, "the challenge told", each.Challenge, got[0].Challenge)
	}
	equal(w, "messages", len(w.messagesOf(phone.Key)), 1)
	w.wrote(event.LoginStarted)
}

func raceResends(w *world) {
	c := w.beginSignup(w.newNumber())
	w.setClock(c.ResendAt)
	got := doAtOnce(w, w.store.ResendChallenge, many(16, func(int) core.ResendChallenge {
		in := w.resend(c)
		in.NextResendAt = w.now // due again at once: the count alone decides
		return in
	}))
	counts := tally(got, func(r core.ResendChallengeResult) core.Outcome { return r.Outcome })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Done: 1, core.TooEarly: 15})
	equal(w, "messages", len(w.messagesOf(c.Phone.Key)), 2)
}

func raceKeys(w *world) {
	ins := many(16, func(int) keyring.StoredKey { return w.newKey(w.id(), "pepper") })
	got := doAtOnce(w, w.store.AddKey, ins)
	counts := tally(got, func(o core.Outcome) core.Outcome { return o })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Done: 1, core.Taken: 15})
	equal(w, "keys", w.keys(), []keyring.StoredKey{ins[slices.Index(got, core.Done)]})
}

func raceDrops(w *world) {
	key := w.newKey("old", "signing/1")
	w.outcome(do(w, w.store.AddKey, key), core.Done)
	got := doAtOnce(w, w.store.DropKey, many(8, func(int) string { return key.ID }))
	counts := tally(got, func(o core.Outcome) core.Outcome { return o })
	equal(w, "outcomes", counts, map[core.Outcome]int{core.Done: 1, core.NotFound: 7})
}

func raceClaims(w *world) {
	for range 40 {
		w.beginSignup(w.newNumber())
	}
	got := doAtOnce(w, w.store.ClaimMessages, many(24, func(i int) core.ClaimMessages {
		return core.ClaimMessages{Claim: core.Claim{Holder: string(rune('a' + i%4)), Limit: 3, Lease: keyLife, Now: w.now}}
	}))
	claims := map[string]int{}
	for _, batch := range got {
		for _, m := range batch.Messages {
			claims[m.ID]++
			equal(w, "tries", m.Tries, 1)
		}
	}
	equal(w, "messages claimed", len(claims), 40)
	for _, n := range claims {
		equal(w, "claims of one message", n, 1)
	}
}

func raceContexts(w *world) {
	const n = 40
	ins := many(n, func(int) core.OpenChallenge {
		return w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))
	})
	contexts, cancels, errs := make([]context.Context, n), make([]context.CancelFunc, n), make([]error, n)
	for i := range n {
		contexts[i], cancels[i] = context.WithCancel(w.ctx)
	}
	atOnce(2*n, func(i int) {
		if i < n {
			_, errs[i] = w.store.OpenChallenge(contexts[i], ins[i])
		} else {
			cancels[i-n]()
		}
	})
	for i, err := range errs {
		_, missing := w.store.Challenge(w.ctx, ins[i].Challenge.ID)
		switch {
		case err == nil && missing != nil:
			w.t.Fatalf("an operation that was done did nothing: %v", missing)
		case err != nil && !errors.Is(err, core.ErrUncertain) && !errors.Is(missing, core.ErrNotFound):
			w.t.Fatalf("an operation failed (%v) and was done all the same", err)
		}
	}
}
