package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What RotateSession means (invariant 4).
func rotations(f flow) {
	f.shows("raises the counter and renews the session", rotateDone)
	f.shows("C26 idle time never passes the absolute end", rotateNearEnd)
	f.shows("C26 ends at exactly its idle and its absolute time", rotateLapsed)
	f.shows("C34 tells a move of network and agent together", rotateMoved)
	f.shows("C24 tells the predecessor again for 10 s", rotateGrace)
	f.shows("C24 replays do not extend the grace", rotateReplays)
	f.shows("C24 tells the predecessor later to the same device", rotateLateDevice)
	f.shows("C24 tells the predecessor later to the same key", rotateLateKey)
	f.shows("C24 tells the predecessor later where the session allows", rotateLateAny)
	f.shows("C24 ends the session for a predecessor's successor used", rotateUsed)
	f.shows("C24 ends the session for a late predecessor", rotateLateThief)
	f.shows("C21 knows no session by a wrong secret", rotateWrongSecret)
	f.shows("knows no counter ahead of the row", rotateAhead)
	f.shows("C32 knows a bound session by its key alone", rotateBound)
	f.shows("C25 tells an ended session", rotateEnded)
}

func rotateDone(w *world) {
	owner := w.account()
	w.advance(time.Hour)
	in := w.rotate(owner.session)
	in.IPAddress, in.Network, in.UserAgent = "198.51.100.4", "198.51.100.0/24", owner.session.UserAgent
	got := do(w, w.store.RotateSession, in)

	w.outcome(got.Outcome, core.Done)
	want := owner.session
	want.Counter, want.TokenKeyID = 1, in.TokenKeyID
	want.RotatedAt, want.LastSeenAt, want.IdleExpiresAt = w.now, w.now, w.now.Add(idleTimeout)
	want.IPAddress, want.Network, want.UserAgent = in.IPAddress, in.Network, in.UserAgent
	equal(w, "the session", got.Session, want)
	equal(w, "the stored session", w.session(owner.session.ID), want)
	equal(w, "the user", got.User, owner.User)
	w.wrote()
}

func rotateNearEnd(w *world) {
	owner := w.account()
	in := w.rotate(owner.session)
	in.IdleTimeout = 2 * sessionLifetime
	got := do(w, w.store.RotateSession, in)
	w.outcome(got.Outcome, core.Done)
	equal(w, "idle until", got.Session.IdleExpiresAt, owner.session.ExpiresAt)
	equal(w, "ends at", got.Session.ExpiresAt, owner.session.ExpiresAt)
}

func rotateLapsed(w *world) {
	owner := w.account()
	unchanged := w.watch(watched{sessions: []string{owner.session.ID}})
	w.setClock(owner.session.IdleExpiresAt)
	got := do(w, w.store.RotateSession, w.rotate(owner.session))
	w.outcome(got.Outcome, core.SessionEnded)
	equal(w, "the row", got.Session, owner.session)
	unchanged()
	w.advance(-time.Millisecond)
	in := w.rotate(owner.session)
	in.IdleTimeout = sessionLifetime
	got = do(w, w.store.RotateSession, in)
	w.outcome(got.Outcome, core.Done)

	w.setClock(got.Session.ExpiresAt)
	w.outcome(do(w, w.store.RotateSession, w.rotate(got.Session)).Outcome, core.SessionEnded)
	w.advance(-time.Millisecond)
	w.outcome(do(w, w.store.RotateSession, w.rotate(got.Session)).Outcome, core.Done)
}

func rotateMoved(w *world) {
	owner := w.account()
	session := owner.session
	for _, move := range []struct {
		network, agent string
		told           bool
	}{
		{"198.51.100.0/24", session.UserAgent, false},
		{"198.51.100.0/24", "another/2", false},
		{"203.0.113.0/24", "third/3", true},
	} {
		in := w.rotate(session)
		in.Network, in.UserAgent = move.network, move.agent
		got := do(w, w.store.RotateSession, in)
		w.outcome(got.Outcome, core.Done)
		session = got.Session
		if !move.told {
			w.wrote()
			continue
		}
		w.completed(w.wrote(event.RefreshFromNewNetwork)[event.RefreshFromNewNetwork], owner.User, session.ID)
	}
}

func rotateGrace(w *world) {
	owner := w.account()
	first := do(w, w.store.RotateSession, w.rotate(owner.session))
	unchanged := w.watch(watched{sessions: []string{owner.session.ID}})
	w.advance(grace - time.Millisecond)
	in := w.rotate(owner.session)
	in.Network, in.UserAgent, in.TokenKeyID = "203.0.113.0/24", "another/2", "key-3"
	got := do(w, w.store.RotateSession, in)
	w.outcome(got.Outcome, core.Repeated)
	equal(w, "the same successor", got.Session, first.Session)
	equal(w, "the user", got.User, owner.User)
	unchanged()

	w.advance(time.Millisecond)
	got = do(w, w.store.RotateSession, w.rotate(owner.session))
	w.outcome(got.Outcome, core.Reused)
	equal(w, "ended at", w.session(owner.session.ID).EndedAt, w.now)
	w.completed(w.wrote(event.RefreshTokenReused)[event.RefreshTokenReused], owner.User, owner.session.ID)
	w.outcome(do(w, w.store.RotateSession, w.rotate(first.Session)).Outcome, core.SessionEnded)
}

func rotateReplays(w *world) {
	owner := w.account()
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Done)
	for range 3 {
		w.advance(3 * time.Second)
		w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Repeated)
	}
	w.advance(time.Second)
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Reused)
}

