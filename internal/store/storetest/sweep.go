package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What Sweep means.
func sweeps(f flow) {
	f.shows("C102 drops challenges a day after their end", sweepChallenges)
	f.shows("drops ended sessions after 30 days", sweepEndedSessions)
	f.shows("drops lapsed sessions after 30 days", sweepLapsedSessions)
	f.shows("C11 drops failed codes after 30 quiet days", sweepFailedCodes)
	f.shows("drops failed passwords after 30 quiet days", sweepFailedPasswords)
	f.shows("C78 drops settled events after a year, by months", sweepEvents)
	f.shows("C102 blanks addresses and agents after 90 days", sweepAddresses)
	f.shows("drops notices after their time", sweepNotices)
	f.shows("drops so many at a time and tells of more", sweepLimit)
}

const day = 24 * time.Hour

// sweepAt sweeps at a time, until there is no more.
func (w *world) sweepAt(at time.Time) {
	w.t.Helper()
	w.setClock(at)
	for range 100 {
		if !do(w, w.store.Sweep, w.sweep()) {
			return
		}
	}
	w.t.Fatalf("sweeping does not end")
}

func (w *world) sweep() core.Sweep {
	return core.Sweep{
		Now: w.now, Limit: 1000,
		KeepChallenges: day, KeepEnded: 30 * day, CloseAt: passwordLimits().Close, KeepAddresses: 90 * day, KeepEvents: 365 * day,
	}
}

// aroundEnd sweeps just before an end and just after it.
func (w *world) aroundEnd(end time.Time, before, after func()) {
	w.t.Helper()
	w.sweepAt(end.Add(-time.Millisecond))
	before()
	w.sweepAt(end.Add(time.Millisecond))
	after()
}

func sweepChallenges(w *world) {
	owner := w.account()
	open, redeemed := w.beginSignup(w.newNumber()), w.beginFor(owner, core.PurposeLogin)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(redeemed)).Outcome, core.Done)
	w.aroundEnd(open.ExpiresAt.Add(day), func() {
		do(w, w.store.Challenge, open.ID)
		do(w, w.store.Challenge, redeemed.ID)
		equal(w, "its messages", len(w.messagesOf(open.Phone.Key)), 1)
	}, func() {
		for _, c := range []core.Challenge{open, redeemed} {
			_, err := w.store.Challenge(w.ctx, c.ID)
			w.missing("the challenge", err)
			equal(w, "its messages", len(w.messagesOf(c.Phone.Key)), 0)
		}
	})
	equal(w, "the user", w.user(owner.ID), owner.User)
}

func sweepEndedSessions(w *world) {
	owner := w.account()
	gone := w.ended(owner)
	ended := w.now
	w.setClock(ended.Add(29 * day))
	w.outcome(do(w, w.store.RotateSession, w.rotate(owner.session)).Outcome, core.Done)
	w.aroundEnd(ended.Add(30*day), func() {
		w.session(gone.ID)
	}, func() {
		_, _, err := w.store.Session(w.ctx, gone.ID)
		w.missing("the ended session", err)
		equal(w, "living sessions", w.living(owner.ID), sessionIDs(owner.session))
	})
}

func sweepLapsedSessions(w *world) {
	owner := w.account()
	w.aroundEnd(owner.session.IdleExpiresAt.Add(30*day), func() {
		w.session(owner.session.ID)
	}, func() {
		_, _, err := w.store.Session(w.ctx, owner.session.ID)
		w.missing("the lapsed session", err)
		equal(w, "the user", w.user(owner.ID), owner.User)
	})
}

func sweepFailedCodes(w *world) {
	owner := w.account()
	w.fail(owner, 2, 0, codeLimits(), "")
	w.aroundEnd(w.now.Add(30*day), func() {
		equal(w, "failures", w.number(owner.Phone.Key).CodeFailures, 2)
	}, func() {
		equal(w, "failures", w.number(owner.Phone.Key).CodeFailures, 0)
	})
}

