package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What RecordReceipt means.
func receipts(f flow) {
	f.shows("a receipt delivers a message", receiptDelivers)
	f.shows("receipts in any order", receiptOrders)
	f.shows("receipts of what did not go that way", receiptElsewhere)
	f.shows("a receipt before the answer stays", receiptBeforeAnswer)
	f.shows("a receipt of what waits for another try", receiptWhileWaiting)
	f.shows("a late receipt of an older try", receiptLate)
	f.shows("a failure is queued again", receiptAgain)
	f.shows("a failure before the answer is queued again once", receiptAgainBeforeAnswer)
	f.shows("what is not queued again", receiptNeverAgain)
	f.shows("C47 a receipt corrects what was spent", receiptCosts)
	f.shows("100 receipts and an answer", raceReceipts)
	f.shows("a receipt and a redemption", raceReceiptRedeemed)
}

// sentBy is flying whose provider has taken it.
func (w *world) sentBy(provider, ref string) core.Message {
	w.t.Helper()
	m := w.flying("a", provider)
	in := w.settleBy(m, "a", provider, ref, core.MessageSent)
	in.Event = event.Event{}
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
	return m
}

func receiptDelivers(w *world) {
	m := w.sentBy("north", "n-1")
	w.advance(time.Second)
	in := w.receipt(m, "north", "n-1", core.DeliveryDelivered)
	in.MessageID = "" // the provider knows its own alone
	got := w.receive(in, core.Done)
	stored := w.message(m.PhoneKey, m.ID)
	equal(w, "state", stored.State, core.MessageDelivered)
	equal(w, "states", stored.Attempts[0].States, []core.AttemptState{{State: core.DeliveryDelivered, At: w.now}})
	equal(w, "what is told", got, core.RecordReceiptResult{Outcome: core.Done, Message: stored})
	e := w.wrote(event.SMSSent)[event.SMSSent]
	equal(w, "the event", e.Attributes, event.Attributes{
		"message_id": m.ID, "purpose": "signup", "provider": "north", "try": int64(1), "country": "DE", "took_ms": int64(1000),
	})
	equal(w, "its number", e.PhonePseudonym, m.PhoneKey)
	unchanged := w.watch(watched{phone: m.PhoneKey})
	w.receive(in, core.Repeated)
	unchanged()
}

func receiptOrders(w *world) {
	const (
		accepted, sent, unknown = core.DeliveryAccepted, core.DeliverySent, core.DeliveryUnknown
		delivered, undelivered  = core.DeliveryDelivered, core.DeliveryUndelivered
	)
	for _, c := range []struct {
		come, kept []core.DeliveryState
		state      core.MessageState
	}{
		{[]core.DeliveryState{accepted, sent, delivered}, []core.DeliveryState{accepted, sent, delivered}, core.MessageDelivered},
		{[]core.DeliveryState{delivered, sent, accepted}, []core.DeliveryState{delivered}, core.MessageDelivered},
		{[]core.DeliveryState{sent, sent, accepted, sent}, []core.DeliveryState{sent}, core.MessageSent},
		{[]core.DeliveryState{sent, unknown, sent}, []core.DeliveryState{sent, unknown}, core.MessageSent},
		{[]core.DeliveryState{unknown, delivered, unknown}, []core.DeliveryState{unknown, delivered}, core.MessageDelivered},
		{[]core.DeliveryState{undelivered, delivered}, []core.DeliveryState{undelivered}, core.MessageUndelivered},
		{[]core.DeliveryState{delivered, undelivered}, []core.DeliveryState{delivered}, core.MessageDelivered},
		{[]core.DeliveryState{core.DeliveryExpired, sent}, []core.DeliveryState{core.DeliveryExpired}, core.MessageUndelivered},
	} {
		m := w.sentBy("north", "n-1")
		var kept []core.DeliveryState
		for _, state := range c.come {
			want := core.Repeated
			if len(kept) < len(c.kept) && state == c.kept[len(kept)] {
				kept, want = append(kept, state), core.Done
			}
			in := w.receipt(m, "north", "n-1", state)
			in.Code = "code of " + string(state)
			w.receive(in, want)
		}
		stored := w.message(m.PhoneKey, m.ID)
		equal(w, "state", stored.State, c.state)
		var got []core.DeliveryState
		for _, each := range stored.Attempts[0].States {
			equal(w, "code", each.Code, "code of "+string(each.State))
			got = append(got, each.State)
		}
		equal(w, "kept", got, c.kept)
	}
}

