package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/password"
)

// What OpenSession and SetPassword mean: what a right password opens, and how
// it is replaced. ConfirmSession is in reauth.go.
func passwords(f flow) {
	f.shows("opens a session", openSessionDone)
	f.shows("C41 a success clears only the counter it was tried under", openSessionClears)
	f.shows("C42 a device's success clears its window too", openSessionClearsWindow)
	f.shows("C16 upgrades the hash outside the history", openSessionUpgrades)
	f.shows("C25 a password replaced since opens nothing", openSessionStale)
	f.shows("opens nothing at a disabled account", openSessionDisabled)
	f.shows("sets the password", setPasswordDone)
	f.shows("C53 ends other sessions and all open challenges", setPasswordEndsOthers)
	f.shows("C18 keeps the last five hashes", setPasswordHistory)
	f.shows("sets a first password", setFirstPassword)
	f.shows("C25 is stale once the password was replaced", setPasswordStale)
	f.shows("is refused for an ended session", setPasswordForEnded)
}

// setPassword is the input that sets a new password on behalf of a's session.
func (w *world) setPassword(a account) core.SetPassword {
	w.t.Helper()
	return core.SetPassword{
		SessionID: a.session.ID, Generation: w.user(a.ID).Generation, Hash: "hash of the new password",
		HistoryKeep: historyKeep, Now: w.now, OnChanged: w.newEvent(event.PasswordChanged),
	}
}

func openSessionDone(w *world) {
	owner := w.account()
	w.advance(time.Second)
	in := w.openSession(owner)
	got := do(w, w.store.OpenSession, in)
	w.outcome(got.Outcome, core.Done)
	session := in.Session
	session.UserID, session.DeviceID = owner.ID, in.Device.ID
	equal(w, "the session", got.Session, session)
	equal(w, "the stored session", w.session(session.ID), session)
	equal(w, "the user", got.User, owner.User)
	equal(w, "the stored user", w.user(owner.ID), owner.User)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session, session))
	w.completed(w.wrote(event.SuccessfulLogin)[event.SuccessfulLogin], owner.User, session.ID)
}

func openSessionClears(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	for range 2 {
		w.tryPassword(owner.Phone.Key, "")
		w.tryPassword(owner.Phone.Key, device)
	}
	in := w.openSession(owner)
	in.Tried = core.TriedPassword{PhoneKey: owner.Phone.Key, DeviceID: device, KnownDevice: true}
	w.outcome(do(w, w.store.OpenSession, in).Outcome, core.Done)
	equal(w, "the device's failures in a row", w.tryPassword(owner.Phone.Key, device).Failures, 1)
	got := w.tryPassword(owner.Phone.Key, "")
	equal(w, "the strangers' failures in a row", got.Failures, 3)

	in = w.openSession(owner)
	in.Tried = core.TriedPassword{PhoneKey: owner.Phone.Key, DeviceID: w.id()} // an unknown one is a stranger
	w.outcome(do(w, w.store.OpenSession, in).Outcome, core.Done)
	got = w.tryPassword(owner.Phone.Key, "") // the wait is over with it
	w.outcome(got.Outcome, core.Done)
	equal(w, "the strangers' failures in a row", got.Failures, 1)
	equal(w, "the device's failures in a row", w.tryPassword(owner.Phone.Key, device).Failures, 2)
}

func openSessionClearsWindow(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	for range 10 {
		in := w.tryInput(owner.Phone.Key, device)
		in.Limits.Free = 1000
		w.outcome(do(w, w.store.TryPassword, in).Outcome, core.Done)
	}
	w.outcome(w.tryPassword(owner.Phone.Key, device).Outcome, core.Locked)
	in := w.openSession(owner)
	in.Tried = core.TriedPassword{PhoneKey: owner.Phone.Key, DeviceID: device, KnownDevice: true}
	w.outcome(do(w, w.store.OpenSession, in).Outcome, core.Done)
	w.outcome(w.tryPassword(owner.Phone.Key, device).Outcome, core.Done)
}

func openSessionUpgrades(w *world) {
	owner := w.account()
	w.outcome(do(w, w.store.SetPassword, w.setPassword(owner)), core.Done)
	before := w.user(owner.ID)
	in := w.openSession(owner)
	in.Upgraded = "upgraded hash"
	got := do(w, w.store.OpenSession, in)
	w.outcome(got.Outcome, core.Done)
	user := w.user(owner.ID)
	w.holds("the hash is the upgraded one", user.PasswordHash == in.Upgraded && got.User.PasswordHash == in.Upgraded)
	equal(w, "the generation", user.Generation, before.Generation)
	history := do(w, w.store.PasswordHistory, owner.ID)
	equal(w, "the history", history, []password.Hash{in.Upgraded, owner.PasswordHash})
}

func openSessionStale(w *world) {
	owner := w.account()
	in := w.openSession(owner)
	w.outcome(do(w, w.store.SetPassword, w.setPassword(owner)), core.Done)
	in.Upgraded = "upgraded from the old password"
	unchanged := w.watch(watched{user: owner.ID, sessions: []string{owner.session.ID}})
	w.outcome(do(w, w.store.OpenSession, in).Outcome, core.Stale)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	unchanged()

	nobody := w.openSession(owner)
	nobody.UserID = w.id() // deleted between look and commit
	w.outcome(do(w, w.store.OpenSession, nobody).Outcome, core.Stale)
	w.wrote()
}

