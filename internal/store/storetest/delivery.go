package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What BeginAttempts and what SettleMessage says of attempts mean, and what a claim
// tells of them. Receipts have a file of their own.
func deliveries(f flow) {
	f.shows("begins and ends an attempt", attemptEnds)
	f.shows("C60 a withheld one is begun and settled with the same words", attemptWithheld)
	f.shows("an attempt is begun by the holder alone", attemptNotHolder)
	f.shows("a claim after a crash shows what was begun", attemptLost)
	f.shows("a claim tells by whom the challenge went before", attemptsBefore)
	f.shows("an attempt that nobody began is kept all the same", attemptNotBegun)
	receipts(f)
}

// sending opens a challenge of a message with a price, and has it claimed and begun.
func (w *world) flying(holder, provider string) core.Message {
	w.t.Helper()
	in := w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))
	in.Message.Price, in.Message.Country, in.Message.PrefixKey = 10, "DE", "prefix"
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	w.begun(holder, provider, w.claim(holder, 10)...)
	w.events()
	return in.Message
}

// begun begins an attempt of each.
func (w *world) begun(holder, provider string, of ...core.Message) {
	w.t.Helper()
	in := core.BeginAttempts{Holder: holder, Now: w.now}
	for _, m := range of {
		in.Attempts = append(in.Attempts, core.BeginAttempt{MessageID: m.ID, Provider: provider, Why: "by the list"})
	}
	if err := w.store.BeginAttempts(w.ctx, in); err != nil {
		w.t.Fatalf("beginning attempts: %v", err)
	}
}

// attempts are those of a message, as it stands.
func (w *world) attempts(m core.Message) []core.Attempt {
	w.t.Helper()
	return w.message(m.PhoneKey, m.ID).Attempts
}

// settleBy is settle by a provider.
func (w *world) settleBy(m core.Message, holder, provider, ref string, state core.MessageState) core.SettleMessage {
	in := w.settle(m, holder, state)
	in.Provider, in.ProviderRef, in.RetryAt = provider, ref, w.now
	return in
}

func attemptEnds(w *world) {
	m := w.flying("a", "north")
	began := w.now
	equal(w, "begun", w.attempts(m), []core.Attempt{{Provider: "north", Why: "by the list", BeganAt: began}})
	w.advance(time.Second)
	in := w.settleBy(m, "a", "north", "", core.MessageQueued)
	in.Failure, in.Code, in.Cost = "failover", "21610", money(0)
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
	first := core.Attempt{
		Provider: "north", Why: "by the list", BeganAt: began, EndedAt: w.now, Failure: "failover", Code: "21610", CostAt: began,
	}
	equal(w, "ended", w.attempts(m), []core.Attempt{first})

	claimed := w.claim("b", 10)
	equal(w, "claimed again", claimed[0].Attempts, []core.Attempt{first})
	equal(w, "before, which its own tries are not", claimed[0].Before, nil)
	again := w.now
	w.begun("b", "south", m)
	w.advance(time.Second)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "b", "south", "s-1", core.MessageSent)), core.Done)
	second := core.Attempt{
		Provider: "south", Why: "by the list", BeganAt: again, EndedAt: w.now, ProviderRef: "s-1", Cost: 10, CostAt: again,
	}
	stored := w.message(m.PhoneKey, m.ID)
	equal(w, "both", stored.Attempts, []core.Attempt{first, second})
	equal(w, "state", stored.State, core.MessageSent)
	equal(w, "prefix", stored.PrefixKey, "prefix")
}

func attemptWithheld(w *world) {
	c := w.newChallenge(core.PurposeLogin, w.newNumber())
	c.Decoy = true
	w.begin(c)
	m := w.claim("a", 10)[0]
	w.begun("a", "north", m)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "", core.MessageWithheld)), core.Done)
	want := []core.Attempt{{Provider: "north", Why: "by the list", BeganAt: w.now, EndedAt: w.now, CostAt: w.now}}
	stored := w.message(m.PhoneKey, m.ID)
	equal(w, "attempts", stored.Attempts, want)
	equal(w, "state", stored.State, core.MessageWithheld)
}