func rotateLateDevice(w *world) {
	owner := w.account()
	first := do(w, w.store.RotateSession, w.rotate(owner.session))
	unchanged := w.watch(watched{sessions: []string{owner.session.ID}})
	w.advance(24 * time.Hour)
	late := w.rotate(owner.session)
	late.DeviceID = owner.session.DeviceID
	got := do(w, w.store.RotateSession, late)
	w.outcome(got.Outcome, core.Repeated)
	equal(w, "the same successor", got.Session, first.Session)
	unchanged()

	other := w.rotate(owner.session)
	other.DeviceID = w.login(owner).DeviceID
	w.outcome(do(w, w.store.RotateSession, other).Outcome, core.Reused)
}

func rotateLateKey(w *world) {
	owner := w.account()
	in := w.openSession(owner)
	in.Session.Thumbprint = "thumbprint"
	session := do(w, w.store.OpenSession, in).Session
	w.outcome(do(w, w.store.RotateSession, w.rotate(session)).Outcome, core.Done)
	w.advance(24 * time.Hour)
	w.outcome(do(w, w.store.RotateSession, w.rotate(session)).Outcome, core.Repeated)
	used := w.session(session.ID)
	w.outcome(do(w, w.store.RotateSession, w.rotate(used)).Outcome, core.Done)
	w.outcome(do(w, w.store.RotateSession, w.rotate(session)).Outcome, core.Reused)
}

func rotateLateAny(w *world) {
	owner := w.account()
	in := w.openSession(owner)
	in.Session.Reissue = core.ReissueAny
	session := do(w, w.store.OpenSession, in).Session
	first := do(w, w.store.RotateSession, w.rotate(session))
	w.advance(24 * time.Hour)
	w.outcome(do(w, w.store.RotateSession, w.rotate(session)).Outcome, core.Repeated)
	w.outcome(do(w, w.store.RotateSession, w.rotate(first.Session)).Outcome, core.Done)
	w.outcome(do(w, w.store.RotateSession, w.rotate(session)).Outcome, core.Reused)
}

func rotateUsed(w *world) {
	owner := w.account()
	first := do(w, w.store.RotateSession, w.rotate(owner.session))
	second := do(w, w.store.RotateSession, w.rotate(first.Session))
	w.outcome(second.Outcome, core.Done)
	old := w.rotate(owner.session) // two behind, within the grace of both
	old.DeviceID = owner.session.DeviceID
	w.outcome(do(w, w.store.RotateSession, old).Outcome, core.Reused)
	w.wrote(event.RefreshTokenReused)
	ended := w.session(owner.session.ID)
	equal(w, "ended at", ended.EndedAt, w.now)
	w.holds("it has a reason", ended.EndReason != "")
	equal(w, "living sessions", len(w.living(owner.ID)), 0)
	for _, s := range []core.Session{owner.session, first.Session, second.Session} {
		w.outcome(do(w, w.store.RotateSession, w.rotate(s)).Outcome, core.SessionEnded)
	}
	w.wrote()
}

func rotateLateThief(w *world) {
	owner := w.account()
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Done)
	w.advance(24 * time.Hour)
	late := w.rotate(owner.session) // shows no device
	w.outcome(do(w, w.store.RotateSession, late).Outcome, core.Reused)
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.SessionEnded)
}

func rotateWrongSecret(w *world) {
	owner := w.account()
	current := do(w, w.store.RotateSession, w.rotate(owner.session)).Session
	w.outcome(do(w, w.store.RotateSession, w.rotate(current)).Outcome, core.Done)
	unchanged := w.watch(watched{sessions: []string{owner.session.ID}})
	for counter := int64(0); counter <= 3; counter++ { // a wrong secret is never reuse
		in := w.rotate(owner.session)
		in.Counter, in.SecretHash = counter, mac("another secret")
		w.outcome(do(w, w.store.RotateSession, in).Outcome, core.NotFound)
	}
	in := w.rotate(owner.session)
	in.SessionID = w.id()
	w.outcome(do(w, w.store.RotateSession, in).Outcome, core.NotFound)
	unchanged()
}

func rotateAhead(w *world) {
	owner := w.account()
	unchanged := w.watch(watched{sessions: []string{owner.session.ID}})
	in := w.rotate(owner.session)
	in.Counter = 1
	w.outcome(do(w, w.store.RotateSession, in).Outcome, core.NotFound)
	unchanged()
}

func rotateBound(w *world) {
	owner := w.account()
	opening := w.openSession(owner)
	opening.Session.Thumbprint = "thumbprint"
	session := do(w, w.store.OpenSession, opening).Session
	rotated := do(w, w.store.RotateSession, w.rotate(session))
	w.outcome(rotated.Outcome, core.Done)
	w.advance(time.Hour)
	unchanged := w.watch(watched{sessions: []string{session.ID}})
	for _, thumbprint := range []string{"", "another"} {
		for _, s := range []core.Session{session, rotated.Session} {
			in := w.rotate(s)
			in.Thumbprint, in.DeviceID = thumbprint, session.DeviceID
			w.outcome(do(w, w.store.RotateSession, in).Outcome, core.NotFound)
		}
	}
	unchanged()
	w.outcome(do(w, w.store.RotateSession, w.rotate(rotated.Session)).Outcome, core.Done)
}

func rotateEnded(w *world) {
	owner := w.account()
	current := do(w, w.store.RotateSession, w.rotate(owner.session)).Session
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeAll)), core.Done)
	unchanged := w.watch(watched{sessions: []string{owner.session.ID}})
	for _, s := range []core.Session{owner.session, current} { // within the grace
		got := do(w, w.store.RotateSession, w.rotate(s))
		w.outcome(got.Outcome, core.SessionEnded)
		equal(w, "the row", got.Session, w.session(owner.session.ID))
	}
	unchanged()
}
