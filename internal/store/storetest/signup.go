package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What RedeemSignup means. How it judges the code is shown in guess.go, how
// it is told again in repeat.go, how it opens the session in signin.go.
func signups(f flow) {
	f.shows("makes the account and opens a session", signupMakesAccount)
	f.shows("C55 leaves an account that exists as it was", signupFindsAccount)
	f.shows("C54 voids the other open signups of the number", signupVoidsOthers)
	f.shows("spends the code at a disabled account", signupDisabled)
	f.shows("spends the code at an account that came to be and was disabled", signupDisabledMeanwhile)
	f.shows("C25 spends the code when the account has changed since", signupStale)
	f.shows("spends the code when the account is gone", signupOfDeleted)
	f.shows("makes nothing of a wrong code", signupWrong)
	f.shows("an error means that nothing happened", signupError)
}

func signupMakesAccount(w *world) {
	c := w.beginSignup(w.newNumber())
	w.advance(time.Second)
	in := w.redeemSignup(c)
	got := do(w, w.store.RedeemSignup, in)

	w.outcome(got.Outcome, core.Done)
	w.holds("the account was made", got.Created)
	equal(w, "the user", got.User, in.User)
	equal(w, "the stored user", w.user(in.User.ID), in.User)
	equal(w, "who has the number", w.number(c.Phone.Key).User, in.User)

	session := in.Session
	session.UserID, session.DeviceID = in.User.ID, in.Device.ID
	equal(w, "the session", got.Session, session)
	equal(w, "the stored session", w.session(session.ID), session)
	w.holds("the device is known", w.numberSeenBy(c.Phone.Key, in.Device.ID).KnownDevice)

	equal(w, "the stored challenge", do(w, w.store.Challenge, c.ID), got.Challenge)
	equal(w, "redeemed at", got.Challenge.RedeemedAt, w.now)
	equal(w, "opened session", got.Challenge.OpenedSessionID, session.ID)
	w.holds("the sealed message is gone", len(got.Challenge.Sealed) == 0)

	told := w.wrote(event.AccountCreated, event.SuccessfulLogin)
	w.completed(told[event.SuccessfulLogin], in.User, session.ID)
	equal(w, "account_created user_id", told[event.AccountCreated].UserID, in.User.ID)
	equal(w, "account_created phone", told[event.AccountCreated].PhonePseudonym, c.Phone.Key)
}

func signupFindsAccount(w *world) {
	owner := w.account()
	c := w.challengeFor(owner, core.PurposeSignup)
	c.Pending = core.Pending{Name: "Mallory", Email: "m@example.org", Locale: "de", PasswordHash: "another hash"}
	c = w.begin(c)
	in := w.redeemSignup(c)
	in.User.Name, in.User.PasswordHash = "Mallory", "another hash"
	got := do(w, w.store.RedeemSignup, in)

	w.outcome(got.Outcome, core.Done)
	w.holds("no account was made", !got.Created)
	equal(w, "the user", got.User, owner.User)
	equal(w, "the stored user", w.user(owner.ID), owner.User)
	_, err := w.store.User(w.ctx, in.User.ID)
	w.missing("the user that was not made", err)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session, got.Session))
	told := w.wrote(event.SuccessfulLogin)
	w.completed(told[event.SuccessfulLogin], owner.User, got.Session.ID)
}

func signupVoidsOthers(w *world) {
	phone := w.newNumber()
	mine, other := w.beginSignup(phone), w.beginSignup(phone)
	elsewhere := w.beginSignup(w.newNumber())
	login := w.begin(w.newChallenge(core.PurposeLogin, phone))
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(mine)).Outcome, core.Done)

	equal(w, "the other was voided at", do(w, w.store.Challenge, other.ID).VoidedAt, w.now)
	equal(w, "another number's signup", do(w, w.store.Challenge, elsewhere.ID), elsewhere)
	equal(w, "the number's login", do(w, w.store.Challenge, login.ID), login)
	w.events()
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(other)).Outcome, core.Spent)
	w.wrote()
	equal(w, "failures of the number", w.number(phone.Key).CodeFailures, 0)
}

func signupDisabled(w *world) {
	owner := w.account()
	w.disable(owner)
	c := w.beginFor(owner, core.PurposeSignup)
	in := w.redeemSignup(c)
	got := do(w, w.store.RedeemSignup, in)

	w.outcome(got.Outcome, core.Disabled)
	equal(w, "the user", got.User, w.user(owner.ID))
	_, _, err := w.store.Session(w.ctx, in.Session.ID)
	w.missing("the session", err)
	w.wrote()
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(c)).Outcome, core.Spent)
}

func signupDisabledMeanwhile(w *world) {
	owner := w.account()
	w.disable(owner)
	c := w.beginSignup(owner.Phone) // its flow had looked before, when the number was nobody's
	in := w.redeemSignup(c)
	got := do(w, w.store.RedeemSignup, in)

	w.outcome(got.Outcome, core.Disabled)
	equal(w, "the user", got.User, w.user(owner.ID))
	_, _, err := w.store.Session(w.ctx, in.Session.ID)
	w.missing("the session", err)
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(c)).Outcome, core.Spent)
}

func signupStale(w *world) {
	owner := w.account()
	c := w.challengeFor(owner, core.PurposeSignup)
	c.Generation-- // it was looked up before something ended the sessions
	c = w.begin(c)
	in := w.redeemSignup(c)
	w.outcome(do(w, w.store.RedeemSignup, in).Outcome, core.Stale)

	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	equal(w, "the stored user", w.user(owner.ID), owner.User)
	w.wrote()
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(c)).Outcome, core.Spent)
}

func signupOfDeleted(w *world) {
	phone := w.newNumber()
	c := w.newChallenge(core.PurposeSignup, phone)
	c.UserID, c.Generation = w.id(), 1 // deleted between look and commit
	c = w.begin(c)
	in := w.redeemSignup(c)
	w.outcome(do(w, w.store.RedeemSignup, in).Outcome, core.Stale)

	equal(w, "who has the number", w.number(phone.Key).User, core.User{})
	w.wrote()
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(c)).Outcome, core.Spent)
}

func signupWrong(w *world) {
	c := w.beginSignup(w.newNumber())
	in := w.redeemSignup(c)
	in.Guess = w.guess(c, wrong)
	got := do(w, w.store.RedeemSignup, in)

	w.outcome(got.Outcome, core.Wrong)
	equal(w, "guesses left", got.GuessesLeft, core.MaxGuesses-1)
	equal(w, "who has the number", w.number(c.Phone.Key).User, core.User{})
	_, _, err := w.store.Session(w.ctx, in.Session.ID)
	w.missing("the session", err)
	w.wrote(event.CodeFailed)
}

func signupError(w *world) {
	other := w.account()
	c := w.beginSignup(w.newNumber())
	unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}, user: other.ID, sessions: []string{other.session.ID}})
	in := w.redeemSignup(c)
	in.Session.ID = other.session.ID // no engine takes one id twice
	if _, err := w.store.RedeemSignup(w.ctx, in); err == nil {
		w.t.Fatalf("a second session of one id was taken")
	}
	unchanged()
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(c)).Outcome, core.Done)
}
