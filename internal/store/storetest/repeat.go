package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What redeeming again by the same request means: step 2 of core.Guess. An
// answer that was lost is told again, as long as nobody used it.
func repeats(f flow) {
	f.shows("C04 tells a lost signup again", repeatSignup)
	f.shows("C04 tells a lost login again", repeatLogin)
	f.shows("C04 tells a lost reset again, at the match too", repeatReset)
	f.shows("refuses the key with another body", repeatConflict)
	f.shows("is spent for every other request", repeatOthers)
	f.shows("is spent once the session was refreshed", repeatRefreshed)
	f.shows("is spent once the session has ended", repeatEnded)
	f.shows("tells a lost reauthentication again, until the session is refreshed", repeatReauthentication)
	f.shows("tells a lost phone change again", repeatPhoneChange)
	f.shows("a phone change is spent once the number is another's", repeatPhoneMoved)
	f.shows("tells a lost miss again, and counts it once", repeatMiss)
	f.shows("tells the last miss of all again", repeatLastMiss)
	f.shows("tells only the latest miss again", repeatOlderMiss)
}

// keyed is the guess of a request with an idempotency key.
func keyed(g core.Guess) core.Guess {
	g.VerifyKey, g.VerifyBody, g.KeyLife = mac("verify key"), mac("verify body"), time.Hour
	return g
}

func repeatSignup(w *world) {
	c := w.beginSignup(w.newNumber())
	in := w.redeemSignup(c)
	in.Guess = keyed(in.Guess)
	first := do(w, w.store.RedeemSignup, in)
	w.outcome(first.Outcome, core.Done)
	equal(w, "the key kept", first.Challenge.VerifyKey, in.VerifyKey)
	equal(w, "the body kept", first.Challenge.VerifyBody, in.VerifyBody)

	unchanged := w.watch(watched{user: first.User.ID, phone: c.Phone.Key, challenges: []string{c.ID}, sessions: []string{first.Session.ID}})
	w.advance(time.Hour - time.Millisecond) // redeemed comes before expired
	again := w.redeemSignup(c)              // with ids of its own
	again.Guess = keyed(again.Guess)
	got := do(w, w.store.RedeemSignup, again)
	w.outcome(got.Outcome, core.Repeated)
	w.holds("it tells that the account was made", got.Created)
	equal(w, "the user", got.User, first.User)
	equal(w, "the session", got.Session, first.Session)
	equal(w, "the challenge", got.Challenge, first.Challenge)
	w.advance(time.Millisecond)
	late := w.redeemSignup(c)
	late.Guess = keyed(late.Guess)
	w.outcome(do(w, w.store.RedeemSignup, late).Outcome, core.Spent)
	unchanged()
}

func repeatLogin(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	in.Guess = keyed(in.Guess)
	first := do(w, w.store.RedeemLogin, in)
	w.outcome(first.Outcome, core.Done)

	unchanged := w.watch(watched{user: owner.ID, phone: c.Phone.Key, challenges: []string{c.ID}, sessions: []string{first.Session.ID}})
	again := w.redeemLogin(c)
	again.Guess = keyed(again.Guess)
	got := do(w, w.store.RedeemLogin, again)
	w.outcome(got.Outcome, core.Repeated)
	equal(w, "the session", got.Session, first.Session)
	w.holds("no account was made", !got.Created)
	unchanged()
}

func repeatReset(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposePasswordReset)
	in := w.redeemReset(c)
	in.Guess = keyed(in.Guess)
	first := do(w, w.store.RedeemReset, in)
	w.outcome(first.Outcome, core.Done)

	unchanged := w.watch(watched{user: owner.ID, phone: c.Phone.Key, challenges: []string{c.ID}, sessions: []string{first.Session.ID}})
	match := do(w, w.store.MatchReset, core.MatchReset{Guess: keyed(w.guess(c, right))})
	w.outcome(match.Outcome, core.Repeated)
	equal(w, "the session", match.Session, first.Session)
	equal(w, "the user", match.User, first.User)
	again := w.redeemReset(c)
	again.Guess = keyed(again.Guess)
	got := do(w, w.store.RedeemReset, again)
	w.outcome(got.Outcome, core.Repeated)
	equal(w, "the session", got.Session, first.Session)

	other := keyed(w.guess(c, right))
	other.VerifyBody = mac("another body")
	w.outcome(do(w, w.store.MatchReset, core.MatchReset{Guess: other}).Outcome, core.KeyConflict)
	unchanged()
}

func repeatConflict(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	in.Guess = keyed(in.Guess)
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Done)

	unchanged := w.watch(watched{user: owner.ID, phone: c.Phone.Key, challenges: []string{c.ID}})
	other := w.redeemLogin(c)
	other.Guess = keyed(other.Guess)
	other.VerifyBody = mac("another body")
	w.outcome(do(w, w.store.RedeemLogin, other).Outcome, core.KeyConflict)
	unchanged()
}