func receiptElsewhere(w *world) {
	m := w.sentBy("north", "n-1")
	other := w.sentBy("south", "n-1") // numbers its own alike
	unchanged := w.watch(watched{phone: m.PhoneKey})
	w.receive(w.receipt(m, "south", "n-1", core.DeliveryDelivered), core.NotFound)
	w.receive(w.receipt(m, "north", "n-2", core.DeliveryDelivered), core.NotFound)
	w.receive(w.receipt(core.Message{ID: w.id()}, "north", "n-1", core.DeliveryDelivered), core.NotFound)
	w.receive(w.receipt(core.Message{}, "north", "n-2", core.DeliveryDelivered), core.NotFound)
	w.receive(w.receipt(core.Message{}, "east", "n-1", core.DeliveryDelivered), core.NotFound)
	w.receive(w.receipt(core.Message{}, "north", "", core.DeliveryDelivered), core.NotFound)
	unchanged()
	w.receive(w.receipt(core.Message{}, "south", "n-1", core.DeliveryDelivered), core.Done)
	equal(w, "the other one", w.message(other.PhoneKey, other.ID).State, core.MessageDelivered)
	w.receive(w.receipt(core.Message{}, "north", "n-1", core.DeliveryDelivered), core.Done)
	equal(w, "the older of the two", w.message(m.PhoneKey, m.ID).State, core.MessageDelivered)

	c := w.newChallenge(core.PurposeLogin, w.newNumber())
	c.Decoy = true
	w.begin(c)
	decoy := w.claim("a", 10)[0]
	w.begun("a", "north", decoy)
	w.receive(w.receipt(decoy, "north", "", core.DeliveryDelivered), core.NotFound)
}

func receiptBeforeAnswer(w *world) {
	m := w.flying("a", "north")
	w.receive(w.receipt(m, "north", "n-1", core.DeliveryDelivered), core.Done)
	equal(w, "state", w.message(m.PhoneKey, m.ID).State, core.MessageDelivered)
	in := w.settleBy(m, "a", "north", "", core.MessageQueued)
	in.Failure = "ambiguous"
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
	stored := w.message(m.PhoneKey, m.ID)
	equal(w, "state once settled", stored.State, core.MessageDelivered)
	equal(w, "reference", stored.Attempts[0].ProviderRef, "n-1")
	w.advance(time.Minute)
	equal(w, "claimed again", len(w.claim("b", 10)), 0)
}

func receiptWhileWaiting(w *world) {
	m := w.flying("a", "north")
	in := w.settleBy(m, "a", "north", "", core.MessageQueued)
	in.Failure = "ambiguous"
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
	w.receive(w.receipt(m, "north", "n-1", core.DeliveryDelivered), core.Done)
	stored := w.message(m.PhoneKey, m.ID)
	equal(w, "state", stored.State, core.MessageDelivered)
	equal(w, "reference", stored.Attempts[0].ProviderRef, "n-1")
	equal(w, "claimed", len(w.claim("b", 10)), 0)
	equal(w, "queued", w.queues().Messages, int64(0))

	owner, notice := w.notify()
	claimed := w.claim("a", 10)
	w.begun("a", "north", claimed...)
	w.receive(w.receipt(notice, "north", "n-2", core.DeliveryDelivered), core.Done)
	equal(w, "text", len(w.message(owner.Phone.Key, notice.ID).Sealed), 0)
	w.advance(time.Minute)
	equal(w, "claimed after a crash", len(w.claim("b", 10)), 0)
}