func sweepFailedPasswords(w *world) {
	kept, dropped, closed := w.newNumber(), w.newNumber(), w.newNumber()
	w.closeNumber(closed.Key)
	w.tryPassword(kept.Key, "")
	w.tryPassword(dropped.Key, "")
	w.aroundEnd(w.now.Add(30*day), func() {
		equal(w, "failures in a row", w.tryPassword(kept.Key, "").Failures, 2)
	}, func() {
		equal(w, "failures in a row", w.tryPassword(dropped.Key, "").Failures, 1)
		w.outcome(w.tryPassword(closed.Key, "").Outcome, core.Locked) // C-41: a closed number stays closed
		equal(w, "failures of one that was tried since", w.tryPassword(kept.Key, "").Failures, 3)
	})
}

func sweepEvents(w *world) {
	userID := w.id()
	count := func() int {
		w.t.Helper()
		events, err := w.store.UserEvents(w.ctx, userID, core.Page{Limit: 10})
		w.holds("the user's events are read", err == nil)
		return len(events)
	}
	tell := func() {
		w.t.Helper()
		e := w.newEvent(event.FailedLogin)
		e.UserID = userID
		w.tell(e)
	}
	tell()
	w.events()
	end := w.now.Add(365 * day)
	w.sweepAt(end.Add(-time.Millisecond))
	equal(w, "events of a year", count(), 1)
	w.sweepAt(end.Add(31 * day)) // an engine may drop a month as a whole
	equal(w, "events of a year and a month", count(), 0)

	tell()
	w.sweepAt(w.now.Add(400 * day))
	equal(w, "events that a sink has not settled", len(w.events()), 1)
	w.sweepAt(w.now)
	equal(w, "events that all have settled", count(), 0)
}

func sweepAddresses(w *world) {
	owner := w.account()
	in := w.openSession(owner)
	in.Session.IdleExpiresAt = in.Session.ExpiresAt
	session := do(w, w.store.OpenSession, in).Session
	w.events()
	w.aroundEnd(w.now.Add(90*day), func() {
		equal(w, "the session", w.session(session.ID), session)
		e := w.onlyEvent(owner.ID)
		w.holds("the event has address and agent", e.IPAddress != "" && e.UserAgent != "")
	}, func() {
		kept := w.session(session.ID)
		w.holds("the session has neither", kept.IPAddress == "" && kept.UserAgent == "")
		equal(w, "living sessions", w.living(owner.ID), sessionIDs(session))
		e := w.onlyEvent(owner.ID)
		w.holds("the event has neither", e.IPAddress == "" && e.UserAgent == "")
		equal(w, "the event's session", e.SessionID, session.ID)
	})
}

// onlyEvent gives a user's one event.
func (w *world) onlyEvent(userID string) event.Event {
	w.t.Helper()
	events, err := w.store.UserEvents(w.ctx, userID, core.Page{Limit: 10})
	w.holds("the user has one event", err == nil && len(events) == 1)
	return events[0]
}

func sweepNotices(w *world) {
	owner, notice := w.notify()
	claimed := w.claim("a", 10)
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed[0], "a", core.MessageSent)), core.Done)
	w.events()
	w.sweepAt(notice.ExpiresAt.Add(-time.Millisecond))
	w.message(owner.Phone.Key, notice.ID)
	w.sweepAt(notice.ExpiresAt.Add(400 * day))
	equal(w, "messages", len(w.messagesOf(owner.Phone.Key)), 0)
}

func sweepLimit(w *world) {
	var begun []core.Challenge
	for range 5 {
		begun = append(begun, w.beginSignup(w.newNumber()))
	}
	gone := func() int {
		n := 0
		for _, c := range begun {
			if _, err := w.store.Challenge(w.ctx, c.ID); err != nil {
				w.missing("a challenge", err)
				n++
			}
		}
		return n
	}
	w.setClock(begun[4].ExpiresAt.Add(2 * day))
	in := w.sweep()
	in.Limit = 2
	w.holds("there is more", do(w, w.store.Sweep, in))
	equal(w, "dropped at once", gone(), 2)
	for range 10 {
		if !do(w, w.store.Sweep, in) {
			break
		}
	}
	equal(w, "dropped in the end", gone(), 5)
	w.holds("there is no more", !do(w, w.store.Sweep, in))
}
