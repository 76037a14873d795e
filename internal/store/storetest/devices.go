package storetest

import (
	"github.com/countersign/countersign/internal/core"
)

// When a known device is proved: once a code has opened a session on it, or
// proved one anew. A password alone makes a device known and proves none.
func devices(f flow) {
	f.shows("C42 a password alone proves no device", passwordProvesNone)
	f.shows("C42 a login's code proves its device", loginProves)
	f.shows("C42 a reset's code proves its device", resetProves)
	f.shows("C42 a reauthentication's code proves its session's device", reauthProves)
	f.shows("C42 a wrong or a stale code proves nothing", wrongProvesNothing)
}

// proved fails the test unless the user's device is known, and proved or not.
func (w *world) proved(a account, deviceID string, proved bool) {
	w.t.Helper()
	state := w.numberSeenBy(a.Phone.Key, deviceID)
	w.holds("the device is known", state.KnownDevice)
	equal(w, "proved", state.DeviceProved, proved)
}

func passwordProvesNone(w *world) {
	owner := w.account()
	w.proved(owner, owner.session.DeviceID, true)
	device := w.login(owner).DeviceID
	w.proved(owner, device, false)
	again := w.openSession(owner)
	again.KnownDevice = device
	w.outcome(do(w, w.store.OpenSession, again).Outcome, core.Done)
	w.outcome(do(w, w.store.ConfirmSession, w.confirm(owner)).Outcome, core.Done)
	w.proved(owner, device, false)

	again = w.openSession(owner)
	again.KnownDevice = owner.session.DeviceID
	w.outcome(do(w, w.store.OpenSession, again).Outcome, core.Done)
	w.proved(owner, owner.session.DeviceID, true) // once and for all
	other := w.account()
	w.holds("another's is none", !w.numberSeenBy(other.Phone.Key, owner.session.DeviceID).DeviceProved)
}

func loginProves(w *world) {
	owner := w.account()
	known := w.login(owner).DeviceID
	in := w.redeemLogin(w.loginOn(owner, known))
	in.KnownDevice = known
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Done)
	w.proved(owner, known, true)
	got := do(w, w.store.RedeemLogin, w.redeemLogin(w.loginOn(owner, "")))
	w.proved(owner, got.Session.DeviceID, true)

	known = w.login(owner).DeviceID
	signup := w.redeemSignup(w.beginFor(owner, core.PurposeSignup)) // of a number that has an account
	signup.KnownDevice = known
	w.outcome(do(w, w.store.RedeemSignup, signup).Outcome, core.Done)
	w.proved(owner, known, true)
}

func resetProves(w *world) {
	owner := w.account()
	got := do(w, w.store.RedeemReset, w.redeemReset(w.beginFor(owner, core.PurposePasswordReset)))
	w.outcome(got.Outcome, core.Done)
	w.proved(owner, got.Session.DeviceID, true)
}

func reauthProves(w *world) {
	owner := w.account()
	bystander := w.login(owner).DeviceID
	owner.session = w.login(owner)
	c := w.beginAs(owner, core.PurposeReauthentication, owner.Phone)
	w.proved(owner, owner.session.DeviceID, false)
	w.outcome(judgeReauthentication(w, c, w.guess(c, right)).Outcome, core.Done)
	w.proved(owner, owner.session.DeviceID, true)
	w.proved(owner, bystander, false)
}

func wrongProvesNothing(w *world) {
	owner := w.account()
	owner.session = w.login(owner)
	device := owner.session.DeviceID
	c := w.beginAs(owner, core.PurposeReauthentication, owner.Phone)
	w.outcome(judgeReauthentication(w, c, w.guess(c, wrong)).Outcome, core.Wrong)
	login := w.loginOn(owner, device)
	in := w.redeemLogin(login)
	in.Guess, in.KnownDevice = w.guess(login, wrong), device
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Wrong)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeOthers)), core.Done)
	w.outcome(judgeReauthentication(w, c, w.guess(c, right)).Outcome, core.Stale)
	in.Guess = w.guess(login, right)
	w.outcome(do(w, w.store.RedeemLogin, in).Outcome, core.Stale)
	w.proved(owner, device, false)
}
