package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What EndSessions and the reads of sessions mean.
func sessionEnds(f flow) {
	f.shows("ends the session itself", endItself)
	f.shows("C30 ends another session of the user", endAnother)
	f.shows("C64 knows no session of somebody else", endForeign)
	f.shows("C53 ends the others", endOthers)
	f.shows("C53 ends all, devices and challenges too", endEverything)
	f.shows("C31 ends a session by its secret alone", endBySecret)
	f.shows("is refused for an ended session", endForEnded)
	f.shows("C30 lists a user's living sessions only", listLiving)
}

// endOne is the input that ends one session on behalf of a's.
func (w *world) endOne(a account, target string) core.EndSessions {
	in := w.endSessions(a, core.ScopeOne)
	in.TargetID = target
	return in
}

func endItself(w *world) {
	owner := w.account()
	other := w.login(owner)
	pending := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	w.advance(time.Second)
	in := w.endOne(owner, owner.session.ID)
	w.outcome(do(w, w.store.EndSessions, in), core.Done)

	want := owner.session
	want.EndedAt, want.EndReason = w.now, "logout"
	equal(w, "the stored session", w.session(want.ID), want)
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(other))
	equal(w, "the stored user", w.user(owner.ID), owner.User)
	w.holds("the device stays known", w.numberSeenBy(owner.Phone.Key, owner.session.DeviceID).KnownDevice)
	equal(w, "the open challenge", do(w, w.store.Challenge, pending.ID), pending)
	told := w.wrote(event.Logout)[event.Logout]
	w.completed(told, owner.User, owner.session.ID)
	_, has := told.Attributes["ended_sessions"]
	w.holds("one session is not counted", !has)

	w.outcome(do(w, w.store.EndSessions, in), core.SessionEnded)
	w.wrote()
}

func endAnother(w *world) {
	owner := w.account()
	other := w.login(owner)
	in := w.endOne(owner, other.ID)
	in.Reason = "revoked"
	w.outcome(do(w, w.store.EndSessions, in), core.Done)
	equal(w, "its reason", w.session(other.ID).EndReason, "revoked")
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	equal(w, "the generation", w.user(owner.ID).Generation, owner.Generation)
	equal(w, "the event's user_id", w.wrote(event.Logout)[event.Logout].UserID, owner.ID)

	unchanged := w.watch(watched{user: owner.ID, sessions: []string{owner.session.ID, other.ID}})
	w.outcome(do(w, w.store.EndSessions, w.endOne(owner, other.ID)), core.NotFound)
	unchanged()
}

func endForeign(w *world) {
	owner, other := w.account(), w.account()
	unchanged := w.watch(watched{user: other.ID, sessions: []string{owner.session.ID, other.session.ID}})
	w.outcome(do(w, w.store.EndSessions, w.endOne(owner, other.session.ID)), core.NotFound)
	w.outcome(do(w, w.store.EndSessions, w.endOne(owner, w.id())), core.NotFound)
	unchanged()
}

func endOthers(w *world) {
	owner, bystander := w.account(), w.account()
	second, third := w.login(owner), w.login(owner)
	change := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	login := w.beginFor(owner, core.PurposeLogin)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeOthers)), core.Done)

	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	equal(w, "the acting session", w.session(owner.session.ID), owner.session)
	for _, s := range []core.Session{second, third} {
		w.holds("it ended now", w.session(s.ID).EndedAt.Equal(w.now))
		equal(w, "its reason", w.session(s.ID).EndReason, "logout")
		w.holds("its device stays known", w.numberSeenBy(owner.Phone.Key, s.DeviceID).KnownDevice)
	}
	equal(w, "the generation", w.user(owner.ID).Generation, owner.Generation+1)
	w.holds("the phone change is voided", !do(w, w.store.Challenge, change.ID).VoidedAt.IsZero())
	equal(w, "the login", do(w, w.store.Challenge, login.ID), login)
	told := w.wrote(event.Logout)[event.Logout]
	equal(w, "ended_sessions", told.Attributes["ended_sessions"], any(int64(2)))
	w.completed(told, owner.User, owner.session.ID)
	equal(w, "a bystander's sessions", w.living(bystander.ID), sessionIDs(bystander.session))
}