func receiptLate(w *world) {
	for _, c := range []struct {
		told core.DeliveryState
		ends core.MessageState
	}{{core.DeliverySent, core.MessageSent}, {core.DeliveryFailed, core.MessageSent}, {core.DeliveryDelivered, core.MessageDelivered}} {
		m := w.flying("a", "north")
		in := w.settleBy(m, "a", "north", "n-1", core.MessageQueued)
		in.ProviderRef, in.Failure = "n-1", "ambiguous"
		w.outcome(do(w, w.store.SettleMessage, in), core.Done)
		w.begun("b", "south", w.claim("b", 10)...)
		w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "b", "south", "s-1", core.MessageSent)), core.Done)
		late := w.receipt(m, "north", "n-1", c.told)
		late.Again = true
		got := w.receive(late, core.Done)
		w.holds("it is not queued again", !got.Requeued)
		stored := w.message(m.PhoneKey, m.ID)
		equal(w, "state", stored.State, c.ends)
		equal(w, "the older", stored.Attempts[0].State(), c.told)
		equal(w, "the newest", stored.Attempts[1].State(), "")
	}
}

func receiptAgain(w *world) {
	m := w.sentBy("north", "n-1")
	in := w.receipt(m, "north", "", core.DeliveryFailed)
	in.Again, in.RetryAt = true, w.now.Add(2*time.Second)
	got := w.receive(in, core.Done)
	w.holds("it is queued again", got.Requeued && got.Message.State == core.MessageQueued)
	equal(w, "claimed too early", len(w.claim("b", 10)), 0)
	equal(w, "what the event says", w.wrote(event.SMSSendFailed)[event.SMSSendFailed].Attributes["will_retry"], any(true))
	w.advance(2 * time.Second)
	claimed := w.claim("b", 10)
	equal(w, "claimed in time", len(claimed), 1)
	equal(w, "text", claimed[0].Sealed, []byte("sealed text"))
	w.begun("b", "south", claimed...)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "b", "south", "s-1", core.MessageSent)), core.Done)
	failed := w.receipt(m, "south", "s-1", core.DeliveryUndelivered)
	w.receive(failed, core.Done)
	equal(w, "state in the end", w.message(m.PhoneKey, m.ID).State, core.MessageUndelivered)
	equal(w, "claimed after that", len(w.claim("c", 10)), 0)
}

func receiptAgainBeforeAnswer(w *world) {
	m := w.flying("a", "north")
	in := w.receipt(m, "north", "n-1", core.DeliveryFailed)
	in.Again, in.RetryAt = true, w.now.Add(2*time.Second)
	w.holds("it is queued again", w.receive(in, core.Done).Requeued)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "n-1", core.MessageSent)), core.Done)
	stored := w.message(m.PhoneKey, m.ID)
	equal(w, "state", stored.State, core.MessageQueued)
	w.holds("the attempt has ended", !stored.Attempts[0].EndedAt.IsZero())
	equal(w, "claimed too early", len(w.claim("b", 10)), 0)
	w.advance(2 * time.Second)
	equal(w, "claimed in time", len(w.claim("b", 10)), 1)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "n-1", core.MessageSent)), core.NotHolder)

	m = w.flying("a", "north")
	w.receive(w.receipt(m, "north", "n-2", core.DeliveryFailed), core.Done)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "n-2", core.MessageSent)), core.Done)
	equal(w, "state without another try", w.message(m.PhoneKey, m.ID).State, core.MessageUndelivered)
}

func receiptNeverAgain(w *world) {
	undelivered := func(what string, m core.Message, ref string) {
		w.t.Helper()
		in := w.receipt(m, "north", ref, core.DeliveryFailed)
		in.Again = true
		w.holds(what+" is not queued again", !w.receive(in, core.Done).Requeued)
		equal(w, "state of "+what, w.message(m.PhoneKey, m.ID).State, core.MessageUndelivered)
		equal(w, "claimed", len(w.claim("z", 10)), 0)
	}
	owner, notice := w.notify()
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(w.claim("a", 10)[0], "a", "north", "n-1", core.MessageSent)), core.Done)
	undelivered("a notice", notice, "n-1")

	c := w.beginFor(owner, core.PurposeLogin)
	m := w.claim("a", 10)[0]
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "n-2", core.MessageSent)), core.Done)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(c)).Outcome, core.Done)
	undelivered("one whose code was entered", m, "n-2")

	last := w.newChallenge(core.PurposeSignup, w.newNumber())
	last.ResendAt = time.Time{}
	w.begin(last)
	m = w.claim("a", 10)[0]
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "n-3", core.MessageSent)), core.Done)
	undelivered("one without a text", m, "n-3")

	late := w.sentBy("north", "n-4")
	w.setClock(late.ExpiresAt)
	undelivered("one that is over", late, "n-4")
}

