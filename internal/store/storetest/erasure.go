package storetest

import (
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// What stays of an erased account's messages, so that nobody is sent more to by
// deleting accounts: what SendLimits count (C-39), and no more than that (C-101).
func erasures(f flow) {
	f.shows("C39 a deleted number's sends count on", erasedNumber)
	f.shows("C39 sends that a deleted user began count on", erasedBeginner)
	f.shows("C39 the hour counts on beyond an account", erasedHour)
	f.shows("C39 a wait knows what was redeemed beyond an account", erasedWaits)
	f.shows("C39 each bucket counts on by itself", erasedBuckets)
	f.shows("C101 what is left is never sent", erasedNeverSent)
	f.shows("C101 what is left goes after a day", erasedSwept)
	f.shows("C101 what is older than a day goes at once", erasedOld)
}

// deleted deletes an account.
func (w *world) deleted(a account) {
	w.t.Helper()
	w.outcome(do(w, w.store.DeleteUser, core.DeleteUser{SessionID: a.session.ID, Now: w.now}), core.Done)
}

func daily(n int) core.SendLimits { return core.SendLimits{Day: n} }

func erasedNumber(w *world) {
	phone, first := w.newNumber(), w.now
	for range 3 { // each signs up, is sent two, and is deleted
		owner := w.accountAt(phone)
		w.sent(phone, "", core.SendLimits{})
		w.deleted(owner)
		w.advance(time.Minute)
	}
	w.limited(phone, "", daily(6), core.SendDay, first.Add(day))
	w.limited(phone, "", daily(4), core.SendDay, first.Add(day+time.Minute))
	w.setClock(first.Add(day))
	w.sent(phone, "", daily(6))
}

func erasedBeginner(w *world) {
	owner, victim, first := w.account(), w.newNumber(), w.now
	for range 5 {
		w.beginAs(owner, core.PurposePhoneChange, victim)
	}
	w.deleted(owner)
	next := w.accountAt(owner.Phone)
	again := w.challengeFor(next, core.PurposePhoneChange)
	again.Phone, again.SessionID = victim, next.session.ID
	in := w.openChallenge(again)
	in.Sends = sendLimits()
	in.Sends.Waits = nil
	got := do(w, w.store.OpenChallenge, in)
	equal(w, "the sixth", got, core.OpenChallengeResult{Outcome: core.Limited, Limit: core.SendHour, RetryAt: first.Add(time.Hour)})
	w.sent(next.Phone, "", hourly(3)) // the two that signed up are counted, too
	w.limited(next.Phone, "", hourly(3), core.SendHour, first.Add(time.Hour))
}

func erasedHour(w *world) {
	phone, first := w.newNumber(), w.now
	owner := w.accountAt(phone)
	for range 4 {
		w.sent(phone, "", hourly(5))
	}
	w.deleted(owner)
	w.limitedUntil(phone, "", hourly(5), core.SendHour, first.Add(time.Hour))
	w.sent(phone, "", hourly(5))
}

func erasedWaits(w *world) {
	phone, l := w.newNumber(), core.SendLimits{Waits: []time.Duration{time.Minute, 10 * time.Minute}}
	w.deleted(w.accountAt(phone)) // its one was redeemed
	w.sent(phone, "", l)
	w.deleted(w.accountAt(phone))
	w.limitedUntil(phone, "", l, core.SendWait, w.now.Add(time.Minute)) // one is open
}

func erasedBuckets(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	for range 2 {
		w.sent(owner.Phone, device, core.SendLimits{})
	}
	w.deleted(owner)
	w.limited(owner.Phone, device, hourly(2), core.SendHour, w.now.Add(time.Hour))
	w.sent(owner.Phone, "", hourly(2))
	buckets := map[string]int{}
	for _, m := range w.messagesOf(owner.Phone.Key) {
		buckets[m.Bucket]++
	}
	equal(w, "messages by bucket", buckets, map[string]int{device: 2, "": 2})
}

func erasedNeverSent(w *world) {
	owner := w.account()
	w.beginFor(owner, core.PurposeLogin)
	w.deleted(owner)
	w.counted(owner.Phone.Key)
	for range 3 {
		got := do(w, w.store.ClaimMessages, w.claimInput("a", 100, core.Budgets{}))
		equal(w, "claimed", got, core.Claimed{})
		equal(w, "queues", w.queues().Messages, int64(0))
		w.advance(time.Hour)
	}
}

func erasedSwept(w *world) {
	owner, victim := w.account(), w.newNumber()
	w.beginAs(owner, core.PurposePhoneChange, victim)
	begun := w.now
	w.advance(time.Minute)
	w.deleted(owner)
	w.aroundEnd(begun.Add(day), func() {
		w.counted(victim.Key)
		equal(w, "what is left", len(w.messagesOf(victim.Key))+len(w.messagesOf(owner.Phone.Key)), 2)
	}, func() {
		equal(w, "what is left", len(w.messagesOf(victim.Key))+len(w.messagesOf(owner.Phone.Key)), 0)
	})
}

func erasedOld(w *world) {
	owner, notice := w.notify()
	w.advance(day - time.Millisecond)
	recent := w.sent(owner.Phone, "", core.SendLimits{})
	w.advance(time.Millisecond)
	owner.session = w.login(owner)
	w.deleted(owner)
	left := w.messagesOf(owner.Phone.Key)
	w.holds("no notice is left", !slices.ContainsFunc(left, func(m core.Message) bool { return m.ID == notice.ID }))
	w.holds("only the recent one is left", len(left) == 1 && left[0].CreatedAt.Equal(recent.CreatedAt))
	w.counted(owner.Phone.Key)
}
