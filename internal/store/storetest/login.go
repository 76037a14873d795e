package storetest

import (
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What RedeemLogin means. How it judges the code is shown in guess.go.
func logins(f flow) {
	f.shows("opens a session for the challenge's user", loginDone)
	f.shows("leaves the user's other challenges open", loginVoidsNothing)
	f.shows("spends the code at a disabled account", loginDisabled)
	f.shows("C25 spends the code when the account has changed since", loginStale)
	f.shows("spends the code when the account is gone", loginOfDeleted)
	f.shows("makes nothing of a wrong code", loginWrong)
}

func loginDone(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	got := do(w, w.store.RedeemLogin, in)

	w.outcome(got.Outcome, core.Done)
	w.holds("no account was made", !got.Created)
	equal(w, "the user", got.User, owner.User)
	session := in.Session
	session.UserID, session.DeviceID = owner.ID, in.Device.ID
	equal(w, "the session", got.Session, session)
	stored, user, err := w.store.Session(w.ctx, session.ID)
	w.holds("the session is read", err == nil)
	equal(w, "the stored session", stored, session)
	equal(w, "its user", user, owner.User)
	equal(w, "redeemed at", got.Challenge.RedeemedAt, w.now)
	equal(w, "opened session", got.Challenge.OpenedSessionID, session.ID)
	equal(w, "the stored challenge", do(w, w.store.Challenge, c.ID), got.Challenge)
	w.completed(w.wrote(event.SuccessfulLogin)[event.SuccessfulLogin], owner.User, session.ID)
}

func loginVoidsNothing(w *world) {
	owner := w.account()
	first, second := w.beginFor(owner, core.PurposeLogin), w.beginFor(owner, core.PurposeLogin)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(first)).Outcome, core.Done)
	equal(w, "the other challenge", do(w, w.store.Challenge, second.ID), second)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(second)).Outcome, core.Done)
}

func loginDisabled(w *world) {
	owner := w.account()
	w.disable(owner)
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	got := do(w, w.store.RedeemLogin, in)
	w.outcome(got.Outcome, core.Disabled)
	equal(w, "the user", got.User, w.user(owner.ID))
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	w.wrote()
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(c)).Outcome, core.Spent)
}

func loginStale(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeOthers)), core.Done)
	w.events()
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(c)).Outcome, core.Stale)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	w.wrote()
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(c)).Outcome, core.Spent)
}

func loginOfDeleted(w *world) {
	c := w.newChallenge(core.PurposeLogin, w.newNumber())
	c.UserID, c.Generation = w.id(), 1 // deleted between look and commit
	c = w.begin(c)
	in := w.redeemLogin(c)
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Stale)
	_, _, err := w.store.Session(w.ctx, in.Session.ID)
	w.missing("the session", err)
	w.wrote()
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(c)).Outcome, core.Spent)
}

func loginWrong(w *world) {
	owner := w.account()
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	in.Guess = w.guess(c, wrong)
	in.OnWrong.UserID = owner.ID
	got := do(w, w.store.RedeemLogin, in)
	w.outcome(got.Outcome, core.Wrong)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	w.wrote(event.CodeFailed)
	history, err := w.store.UserEvents(w.ctx, owner.ID, core.Page{Limit: 10})
	w.holds("the owner's events are read", err == nil)
	equal(w, "the owner's events", len(history), 1)
}
