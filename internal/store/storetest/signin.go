package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What SignIn means: the part that every operation shares which opens a
// session.
func signIns(f flow) {
	f.shows("C33 keeps a known device", signInKnownDevice)
	f.shows("adds a device where none is known", signInNewDevice)
	f.shows("C33 knows no device of somebody else", signInForeignDevice)
	f.shows("C30 ends the longest unseen session past 50", signInSurplus)
	f.shows("C30 counts living sessions only", signInCountsLiving)
}

func signInKnownDevice(w *world) {
	owner := w.account()
	for name, purpose := range map[string]core.Purpose{"signup": core.PurposeSignup, "login": core.PurposeLogin} {
		c := w.beginFor(owner, purpose)
		signIn := w.signIn()
		signIn.KnownDevice = owner.session.DeviceID
		var got core.RedeemResult
		if name == "signup" {
			got = do(w, w.store.RedeemSignup, core.RedeemSignup{Guess: w.guess(c, right), SignIn: signIn, User: w.newUser(c.Phone)})
		} else {
			got = do(w, w.store.RedeemLogin, core.RedeemLogin{Guess: w.guess(c, right), SignIn: signIn})
		}
		w.outcome(got.Outcome, core.Done)
		equal(w, name+": the session's device", got.Session.DeviceID, owner.session.DeviceID)
		w.holds(name+": no device was added", !w.numberSeenBy(owner.Phone.Key, signIn.Device.ID).KnownDevice)
	}
	in := w.openSession(owner)
	in.KnownDevice = owner.session.DeviceID
	equal(w, "the session's device", do(w, w.store.OpenSession, in).Session.DeviceID, owner.session.DeviceID)
}

func signInNewDevice(w *world) {
	owner := w.account()
	in := w.openSession(owner)
	in.KnownDevice = w.id() // gone since
	got := do(w, w.store.OpenSession, in)
	w.outcome(got.Outcome, core.Done)
	equal(w, "the session's device", got.Session.DeviceID, in.Device.ID)
	w.holds("the new device is known", w.numberSeenBy(owner.Phone.Key, in.Device.ID).KnownDevice)
	w.holds("the first device still is", w.numberSeenBy(owner.Phone.Key, owner.session.DeviceID).KnownDevice)
}

func signInForeignDevice(w *world) {
	owner, other := w.account(), w.account()
	in := w.openSession(owner)
	in.KnownDevice = other.session.DeviceID
	got := do(w, w.store.OpenSession, in)
	w.outcome(got.Outcome, core.Done)
	equal(w, "the session's device", got.Session.DeviceID, in.Device.ID)
	w.holds("the other's device is not the owner's", !w.numberSeenBy(owner.Phone.Key, other.session.DeviceID).KnownDevice)
	w.holds("it stays the other's", w.numberSeenBy(other.Phone.Key, other.session.DeviceID).KnownDevice)
}

func signInSurplus(w *world) {
	owner := w.account()
	w.advance(time.Second)
	unseen := w.login(owner)
	for range core.MaxSessions - 2 {
		w.advance(time.Second)
		w.login(owner)
	}
	w.advance(time.Second)
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Done) // the oldest, but seen
	equal(w, "living sessions", len(w.living(owner.ID)), core.MaxSessions)
	w.events()

	w.advance(time.Second)
	got := do(w, w.store.OpenSession, w.openSession(owner))
	w.outcome(got.Outcome, core.Done)
	equal(w, "living sessions", len(w.living(owner.ID)), core.MaxSessions)
	surplus := w.session(unseen.ID)
	equal(w, "ended at", surplus.EndedAt, w.now)
	equal(w, "end reason", surplus.EndReason, "surplus")
	told := w.wrote(event.SuccessfulLogin, event.SessionRevoked)
	w.completed(told[event.SuccessfulLogin], owner.User, got.Session.ID)
	w.completed(told[event.SessionRevoked], owner.User, unseen.ID)
	equal(w, "the event's reason", told[event.SessionRevoked].Reason, "surplus")
}

func signInCountsLiving(w *world) {
	owner := w.account()
	w.ended(owner)
	brief := w.openSession(owner)
	brief.Session.IdleExpiresAt = w.now.Add(time.Second)
	w.outcome(do(w, w.store.OpenSession, brief).Outcome, core.Done)
	w.advance(time.Second)
	w.events()

	in := w.openSession(owner)
	in.MaxSessions = 2 // the account's first one and this
	got := do(w, w.store.OpenSession, in)
	w.outcome(got.Outcome, core.Done)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session, got.Session))
	w.wrote(event.SuccessfulLogin)
}
