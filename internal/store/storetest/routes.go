package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What FindMessages and Routes tell, and what is left of attempts.
func routes(f flow) {
	f.shows("finds messages by whatever is known of them", findBy)
	f.shows("finds messages page by page, the newest first", findPages)
	f.shows("tells how routes went", routesTold)
	f.shows("of a challenge the newest message alone has its code entered", routesNewest)
	f.shows("of many the newest count, of their time", routesBounded)
	f.shows("C101 an erased message tells by nobody", routesErased)
}

// found gives the ids that a query finds.
func (w *world) found(q core.MessageQuery) (ids []string) {
	w.t.Helper()
	if q.Limit == 0 {
		q.Limit = 100
	}
	for _, m := range do(w, w.store.FindMessages, q) {
		ids = append(ids, m.ID)
	}
	return ids
}

func findBy(w *world) {
	begun := w.now
	owner, notice := w.notify()
	w.advance(time.Second)
	sent := w.sentBy("north", "n-1")
	w.advance(time.Second)
	in := w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))
	in.Message.RequestID, in.Message.PrefixKey = "request-2", "prefix"
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	queued := in.Message
	for what, each := range map[string]struct {
		q    core.MessageQuery
		want []string
	}{
		"id":             {core.MessageQuery{ID: sent.ID}, []string{sent.ID}},
		"request":        {core.MessageQuery{RequestID: "request-2"}, []string{queued.ID}},
		"number":         {core.MessageQuery{PhoneKey: sent.PhoneKey}, []string{sent.ID}},
		"provider":       {core.MessageQuery{Provider: "north", Since: sent.CreatedAt}, []string{sent.ID}},
		"state":          {core.MessageQuery{State: core.MessageQueued, Since: sent.CreatedAt}, []string{queued.ID}},
		"time":           {core.MessageQuery{Since: sent.CreatedAt, Until: queued.CreatedAt}, []string{sent.ID}},
		"time, without":  {core.MessageQuery{Since: begun, Until: begun}, nil},
		"id and state":   {core.MessageQuery{ID: sent.ID, State: core.MessageFailed}, nil},
		"before another": {core.MessageQuery{Before: queued.ID, Since: sent.CreatedAt}, []string{sent.ID}},
		"no such state":  {core.MessageQuery{State: "cooked"}, nil},
	} {
		equal(w, "found by "+what, w.found(each.q), each.want)
	}
	equal(w, "of the user", w.found(core.MessageQuery{UserID: owner.ID, State: notice.State}), []string{notice.ID})
	got := do(w, w.store.FindMessages, core.MessageQuery{ID: notice.ID, Limit: 1})[0]
	equal(w, "text", len(got.Sealed), 0)
	equal(w, "whole", do(w, w.store.FindMessages, core.MessageQuery{ID: queued.ID, Limit: 1}), []core.Message{queued})
}

func findPages(w *world) {
	var want []string
	for range 7 {
		w.advance(time.Millisecond)
		w.beginSignup(w.newNumber())
	}
	all := w.found(core.MessageQuery{})
	equal(w, "all", len(all), 7)
	for page := (core.MessageQuery{Limit: 3}); ; page.Before = want[len(want)-1] {
		ids := w.found(page)
		want = append(want, ids...)
		if len(ids) < 3 {
			break
		}
	}
	equal(w, "page by page", want, all)
	for i := range all[1:] {
		w.holds("the newest comes first", all[i] > all[i+1])
	}
}

// routes gives how the routes of the last hour went.
func (w *world) routes(most int) []core.RouteStat {
	w.t.Helper()
	return do(w, w.store.Routes, core.RouteQuery{Since: w.now.Add(-time.Hour), Until: w.now.Add(time.Second), Most: most})
}

// stat is a route's line, of the suite's messages.
func stat(provider string, sent, redeemed, delivered, failed int64) core.RouteStat {
	return core.RouteStat{
		Provider: provider, Channel: core.ChannelSMS, Country: "DE", PrefixKey: "prefix",
		Sent: sent, Redeemed: redeemed, Delivered: delivered, Failed: failed,
	}
}

