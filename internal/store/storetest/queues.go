package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What Queues means, and Claim.FromNow.
func queues(f flow) {
	f.shows("counts messages that are due or claimed", queuedMessages)
	f.shows("tells how old the oldest message is, whatever it waits for", queuedOldest)
	f.shows("counts messages that wait for money, and their age", queuedHeld)
	f.shows("counts the events that each sink is behind", queuedEvents)
	f.shows("a new sink may begin with what is to come", sinkFromNow)
	f.shows("no sweep waits for a sink that watches", watcherSwept)
}

func (w *world) queues() core.Queues {
	w.t.Helper()
	return do(w, w.store.Queues, w.now)
}

func queuedMessages(w *world) {
	equal(w, "messages before any", w.queues().Messages, int64(0))
	w.beginSignup(w.newNumber())
	decoy := w.newChallenge(core.PurposeLogin, w.newNumber())
	decoy.Decoy = true
	w.begin(decoy)
	equal(w, "due, a withheld one too", w.queues().Messages, int64(2))
	claimed := w.claim("a", 10)
	equal(w, "claimed", w.queues().Messages, int64(2))

	again := w.settle(claimed[0], "a", core.MessageQueued)
	again.RetryAt = w.now.Add(5 * time.Second)
	w.outcome(do(w, w.store.SettleMessage, again), core.Done)
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed[1], "a", core.MessageWithheld)), core.Done)
	equal(w, "settled, and due later", w.queues(), core.Queues{EventsBehind: map[string]int64{ownSink: 2}})
	w.advance(5*time.Second - time.Millisecond)
	equal(w, "just before it is due again", w.queues().Messages, int64(0))
	w.advance(time.Millisecond)
	equal(w, "due again", w.queues().Messages, int64(1))
	w.claim("b", 10)
	w.advance(2 * time.Minute)
	equal(w, "a claim that has lapsed", w.queues().Messages, int64(1))
}

func queuedOldest(w *world) {
	equal(w, "before any", w.queues().OldestMessage, time.Duration(0))
	w.beginSignup(w.newNumber())
	w.advance(3 * time.Second)
	w.beginSignup(w.newNumber())
	w.advance(4 * time.Second)
	equal(w, "the oldest", w.queues().OldestMessage, 7*time.Second)
	claimed := w.claim("a", 10)
	w.advance(time.Second)
	equal(w, "the oldest, claimed", w.queues().OldestMessage, 8*time.Second)
	again := w.settle(claimed[0], "a", core.MessageQueued)
	again.RetryAt = w.now.Add(2 * time.Second)
	w.outcome(do(w, w.store.SettleMessage, again), core.Done)
	equal(w, "the oldest, while it waits for its next try", w.queues().OldestMessage, 8*time.Second)
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed[1], "a", core.MessageSent)), core.Done)
	w.advance(3 * time.Second)
	claimed = w.claim("a", 10)
	w.advance(time.Minute) // its lease is over
	equal(w, "the oldest, tried again", w.queues().OldestMessage, 71*time.Second)
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed[0], "a", core.MessageSent)), core.Done)
	equal(w, "when all are settled", w.queues().OldestMessage, time.Duration(0))
}

func queuedHeld(w *world) {
	first := w.now
	w.priced(100, "", "")
	b := whole(core.Budget{Hour: 99})
	for range 20 {
		w.claims(b)
		equal(w, "held", w.queues().Held, int64(1))
		w.advance(holdFor / 2)
		w.costs(w.claims(b, w.priced(1, "", ""))[0], core.MessageSent, money(0)) // others go on
		equal(w, "held, between two looks at it", w.queues().Held, int64(1))
		equal(w, "the oldest, held", w.queues().OldestMessage, w.now.Sub(first))
		w.advance(holdFor / 2)
	}
}