func repeatOthers(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	in.Guess = keyed(in.Guess)
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Done)

	unchanged := w.watch(watched{user: owner.ID, phone: c.Phone.Key, challenges: []string{c.ID}})
	otherKey := keyed(w.guess(c, right))
	otherKey.VerifyKey = mac("another key")
	for what, g := range map[string]core.Guess{
		"without a key":        w.guess(c, right),
		"with another key":     otherKey,
		"with the wrong code":  keyed(w.guess(c, wrong)),
		"without key and code": w.guess(c, wrong),
	} {
		if got := judgeLogin(w, c, g); got.Outcome != core.Spent {
			w.t.Errorf("%s: %q, want spent", what, got.Outcome)
		}
	}
	unchanged()

	unkeyed := w.beginFor(owner, core.PurposeLogin)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(unkeyed)).Outcome, core.Done)
	w.outcome(judgeLogin(w, unkeyed, w.guess(unkeyed, right)).Outcome, core.Spent)
}

func repeatRefreshed(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	in := w.redeemLogin(c)
	in.Guess = keyed(in.Guess)
	first := do(w, w.store.RedeemLogin, in)
	w.outcome(do(w, w.store.RotateSession, w.rotate(first.Session)).Outcome, core.Done)
	w.outcome(judgeLogin(w, c, keyed(w.guess(c, right))).Outcome, core.Spent)
}

func repeatEnded(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	in.Guess = keyed(in.Guess)
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Done)
	w.endAll(owner)
	w.outcome(judgeLogin(w, c, keyed(w.guess(c, right))).Outcome, core.Spent)

	fresh := w.account()
	c = w.beginFor(fresh, core.PurposeLogin)
	in = w.redeemLogin(c)
	in.Guess = keyed(in.Guess)
	got := do(w, w.store.RedeemLogin, in)
	again := func() core.Outcome {
		g := keyed(w.guess(c, right))
		g.KeyLife = 365 * 24 * time.Hour
		return judgeLogin(w, c, g).Outcome
	}
	w.setClock(got.Session.IdleExpiresAt) // lapsed is over, too
	w.outcome(again(), core.Spent)
	w.advance(-time.Millisecond)
	w.outcome(again(), core.Repeated)
}

func repeatReauthentication(w *world) {
	owner := w.account()
	c := w.beginAs(owner, core.PurposeReauthentication, owner.Phone)
	first := judgeReauthentication(w, c, keyed(w.guess(c, right)))
	w.outcome(first.Outcome, core.Done)
	unchanged := w.watch(watched{user: owner.ID, challenges: []string{c.ID}, sessions: []string{owner.session.ID}})
	again := judgeReauthentication(w, c, keyed(w.guess(c, right)))
	w.outcome(again.Outcome, core.Repeated)
	equal(w, "the session", again.Session, first.Session)
	unchanged()
	w.outcome(do(w, w.store.RotateSession, w.rotate(first.Session)).Outcome, core.Done)
	w.outcome(judgeReauthentication(w, c, keyed(w.guess(c, right))).Outcome, core.Spent)
}

func repeatPhoneChange(w *world) {
	owner := w.account()
	c := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	got := judgePhoneChange(w, c, keyed(w.guess(c, right)))
	w.outcome(got.Outcome, core.Done)
	w.wrote(event.PhoneNumberChanged)
	unchanged := w.watch(watched{user: owner.ID, challenges: []string{c.ID}, sessions: []string{owner.session.ID}})
	again := judgePhoneChange(w, c, keyed(w.guess(c, right)))
	w.outcome(again.Outcome, core.Repeated)
	equal(w, "the user", again.User, got.User)
	unchanged()
}

func repeatMiss(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	first := judgeLogin(w, c, keyed(w.guess(c, wrong)))
	w.outcome(first.Outcome, core.Wrong)
	unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}})
	again := judgeLogin(w, c, keyed(w.guess(c, wrong)))
	w.outcome(again.Outcome, core.Wrong)
	equal(w, "guesses left", again.GuessesLeft, first.GuessesLeft)
	other := keyed(w.guess(c, right))
	other.VerifyBody = mac("another body")
	w.outcome(judgeLogin(w, c, other).Outcome, core.KeyConflict)
	unchanged()
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Done)
}

func repeatPhoneMoved(w *world) {
	owner := w.account()
	c := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	w.outcome(judgePhoneChange(w, c, keyed(w.guess(c, right))).Outcome, core.Done)
	other := keyed(w.guess(c, right))
	other.VerifyBody = mac("another body")
	w.outcome(judgePhoneChange(w, c, other).Outcome, core.KeyConflict)

	next := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	w.outcome(judgePhoneChange(w, next, w.guess(next, right)).Outcome, core.Done)
	w.outcome(judgePhoneChange(w, c, keyed(w.guess(c, right))).Outcome, core.Spent)
}

func repeatLastMiss(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	for range core.MaxGuesses - 1 {
		w.guessWrong(c)
	}
	w.outcome(judgeLogin(w, c, keyed(w.guess(c, wrong))).Outcome, core.Wrong)
	unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}})
	again := judgeLogin(w, c, keyed(w.guess(c, wrong)))
	w.outcome(again.Outcome, core.Wrong)
	equal(w, "guesses left", again.GuessesLeft, 0)
	w.outcome(judgeLogin(w, c, w.guess(c, wrong)).Outcome, core.Spent)
	unchanged()
}

func repeatOlderMiss(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	w.outcome(judgeLogin(w, c, keyed(w.guess(c, wrong))).Outcome, core.Wrong)
	w.outcome(w.guessWrong(c).Outcome, core.Wrong)
	got := judgeLogin(w, c, keyed(w.guess(c, wrong)))
	w.outcome(got.Outcome, core.Wrong)
	equal(w, "guesses left: it was judged anew", got.GuessesLeft, core.MaxGuesses-3)
}