// enter has the code of a message's challenge entered.
func (w *world) enter(m core.Message) {
	w.t.Helper()
	in := w.redeemSignup(do(w, w.store.Challenge, m.ChallengeID))
	in.OnCreated, in.OnSignedIn = event.Event{}, event.Event{}
	w.outcome(do(w, w.store.RedeemSignup, in).Outcome, core.Done)
}

func routesTold(w *world) {
	w.enter(w.sentBy("north", "n-1"))
	w.sentBy("north", "n-2")
	arrived := w.sentBy("south", "s-1")
	w.receive(w.receipt(arrived, "south", "s-1", core.DeliveryDelivered), core.Done)
	w.enter(arrived)
	lost := w.sentBy("south", "s-2")
	w.receive(w.receipt(lost, "south", "s-2", core.DeliveryUndelivered), core.Done)

	over := w.flying("a", "north") // goes by south in the end
	in := w.settleBy(over, "a", "north", "", core.MessageQueued)
	in.Failure = "failover"
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
	w.begun("b", "south", w.claim("b", 10)...)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(over, "b", "south", "s-3", core.MessageSent)), core.Done)
	w.enter(over)

	vain := w.sentBy("west", "w-1") // took it, and did not get it there
	again := w.receipt(vain, "west", "w-1", core.DeliveryFailed)
	again.Again = true
	w.receive(again, core.Done)
	w.begun("b", "south", w.claim("b", 10)...)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(vain, "b", "south", "s-4", core.MessageSent)), core.Done)
	w.enter(vain)

	w.flying("c", "east") // nobody knows yet
	c := w.newChallenge(core.PurposeLogin, w.newNumber())
	c.Decoy = true
	w.begin(c)
	decoy := w.claim("a", 10)[0]
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(decoy, "a", "north", "", core.MessageWithheld)), core.Done)
	_, notice := w.notify()
	for _, m := range w.claim("d", 10) {
		w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "d", "west", "w-1", core.MessageFailed)), core.Done)
		equal(w, "the one claimed", m.ID, notice.ID)
	}
	equal(w, "routes", w.routes(100), []core.RouteStat{stat("north", 2, 1, 0, 1), stat("south", 4, 3, 1, 1), stat("west", 1, 0, 0, 1)})
}

func routesNewest(w *world) {
	first := w.sentBy("north", "n-1")
	c := do(w, w.store.Challenge, first.ChallengeID)
	w.setClock(c.ResendAt)
	again := w.resend(c)
	again.Message.Country, again.Message.PrefixKey = "DE", "prefix"
	w.outcome(do(w, w.store.ResendChallenge, again).Outcome, core.Done)
	equal(w, "while the second waits", w.routes(100), []core.RouteStat{stat("north", 1, 0, 0, 0)})
	m := w.claim("a", 10)[0]
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "south", "s-1", core.MessageSent)), core.Done)
	w.enter(m)
	equal(w, "routes", w.routes(100), []core.RouteStat{stat("north", 1, 0, 0, 0), stat("south", 1, 1, 0, 0)})
}

func routesBounded(w *world) {
	from := w.now
	for _, provider := range []string{"north", "south", "east"} {
		w.sentBy(provider, "ref")
		w.advance(time.Second)
	}
	equal(w, "the newest two", w.routes(2), []core.RouteStat{stat("east", 1, 0, 0, 0), stat("south", 1, 0, 0, 0)})
	q := core.RouteQuery{Since: from, Until: from.Add(time.Second), Most: 100}
	equal(w, "of the first second", do(w, w.store.Routes, q), []core.RouteStat{stat("north", 1, 0, 0, 0)})
}

func routesErased(w *world) {
	owner := w.account()
	in := w.openChallenge(w.challengeFor(owner, core.PurposeLogin))
	in.Message.PrefixKey = "prefix"
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	for _, m := range w.claim("a", 10) {
		w.begun("a", "north", m)
		w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "n-1", core.MessageSent)), core.Done)
	}
	w.deleted(owner)
	w.counted(owner.Phone.Key) // no attempts, no prefix
	equal(w, "routes", w.routes(100), nil)
	w.receive(w.receipt(in.Message, "north", "n-1", core.DeliveryDelivered), core.NotFound)
	w.receive(w.receipt(core.Message{}, "north", "n-1", core.DeliveryDelivered), core.NotFound)
}