func endEverything(w *world) {
	owner, bystander := w.account(), w.account()
	second := w.login(owner)
	pending := []core.Challenge{
		w.beginAs(owner, core.PurposePhoneChange, w.newNumber()),
		w.beginAs(owner, core.PurposeReauthentication, owner.Phone),
		w.beginFor(owner, core.PurposeLogin),
		w.beginFor(owner, core.PurposePasswordReset),
	}
	theirs := w.beginFor(bystander, core.PurposeLogin)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeAll)), core.Done)

	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	for _, s := range []core.Session{owner.session, second} {
		w.holds("it ended now", w.session(s.ID).EndedAt.Equal(w.now))
		w.holds("its device is gone", !w.numberSeenBy(owner.Phone.Key, s.DeviceID).KnownDevice)
		w.outcome(do(w, w.store.RotateSession, w.rotate(s)).Outcome, core.SessionEnded)
	}
	for _, c := range pending {
		w.holds("the "+string(c.Purpose)+" is voided", !do(w, w.store.Challenge, c.ID).VoidedAt.IsZero())
	}
	equal(w, "the generation", w.user(owner.ID).Generation, owner.Generation+1)
	told := w.wrote(event.Logout)[event.Logout]
	equal(w, "ended_sessions", told.Attributes["ended_sessions"], any(int64(2)))
	w.completed(told, owner.User, owner.session.ID)
	equal(w, "a bystander's sessions", w.living(bystander.ID), sessionIDs(bystander.session))
	equal(w, "a bystander's challenge", do(w, w.store.Challenge, theirs.ID), theirs)
}

func endBySecret(w *world) {
	owner := w.account()
	in := core.EndSessions{
		Scope: core.ScopeOne, TargetID: owner.session.ID, SecretHash: mac("another secret"),
		Reason: "revoked", Now: w.now, Event: w.newEvent(event.SessionRevoked),
	}
	unchanged := w.watch(watched{sessions: []string{owner.session.ID}})
	w.outcome(do(w, w.store.EndSessions, in), core.NotFound)
	unchanged()
	in.SecretHash = owner.session.SecretHash
	w.outcome(do(w, w.store.EndSessions, in), core.Done)
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	told := w.wrote(event.SessionRevoked)[event.SessionRevoked]
	w.completed(told, owner.User, owner.session.ID)
	w.outcome(do(w, w.store.EndSessions, in), core.NotFound)
	in.TargetID = w.id()
	w.outcome(do(w, w.store.EndSessions, in), core.NotFound)
	w.wrote()
}

func endForEnded(w *world) {
	owner := w.account()
	gone := owner
	gone.session = w.ended(owner)
	unchanged := w.watch(watched{user: owner.ID, sessions: []string{owner.session.ID}})
	for _, scope := range []core.Scope{core.ScopeOthers, core.ScopeAll} {
		w.outcome(do(w, w.store.EndSessions, w.endSessions(gone, scope)), core.SessionEnded)
	}
	w.outcome(do(w, w.store.EndSessions, w.endOne(gone, owner.session.ID)), core.SessionEnded)
	w.setClock(owner.session.IdleExpiresAt) // lapsed is over, too
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeAll)), core.SessionEnded)
	unchanged()
	w.advance(-time.Millisecond)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeAll)), core.Done)
}

func listLiving(w *world) {
	owner := w.account()
	w.ended(owner)
	second := w.login(owner)
	w.account()
	equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session, second))
	sessions, err := w.store.Sessions(w.ctx, owner.ID, w.now)
	w.holds("the sessions are read", err == nil)
	for _, each := range sessions {
		equal(w, "a listed session", each, w.session(each.ID))
	}
	w.setClock(owner.session.IdleExpiresAt.Add(-time.Millisecond))
	equal(w, "living sessions", len(w.living(owner.ID)), 2)
	w.advance(time.Millisecond)
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	_, _, err = w.store.Session(w.ctx, w.id())
	w.missing("an unknown session", err)
}