func openSessionDisabled(w *world) {
	owner := w.account()
	w.disable(owner)
	w.tryPassword(owner.Phone.Key, "")
	w.tryPassword(owner.Phone.Key, "")
	in := w.openSession(owner)
	w.outcome(do(w, w.store.OpenSession, in).Outcome, core.Disabled)
	_, _, err := w.store.Session(w.ctx, in.Session.ID)
	w.missing("the session", err)
	w.wrote(event.FailedLogin)
	equal(w, "failures in a row", w.tryPassword(owner.Phone.Key, "").Failures, 1)
}

func setPasswordDone(w *world) {
	owner := w.account()
	w.tryPassword(owner.Phone.Key, "")
	w.advance(time.Second)
	in := w.setPassword(owner)
	in.Tried = core.TriedPassword{PhoneKey: owner.Phone.Key}
	w.outcome(do(w, w.store.SetPassword, in), core.Done)

	want := owner.User
	user := w.user(owner.ID)
	want.PasswordHash, want.Generation, want.UpdatedAt = in.Hash, owner.Generation+1, user.UpdatedAt
	equal(w, "the stored user", user, want)
	equal(w, "the history", do(w, w.store.PasswordHistory, owner.ID), []password.Hash{in.Hash, owner.PasswordHash})
	equal(w, "the acting session", w.session(owner.session.ID), owner.session)
	w.completed(w.wrote(event.PasswordChanged)[event.PasswordChanged], owner.User, owner.session.ID)
	equal(w, "failures in a row", w.tryPassword(owner.Phone.Key, "").Failures, 1)

	w.outcome(do(w, w.store.SetPassword, w.setPassword(owner)), core.Done) // Tried is empty
	equal(w, "failures in a row", w.tryPassword(owner.Phone.Key, "").Failures, 2)
}

func setPasswordEndsOthers(w *world) {
	owner := w.account()
	second := w.login(owner)
	pending := []core.Challenge{
		w.beginAs(owner, core.PurposePhoneChange, w.newNumber()),
		w.beginFor(owner, core.PurposeLogin),
		w.beginFor(owner, core.PurposePasswordReset),
	}
	w.outcome(do(w, w.store.SetPassword, w.setPassword(owner)), core.Done)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	w.holds("the other session ended now", w.session(second.ID).EndedAt.Equal(w.now))
	w.outcome(do(w, w.store.RotateSession, w.rotate(second)).Outcome, core.SessionEnded)
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Done)
	for _, c := range pending {
		w.holds("the "+string(c.Purpose)+" is voided", !do(w, w.store.Challenge, c.ID).VoidedAt.IsZero())
	}
	w.outcome(judgePhoneChange(w, pending[0], w.guess(pending[0], right)).Outcome, core.Spent)
}

func setPasswordHistory(w *world) {
	owner := w.account()
	for _, hash := range []password.Hash{"2", "3", "4", "5", "6"} {
		in := w.setPassword(owner)
		in.Hash = hash
		w.outcome(do(w, w.store.SetPassword, in), core.Done)
		w.advance(time.Second)
	}
	equal(w, "the history", do(w, w.store.PasswordHistory, owner.ID), []password.Hash{"6", "5", "4", "3", "2"})
}

func setFirstPassword(w *world) {
	in := w.redeemSignup(w.beginSignup(w.newNumber()))
	in.User.PasswordHash = ""
	got := do(w, w.store.RedeemSignup, in)
	w.outcome(got.Outcome, core.Done)
	equal(w, "the history before", len(do(w, w.store.PasswordHistory, got.User.ID)), 0)

	set := w.setPassword(account{User: got.User, session: got.Session})
	w.outcome(do(w, w.store.SetPassword, set), core.Done)
	equal(w, "the history", do(w, w.store.PasswordHistory, got.User.ID), []password.Hash{set.Hash})
}

func setPasswordStale(w *world) {
	owner := w.account()
	late := w.setPassword(owner)
	w.outcome(do(w, w.store.SetPassword, w.setPassword(owner)), core.Done)
	late.Hash = "hash of a third password"
	second := w.login(owner)
	unchanged := w.watch(watched{user: owner.ID, sessions: []string{owner.session.ID, second.ID}})
	w.outcome(do(w, w.store.SetPassword, late), core.Stale)
	unchanged()
}

func setPasswordForEnded(w *world) {
	owner := w.account()
	gone := owner
	gone.session = w.ended(owner)
	unchanged := w.watch(watched{user: owner.ID, sessions: []string{owner.session.ID, gone.session.ID}})
	w.outcome(do(w, w.store.SetPassword, w.setPassword(gone)), core.SessionEnded)
	w.setClock(owner.session.IdleExpiresAt) // lapsed is over, too
	w.outcome(do(w, w.store.SetPassword, w.setPassword(owner)), core.SessionEnded)
	unchanged()
	w.advance(-time.Millisecond)
	w.outcome(do(w, w.store.SetPassword, w.setPassword(owner)), core.Done)
}
