package storetest

import (
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What RedeemReauthentication and ConfirmSession mean: one session is proved
// anew, by a code or by a password.
func reauthentications(f flow) {
	f.shows("C21 a code renews the session and its token", reauthByCode)
	f.shows("C25 a code is spent when the account has changed since", reauthStale)
	f.shows("C21 a password renews the session and its token", confirmDone)
	f.shows("a password clears the counter it was tried under", confirmClears)
	f.shows("C16 a password's hash is upgraded outside the history", confirmUpgrades)
	f.shows("C25 a password replaced since confirms nothing", confirmStale)
	f.shows("an ended session is not confirmed", confirmEnded)
	f.shows("C29 a method is added once", confirmTwice)
	f.shows("C24 the token before is its predecessor", confirmPredecessor)
}

// confirm is the input that confirms a's session by its right password.
func (w *world) confirm(a account) core.ConfirmSession {
	w.t.Helper()
	return core.ConfirmSession{
		SessionID: a.session.ID, Generation: w.user(a.ID).Generation, TokenKeyID: "key-2",
		Tried: core.TriedPassword{PhoneKey: a.Phone.Key}, Now: w.now, OnConfirmed: w.newEvent(event.Reauthenticated),
	}
}

// confirmed fails the test unless after is before, proved anew by a method.
func (w *world) confirmed(before, after core.Session, method string) {
	w.t.Helper()
	equal(w, "counter", after.Counter, before.Counter+1)
	equal(w, "auth time", after.AuthTime, w.now)
	equal(w, "rotated at", after.RotatedAt, w.now)
	equal(w, "token key", after.TokenKeyID, "key-2")
	equal(w, "secret", after.SecretHash, before.SecretHash)
	equal(w, "end", after.ExpiresAt, before.ExpiresAt)
	w.holds("the method was added", slices.Contains(after.Methods, method))
	for _, each := range before.Methods {
		w.holds("the earlier methods stay", slices.Contains(after.Methods, each))
	}
	equal(w, "the stored session", w.session(before.ID), after)
}

func reauthByCode(w *world) {
	owner := w.account()
	owner.session = w.login(owner) // by password
	c := w.beginAs(owner, core.PurposeReauthentication, owner.Phone)
	w.advance(time.Minute)
	in := core.RedeemReauthentication{Guess: w.guess(c, right), TokenKeyID: "key-2", OnConfirmed: w.newEvent(event.Reauthenticated)}
	got := do(w, w.store.RedeemReauthentication, in)

	w.outcome(got.Outcome, core.Done)
	w.confirmed(owner.session, got.Session, core.MethodSMS)
	equal(w, "assurance", got.Session.AAL(), "aal2")
	equal(w, "the user", got.User, owner.User)
	equal(w, "redeemed at", do(w, w.store.Challenge, c.ID).RedeemedAt, w.now)
	w.completed(w.wrote(event.Reauthenticated)[event.Reauthenticated], owner.User, owner.session.ID)
}

func reauthStale(w *world) {
	owner := w.account()
	c := w.beginAs(owner, core.PurposeReauthentication, owner.Phone)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeOthers)), core.Done)
	unchanged := w.watch(watched{user: owner.ID, sessions: []string{owner.session.ID}})
	w.outcome(judgeReauthentication(w, c, w.guess(c, right)).Outcome, core.Stale)
	unchanged()
	w.outcome(judgeReauthentication(w, c, w.guess(c, right)).Outcome, core.Spent)
}

func confirmDone(w *world) {
	owner := w.account() // by code
	w.advance(time.Minute)
	got := do(w, w.store.ConfirmSession, w.confirm(owner))
	w.outcome(got.Outcome, core.Done)
	w.confirmed(owner.session, got.Session, core.MethodPassword)
	equal(w, "assurance", got.Session.AAL(), "aal2")
	equal(w, "the user", got.User, owner.User)
	w.completed(w.wrote(event.Reauthenticated)[event.Reauthenticated], owner.User, owner.session.ID)
}

func confirmClears(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	w.tryPassword(owner.Phone.Key, "")
	w.tryPassword(owner.Phone.Key, device)
	w.tryPassword(owner.Phone.Key, device)
	in := w.confirm(owner)
	in.Tried.DeviceID, in.Tried.KnownDevice = device, true
	w.outcome(do(w, w.store.ConfirmSession, in).Outcome, core.Done)
	equal(w, "the device's failures in a row", w.tryPassword(owner.Phone.Key, device).Failures, 1)
	equal(w, "the strangers' failures in a row", w.tryPassword(owner.Phone.Key, "").Failures, 2)
}

func confirmUpgrades(w *world) {
	owner := w.account()
	in := w.confirm(owner)
	in.Upgraded = "upgraded hash"
	got := do(w, w.store.ConfirmSession, in)
	w.outcome(got.Outcome, core.Done)
	equal(w, "the stored hash", w.user(owner.ID).PasswordHash, in.Upgraded)
	equal(w, "the generation", w.user(owner.ID).Generation, owner.Generation)
	history := do(w, w.store.PasswordHistory, owner.ID)
	w.holds("the history has the upgraded hash alone", len(history) == 1 && history[0] == in.Upgraded)
}

func confirmStale(w *world) {
	owner := w.account()
	in := w.confirm(owner)
	w.outcome(do(w, w.store.SetPassword, w.setPassword(owner)), core.Done)
	unchanged := w.watch(watched{user: owner.ID, sessions: []string{owner.session.ID}})
	w.outcome(do(w, w.store.ConfirmSession, in).Outcome, core.Stale)
	unchanged()
}

func confirmEnded(w *world) {
	owner := w.account()
	gone := owner
	gone.session = w.ended(owner)
	unchanged := w.watch(watched{user: owner.ID, sessions: []string{gone.session.ID}})
	w.outcome(do(w, w.store.ConfirmSession, w.confirm(gone)).Outcome, core.SessionEnded)
	w.setClock(owner.session.IdleExpiresAt) // lapsed is over, too
	w.outcome(do(w, w.store.ConfirmSession, w.confirm(owner)).Outcome, core.SessionEnded)
	unchanged()
	w.advance(-time.Millisecond)
	w.outcome(do(w, w.store.ConfirmSession, w.confirm(owner)).Outcome, core.Done)
}

func confirmTwice(w *world) {
	owner := w.account()
	w.outcome(do(w, w.store.ConfirmSession, w.confirm(owner)).Outcome, core.Done)
	got := do(w, w.store.ConfirmSession, w.confirm(owner))
	slices.Sort(got.Session.Methods)
	equal(w, "methods", got.Session.Methods, []string{core.MethodPassword, core.MethodSMS})
}

func confirmPredecessor(w *world) {
	owner := w.account()
	w.advance(time.Minute)
	got := do(w, w.store.ConfirmSession, w.confirm(owner))
	w.advance(grace - time.Millisecond)
	again := do(w, w.store.RotateSession, w.rotate(owner.session))
	w.outcome(again.Outcome, core.Repeated)
	equal(w, "the session as it stands", again.Session, got.Session)
	w.advance(time.Millisecond)
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Reused)
}
