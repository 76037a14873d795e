package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What RecordReceipt means.
func receipts(f flow) {
	f.shows("a receipt delivers a message", receiptDelivers)
	f.shows("a receipt before the answer stays", receiptBeforeAnswer)
	f.shows("a failure is queued again", receiptAgain)
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
		"message_id": m.ID, "purpose": "signup", "provider": "north", "try": int64(1), "country": "DE",
	})
	equal(w, "its number", e.PhonePseudonym, m.PhoneKey)
	unchanged := w.watch(watched{phone: m.PhoneKey})
	w.receive(in, core.Repeated)
	unchanged()
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

func receiptAgain(w *world) {
	m := w.sentBy("north", "n-1")
	in := w.receipt(m, "north", "", core.DeliveryFailed)
	in.Again, in.RetryAt = true, w.now.Add(2*time.Second)
	got := w.receive(in, core.Done)
	w.holds("it is queued again", got.Requeued && got.Message.State == core.MessageQueued)
	equal(w, "claimed too early", len(w.claim("b", 10)), 0)
	w.advance(2 * time.Second)
	equal(w, "claimed in time", len(w.claim("b", 10)), 1)
}