func attemptNotHolder(w *world) {
	m := w.flying("a", "north")
	w.advance(time.Minute)
	w.claim("b", 10)
	unchanged := w.watch(watched{phone: m.PhoneKey})
	w.begun("a", "south", m)
	w.begun("c", "south", m)
	w.begun("", "south", m)
	unchanged()
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "b", "north", "n-1", core.MessageSent)), core.Done)
	unchanged = w.watch(watched{phone: m.PhoneKey})
	w.begun("b", "south", m) // settled
	unchanged()

	m = w.flying("c", "north")
	w.advance(time.Minute)
	w.claim("d", 10)
	w.receive(w.receipt(m, "north", "n-2", core.DeliveryDelivered), core.Done)
	unchanged = w.watch(watched{phone: m.PhoneKey})
	w.begun("d", "south", m) // settled by its receipt
	unchanged()
}

func attemptLost(w *world) {
	m := w.flying("a", "north")
	w.advance(time.Minute)
	claimed := w.claim("b", 10)
	equal(w, "claimed", len(claimed), 1)
	equal(w, "attempts", claimed[0].Attempts, []core.Attempt{{Provider: "north", Why: "by the list", BeganAt: m.CreatedAt}})
	w.holds("it is lost", claimed[0].Attempts[0].Lost())
	w.begun("b", "north", m)
	w.advance(time.Second)
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "b", "north", "n-1", core.MessageSent)), core.Done)
	left := w.attempts(m)
	equal(w, "how many", len(left), 2)
	w.holds("the first stays without an end", left[0].EndedAt.IsZero() && left[0].ProviderRef == "")
	w.holds("the second has ended", left[1].EndedAt.Equal(w.now) && left[1].ProviderRef == "n-1")
}

func attemptsBefore(w *world) {
	c := w.newChallenge(core.PurposeSignup, w.newNumber())
	w.begin(c)
	for i, each := range []struct {
		provider string
		before   []string
	}{
		{"north", nil}, {"south", []string{"north"}}, {"north", []string{"north", "south"}}, {"east", []string{"north", "south"}},
	} {
		if i > 0 {
			c = do(w, w.store.Challenge, c.ID)
			w.setClock(c.ResendAt)
			w.outcome(do(w, w.store.ResendChallenge, w.resend(c)).Outcome, core.Done)
		}
		m := w.claim("a", 10)[0]
		equal(w, "before", m.Before, each.before)
		w.begun("a", each.provider, m)
		w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", each.provider, "", core.MessageSent)), core.Done)
	}
	other := w.beginSignup(w.newNumber())
	m := w.claim("a", 10)[0]
	equal(w, "before, of another challenge", m.Before, nil)
	w.begun("a", "north", m) // and there it hangs
	other = do(w, w.store.Challenge, other.ID)
	w.setClock(other.ResendAt)
	again := w.resend(other)
	w.outcome(do(w, w.store.ResendChallenge, again).Outcome, core.Done)
	for _, each := range w.claim("a", 10) {
		if each.ID == again.Message.ID {
			equal(w, "before, of one whose answer never came", each.Before, []string{"north"})
			return
		}
	}
	w.t.Fatalf("the resend was not claimed")
}

func attemptNotBegun(w *world) {
	w.beginSignup(w.newNumber())
	m := w.claim("a", 10)[0]
	w.outcome(do(w, w.store.SettleMessage, w.settleBy(m, "a", "north", "n-1", core.MessageSent)), core.Done)
	want := []core.Attempt{{Provider: "north", BeganAt: w.now, EndedAt: w.now, ProviderRef: "n-1", CostAt: w.now}}
	equal(w, "attempts", w.attempts(m), want)

	w.beginSignup(w.newNumber())
	m = w.claim("a", 10)[0]
	in := w.settleBy(m, "a", "", "", core.MessageFailed)
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
	equal(w, "attempts, where nobody was asked", w.attempts(m), nil)
	equal(w, "state", w.message(m.PhoneKey, m.ID).State, core.MessageFailed)
}

// receipt is a provider's word on a message, found by its id.
func (w *world) receipt(m core.Message, provider, ref string, state core.DeliveryState) core.RecordReceipt {
	return core.RecordReceipt{
		Provider: provider, MessageID: m.ID, ProviderRef: ref, State: state, At: w.now, Now: w.now, RetryAt: w.now,
		OnDelivered: w.newEvent(event.SMSSent), OnFailed: w.newEvent(event.SMSSendFailed),
	}
}

// receive records a receipt, and fails the test where it ends otherwise.
func (w *world) receive(in core.RecordReceipt, want core.Outcome) core.RecordReceiptResult {
	w.t.Helper()
	got := do(w, w.store.RecordReceipt, in)
	w.outcome(got.Outcome, want)
	return got
}
