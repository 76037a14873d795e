package storetest

import (
	"errors"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What ClaimEvents, SettleEvents, LogHead and UserEvents mean.
func events(f flow) {
	f.shows("C74 keeps all members of an event", eventsKeepAll)
	f.shows("gives events in the order of their commits", eventsInOrder)
	f.shows("each sink has a queue of its own", eventsBySink)
	f.shows("gives an event again until it is settled", eventsAtLeastOnce)
	f.shows("settles for the holder only", eventsNotHolder)
	f.shows("C77 keeps the log's head with its claim", headKept)
	f.shows("C77 keeps the head alone", headAlone)
	f.shows("C77 keeps the head of an own log", headOwn)
	f.shows("tells a user's own events, newest first", userEvents)
}

// tell writes an event as it is.
func (w *world) tell(e event.Event) event.Event {
	w.t.Helper()
	if err := w.store.FailPassword(w.ctx, core.FailPassword{Now: w.now, OnFailed: e}); err != nil {
		w.t.Fatalf("FailPassword: %v", err)
	}
	return e
}

func (w *world) tellSome(n int) []event.Event {
	w.t.Helper()
	var told []event.Event
	for range n {
		told = append(told, w.tell(w.newEvent(event.FailedLogin)))
	}
	return told
}

// claimEvents leases a sink's next events for a minute.
func (w *world) claimEvents(sink, holder string, limit int) []event.Event {
	w.t.Helper()
	claim := core.Claim{Holder: holder, Limit: limit, Lease: time.Minute, Now: w.now}
	claimed, err := w.store.ClaimEvents(w.ctx, sink, claim)
	if err != nil {
		w.t.Fatalf("ClaimEvents: %v", err)
	}
	return claimed
}

// settleEvents is the input that settles a claim.
func (w *world) settleEvents(sink, holder string, claimed []event.Event) core.SettleEvents {
	return core.SettleEvents{Sink: sink, Holder: holder, Through: claimed[len(claimed)-1].ID, Now: w.now}
}

func eventsKeepAll(w *world) {
	full := event.Event{
		ID: w.id(), Time: w.now, Name: event.FailedLogin, Outcome: event.Failure, Reason: "wrong_password",
		Method: "password", UserID: w.id(), SessionID: w.id(), PhoneNumber: "+49*********12", PhonePseudonym: "pseudonym",
		IPAddress: "2001:db8::7", UserAgent: "suite/1 \u00e9 \u2028", RequestID: "request-9",
		Attributes: event.Attributes{"count": int64(7), "word": "value", "flag": true},
	}
	w.tell(full)
	equal(w, "the event", w.wrote(event.FailedLogin)[event.FailedLogin], full)
	history, err := w.store.UserEvents(w.ctx, full.UserID, core.Page{Limit: 10})
	w.holds("the user's events are read", err == nil)
	equal(w, "the user's events", history, []event.Event{full})
}

func eventsInOrder(w *world) {
	told := w.tellSome(7)
	var got []event.Event
	for _, size := range []int{3, 3, 1, 0} {
		claimed := w.claimEvents(ownSink, ownHolder, 3)
		equal(w, "events claimed", len(claimed), size)
		got = append(got, claimed...)
		if size > 0 {
			w.outcome(do(w, w.store.SettleEvents, w.settleEvents(ownSink, ownHolder, claimed)), core.Done)
		}
	}
	equal(w, "the order", got, told)
}

func eventsBySink(w *world) {
	w.claimEvents("file", "a", 10) // from here on the store knows the sink
	told := w.tellSome(3)
	forFile := w.claimEvents("file", "a", 10)
	equal(w, "one sink's", forFile, told)
	w.outcome(do(w, w.store.SettleEvents, w.settleEvents("file", "a", forFile)), core.Done)
	equal(w, "the other's", w.events(), told)
	more := w.tellSome(1)
	equal(w, "the one's next", w.claimEvents("file", "a", 10), more)
	equal(w, "the other's next", w.events(), more)
}

func eventsAtLeastOnce(w *world) {
	w.claimEvents("file", "a", 10)
	w.advance(time.Minute)
	told := w.tellSome(3)
	equal(w, "claimed by a", w.claimEvents("file", "a", 2), told[:2])
	w.advance(time.Minute - time.Millisecond)
	for _, each := range w.claimEvents("file", "b", 10) {
		w.holds("b does not get what a holds", each.ID != told[0].ID && each.ID != told[1].ID)
	}
	w.advance(time.Minute) // a died, and whatever b may hold is over too
	equal(w, "claimed after the lease", w.claimEvents("file", "c", 10), told)
}

func eventsNotHolder(w *world) {
	w.claimEvents("file", "a", 10)
	w.advance(time.Minute)
	told := w.tellSome(2)
	claimed := w.claimEvents("file", "a", 10)
	in := w.settleEvents("file", "b", claimed)
	in.Head = event.Head{File: "b.log", Count: 2, Chain: "chain"}
	w.outcome(do(w, w.store.SettleEvents, in), core.NotHolder)

	w.advance(time.Minute)
	equal(w, "claimed by b: nothing was settled", w.claimEvents("file", "b", 10), told)
	late := w.settleEvents("file", "a", claimed) // the claim has passed to b
	late.Head = event.Head{File: "a.log", Count: 2, Chain: "chain"}
	w.outcome(do(w, w.store.SettleEvents, late), core.NotHolder)
	_, err := w.store.LogHead(w.ctx, "file")
	w.missing("the head", err)
	w.outcome(do(w, w.store.SettleEvents, in), core.Done)
	equal(w, "the head", do(w, w.store.LogHead, "file"), in.Head)
	w.advance(time.Minute)
	equal(w, "claimed once settled", len(w.claimEvents("file", "b", 10)), 0)
	w.outcome(do(w, w.store.SettleEvents, in), core.Done) // its answer was lost

	told = w.tellSome(2)
	equal(w, "claimed one of two", w.claimEvents("file", "b", 1), told[:1])
	w.outcome(do(w, w.store.SettleEvents, w.settleEvents("file", "b", told)), core.NotHolder)
	w.advance(time.Minute)
	equal(w, "more than was claimed is not settled", w.claimEvents("file", "b", 10), told)
}

func headKept(w *world) {
	_, err := w.store.LogHead(w.ctx, ownSink)
	w.missing("a head before any", err)
	w.tellSome(2)
	in := w.settleEvents(ownSink, ownHolder, w.claimEvents(ownSink, ownHolder, 10))
	in.Head = event.Head{File: "security.log", Count: 41, Chain: "first"}
	w.outcome(do(w, w.store.SettleEvents, in), core.Done)
	equal(w, "the head", do(w, w.store.LogHead, ownSink), in.Head)

	w.tellSome(1)
	w.events() // settled without a head
	equal(w, "the head", do(w, w.store.LogHead, ownSink), in.Head)
	_, err = w.store.LogHead(w.ctx, "another")
	w.missing("another sink's head", err)
}

func headAlone(w *world) {
	told := w.tellSome(2)
	equal(w, "claimed", w.claimEvents(ownSink, ownHolder, 10), told)
	in := core.SettleEvents{Sink: ownSink, Holder: ownHolder, Head: event.Head{File: "security.log", Count: 2, Chain: "chain"}, Now: w.now}
	w.outcome(do(w, w.store.SettleEvents, in), core.Done)
	equal(w, "the head", do(w, w.store.LogHead, ownSink), in.Head)

	other := in
	other.Holder, other.Head.Count = "b", 3
	w.outcome(do(w, w.store.SettleEvents, other), core.NotHolder)
	equal(w, "the head", do(w, w.store.LogHead, ownSink), in.Head)
	w.advance(time.Minute)
	equal(w, "nothing was settled", w.claimEvents(ownSink, "b", 10), told)
}

// Instances share a sink, and each has a log of its own: its head is kept,
// whoever holds the sink.
func headOwn(w *world) {
	told := w.tellSome(2)
	equal(w, "claimed", w.claimEvents("file", "a", 10), told)
	other := core.SettleEvents{Sink: "file", Log: "b's", Holder: "b", Head: event.Head{File: "b.log", Count: 1, Chain: "b"}, Now: w.now}
	w.outcome(do(w, w.store.SettleEvents, other), core.Done)

	in := w.settleEvents("file", "a", told)
	in.Log, in.Head = "a's", event.Head{File: "a.log", Count: 2, Chain: "a"}
	w.outcome(do(w, w.store.SettleEvents, in), core.Done)
	equal(w, "a's head", do(w, w.store.LogHead, in.Log), in.Head)
	equal(w, "b's head", do(w, w.store.LogHead, other.Log), other.Head)
	_, err := w.store.LogHead(w.ctx, "file")
	w.missing("a shared log's head", err)

	other.Through, other.Head.Count = told[0].ID, 2
	w.outcome(do(w, w.store.SettleEvents, other), core.NotHolder)
	other.Head.Count = 1
	equal(w, "b's head", do(w, w.store.LogHead, other.Log), other.Head)
}

func userEvents(w *world) {
	userID := w.id()
	var told []event.Event
	for range 5 {
		w.advance(time.Second)
		e := w.newEvent(event.FailedLogin)
		e.UserID = userID
		told = append(told, w.tell(e))
		w.tellSome(1) // of nobody
	}
	page := core.Page{Limit: 2}
	for _, want := range [][]event.Event{{told[4], told[3]}, {told[2], told[1]}, {told[0]}} {
		got, err := w.store.UserEvents(w.ctx, userID, page)
		w.holds("the events are read", err == nil)
		equal(w, "a page", got, want)
		page.Before = got[len(got)-1].ID
	}
	got, err := w.store.UserEvents(w.ctx, userID, page)
	w.holds("a page past the last is empty", len(got) == 0 && (err == nil || errors.Is(err, core.ErrNotFound)))
}