func queuedEvents(w *world) {
	equal(w, "behind, before any", w.queues().EventsBehind, map[string]int64{ownSink: 0})
	for range 3 {
		w.tell(w.newEvent(event.FailedLogin))
	}
	late := core.Claim{Holder: "late", Limit: 2, Lease: time.Minute, Now: w.now}
	claimed, err := w.store.ClaimEvents(w.ctx, "late", late)
	w.holds("the late sink claims", err == nil && len(claimed) == 2)
	equal(w, "behind", w.queues().EventsBehind, map[string]int64{ownSink: 3, "late": 3})
	settle := core.SettleEvents{Sink: "late", Holder: "late", Through: claimed[1].ID, Now: w.now}
	w.outcome(do(w, w.store.SettleEvents, settle), core.Done)
	w.events()
	equal(w, "behind, when one has all", w.queues().EventsBehind, map[string]int64{ownSink: 0, "late": 1})

	first := w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))
	w.outcome(do(w, w.store.OpenChallenge, first).Outcome, core.Done)
	failing := w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))
	failing.Event.ID = first.Event.ID // no engine takes one id twice
	if _, err := w.store.OpenChallenge(w.ctx, failing); err == nil {
		w.t.Fatalf("a second event of one id was taken")
	}
	w.tell(w.newEvent(event.FailedLogin))
	equal(w, "behind, when one event failed", w.queues().EventsBehind, map[string]int64{ownSink: 2, "late": 3})

	claim := core.Claim{Holder: "late", Limit: 10, Lease: time.Minute, Now: w.now}
	claimed, err = w.store.ClaimEvents(w.ctx, "late", claim)
	w.holds("the late sink claims", err == nil && len(claimed) == 3)
	settle.Through = claimed[2].ID
	w.outcome(do(w, w.store.SettleEvents, settle), core.Done)
	w.events()
	w.sweepAt(w.now.Add(400 * day))
	equal(w, "behind, when all is swept", w.queues().EventsBehind, map[string]int64{ownSink: 0, "late": 0})
	w.tell(w.newEvent(event.FailedLogin))
	anew, err := w.store.ClaimEvents(w.ctx, "anew", claim)
	w.holds("a new sink claims", err == nil && len(anew) == 1)
	equal(w, "behind, after that", w.queues().EventsBehind, map[string]int64{ownSink: 1, "late": 1, "anew": 1})
}

func sinkFromNow(w *world) {
	w.tell(w.newEvent(event.FailedLogin))
	claim := func(sink string) []event.Event {
		w.t.Helper()
		claim := core.Claim{Holder: sink, Limit: 10, Lease: time.Minute, Now: w.now, FromNow: true}
		events, err := w.store.ClaimEvents(w.ctx, sink, claim)
		w.holds(sink+" claims", err == nil)
		return events
	}
	equal(w, "events of a new sink", len(claim("metrics")), 0)
	next := w.newEvent(event.FailedLogin)
	w.tell(next)
	got := claim("metrics")
	w.holds("it gets what came since", len(got) == 1 && got[0].ID == next.ID)
	equal(w, "events of the sink that was there", len(w.events()), 2)
	w.tell(w.newEvent(event.FailedLogin))
	equal(w, "events that it claims although it is known", len(claim("metrics")), 2)

	// Nor does an empty log make it begin at the beginning.
	through := claim("metrics")[1].ID
	w.outcome(do(w, w.store.SettleEvents, core.SettleEvents{Sink: "metrics", Holder: "metrics", Through: through, Now: w.now}), core.Done)
	w.events()
	w.sweepAt(w.now.Add(400 * day))
	equal(w, "events of a second new sink", len(claim("alerts")), 0)
	equal(w, "how far it is behind", w.queues().EventsBehind["alerts"], int64(0))
	w.tell(w.newEvent(event.FailedLogin))
	equal(w, "events of it then", len(claim("alerts")), 1)
	equal(w, "how far it is behind then", w.queues().EventsBehind["alerts"], int64(1))
}

func watcherSwept(w *world) {
	claim := core.Claim{Holder: "a", Limit: 10, Lease: time.Minute, Now: w.now, FromNow: true}
	claimed := func() int {
		w.t.Helper()
		claim.Now = w.now
		events, err := w.store.ClaimEvents(w.ctx, "metrics", claim)
		w.holds("it claims", err == nil)
		return len(events)
	}
	claimed()
	userID := w.id()
	e := w.newEvent(event.FailedLogin)
	e.UserID = userID
	w.tell(e)
	w.events() // who has it all
	w.sweepAt(w.now.Add(400 * day))
	kept, err := w.store.UserEvents(w.ctx, userID, core.Page{Limit: 10})
	w.holds("the events are read", err == nil)
	equal(w, "events that are kept for it", len(kept), 0)
	equal(w, "how far it is behind", w.queues().EventsBehind["metrics"], int64(0))
	equal(w, "events that it gets", claimed(), 0)
	w.tell(w.newEvent(event.FailedLogin))
	equal(w, "events that it gets then", claimed(), 1)
	claim.Holder = "b"
	equal(w, "events that another gets during its lease", claimed(), 0)
}