func receiptCosts(w *world) {
	m := w.sentBy("north", "n-1")
	w.spending(spentNow("", 10), spentNow("DE", 10))
	in := w.receipt(m, "north", "n-1", core.DeliveryDelivered)
	in.Cost = money(14)
	w.receive(in, core.Done)
	w.spending(spentNow("", 14), spentNow("DE", 14))
	w.receive(in, core.Repeated)
	w.spending(spentNow("", 14), spentNow("DE", 14))

	m = w.flying("a", "north") // whose receipt comes first
	in = w.receipt(m, "north", "n-2", core.DeliveryDelivered)
	in.Cost = money(1)
	w.receive(in, core.Done)
	settle := w.settleBy(m, "a", "north", "", core.MessageQueued)
	settle.Failure, settle.Cost = "retry", money(0)
	w.outcome(do(w, w.store.SettleMessage, settle), core.Done)
	w.spending(spentNow("", 15), spentNow("DE", 15))
}

func raceReceipts(w *world) {
	m := w.flying("a", "north")
	states := []core.DeliveryState{core.DeliveryAccepted, core.DeliverySent, core.DeliveryUnknown, core.DeliveryDelivered}
	ins := many(100, func(i int) core.RecordReceipt {
		in := w.receipt(m, "north", "n-1", states[i%4])
		in.Cost = money(13)
		return in
	})
	settle := w.settleBy(m, "a", "north", "n-1", core.MessageQueued)
	settle.Failure, settle.ProviderRef = "ambiguous", ""
	moved := make([]bool, len(ins))
	atOnce(len(ins)+1, func(i int) {
		if i == len(ins) {
			if got, err := w.store.SettleMessage(w.ctx, settle); err != nil || got != core.Done {
				w.t.Errorf("settling: %q, %v", got, err)
			}
			return
		}
		got, err := w.store.RecordReceipt(w.ctx, ins[i])
		if err != nil {
			w.t.Errorf("recording a receipt: %v", err)
		}
		moved[i] = got.Outcome == core.Done
	})
	stored := w.message(m.PhoneKey, m.ID)
	equal(w, "state", stored.State, core.MessageDelivered)
	equal(w, "attempts", len(stored.Attempts), 1)
	kept := stored.Attempts[0].States
	equal(w, "the last state", kept[len(kept)-1].State, core.DeliveryDelivered)
	equal(w, "receipts that moved it", tally(moved, func(b bool) bool { return b })[true], len(kept))
	w.spending(spentNow("", 13), spentNow("DE", 13))
	w.wrote(event.SMSSent, event.SMSSent) // one of the delivery, one of the settling
	w.advance(time.Minute)
	equal(w, "claimed", len(w.claim("b", 10)), 0)
}

func raceReceiptRedeemed(w *world) {
	for range 8 {
		c := w.beginSignup(w.newNumber())
		m := w.claim("a", 10)[0]
		w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "n-1", core.MessageSent)), core.Done)
		redeem, in := w.redeemSignup(c), w.receipt(m, "north", "", core.DeliveryFailed)
		in.Again = true
		var got core.RecordReceiptResult
		atOnce(2, func(i int) {
			var err error
			if i == 0 {
				_, err = w.store.RedeemSignup(w.ctx, redeem)
			} else {
				got, err = w.store.RecordReceipt(w.ctx, in)
			}
			if err != nil {
				w.t.Errorf("racing: %v", err)
			}
		})
		w.outcome(got.Outcome, core.Done)
		equal(w, "claimed once it is redeemed", len(w.claim("b", 10)), 0)
		w.holds("the receipt that came first queued it, the later one did not",
			got.Requeued == (w.message(m.PhoneKey, m.ID).State == core.MessageExpired))
	}
}
