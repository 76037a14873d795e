package core_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

var allStates = []core.DeliveryState{
	core.DeliveryAccepted, core.DeliverySent, core.DeliveryUnknown,
	core.DeliveryDelivered, core.DeliveryUndelivered, core.DeliveryFailed, core.DeliveryExpired,
}

var delivering = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// aSent is a message of a challenge that north has taken.
func aSent() core.Standing {
	return core.Standing{
		Message: core.Message{
			ID: "message", ChallengeID: "challenge", Channel: core.ChannelSMS, Purpose: "login", Country: "DE",
			State: core.MessageSent, Tries: 1, ExpiresAt: delivering.Add(time.Minute),
			Attempts: []core.Attempt{{Provider: "north", ProviderRef: "n-1", BeganAt: delivering, EndedAt: delivering}},
		},
		Settled: true, Open: true,
	}
}

func aReceipt(state core.DeliveryState) core.RecordReceipt {
	return core.RecordReceipt{Provider: "north", MessageID: "message", State: state, Now: delivering, RetryAt: delivering}
}

func final(s core.DeliveryState) bool { return slices.Index(allStates, s) >= 3 }

// received takes receipts one after the other.
func received(s core.Standing, states []core.DeliveryState) core.Standing {
	for _, state := range states {
		s = s.Receive(aReceipt(state)).Standing
	}
	return s
}

// Receipts come in any order, and more than once: the end is that of the same ones
// in order, or where there are several ends, the first that came.
func TestReceiptsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom(allStates), 1, 12).Draw(rt, "receipts")
		got := received(aSent(), states)
		sorted := slices.Clone(states)
		slices.SortStableFunc(sorted, func(a, b core.DeliveryState) int {
			return min(slices.Index(allStates, a), 3) - min(slices.Index(allStates, b), 3) // ends are alike
		})
		want := received(aSent(), sorted)
		if got.State != want.State || got.Attempts[0].State() != want.Attempts[0].State() {
			rt.Fatalf("%v ends as %s, %s; sorted as %s, %s", states, got.State, got.Attempts[0].State(), want.State, want.Attempts[0].State())
		}
		first := slices.IndexFunc(states, final)
		switch end := got.Attempts[0].State(); {
		case first < 0 && (end != slices.MaxFunc(states, func(a, b core.DeliveryState) int {
			return slices.Index(allStates, a) - slices.Index(allStates, b)
		}) || got.State != core.MessageSent):
			rt.Fatalf("%v without an end: %s, %s", states, end, got.State)
		case first >= 0 && end != states[first]:
			rt.Fatalf("%v ends as %s", states, end)
		case first >= 0 && (got.State == core.MessageDelivered) != (end == core.DeliveryDelivered):
			rt.Fatalf("%v: the attempt is %s, the message %s", states, end, got.State)
		}
		if n := len(got.Attempts[0].States); n > 4 {
			rt.Fatalf("%d states are kept of %v", n, states)
		}
	})
}

// Whatever receipts come before the answer: the end is that of the same ones behind
// it, but for what is queued again.
func TestAnswerAmongReceipts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom(allStates), 0, 6).Draw(rt, "receipts")
		at := rapid.IntRange(0, len(states)).Draw(rt, "answered at")
		settle := core.SettleMessage{State: core.MessageSent, Provider: "north", ProviderRef: "n-1", Now: delivering}
		flying := aSent()
		flying.State, flying.Settled, flying.Held = core.MessageQueued, false, true
		flying.Attempts[0].EndedAt, flying.Attempts[0].ProviderRef = time.Time{}, ""

		early := received(flying, states[:at])
		early.Held = !early.Settled
		got := received(early.Settle(settle).Standing, states[at:])
		want := received(flying.Settle(settle).Standing, states)
		if diff := cmp.Diff(want.Message, got.Message); diff != "" || got.Settled != want.Settled {
			rt.Fatalf("receipts %v, answered at %d (-behind +among):\n%s", states, at, diff)
		}
	})
}

// What a receipt does to a message, by how that stands.
func TestReceive(t *testing.T) {
	again := func(in *core.RecordReceipt) { in.Again = true }
	delivered := func(in *core.RecordReceipt) { in.State = core.DeliveryDelivered }
	for name, c := range map[string]struct {
		standing func(*core.Standing)
		receipt  func(*core.RecordReceipt)
		outcome  core.Outcome // Done where ""
		state    core.MessageState
		requeued bool
	}{
		"failed":            {state: core.MessageUndelivered},
		"failed, again":     {receipt: again, state: core.MessageQueued, requeued: true},
		"no try is left":    {standing: func(s *core.Standing) { s.Tries = core.MaxSendTries }, receipt: again, state: core.MessageUndelivered},
		"no code is taken":  {standing: func(s *core.Standing) { s.Open = false }, receipt: again, state: core.MessageUndelivered},
		"a notice":          {standing: func(s *core.Standing) { s.ChallengeID = "" }, receipt: again, state: core.MessageUndelivered},
		"it is over":        {standing: func(s *core.Standing) { s.ExpiresAt = delivering }, receipt: again, state: core.MessageUndelivered},
		"over by then":      {receipt: func(in *core.RecordReceipt) { in.Again, in.RetryAt = true, delivering.Add(time.Minute) }, state: core.MessageUndelivered},
		"withheld":          {standing: func(s *core.Standing) { s.State = core.MessageWithheld }, outcome: core.NotFound, state: core.MessageWithheld},
		"expired":           {standing: func(s *core.Standing) { s.State = core.MessageExpired }, receipt: again, state: core.MessageExpired},
		"expired, arrived":  {standing: func(s *core.Standing) { s.State = core.MessageExpired }, receipt: delivered, state: core.MessageDelivered},
		"gave up":           {standing: func(s *core.Standing) { s.State = core.MessageFailed }, receipt: again, state: core.MessageFailed},
		"another provider":  {receipt: func(in *core.RecordReceipt) { in.Provider = "south" }, outcome: core.NotFound, state: core.MessageSent},
		"another reference": {receipt: func(in *core.RecordReceipt) { in.ProviderRef = "n-2" }, outcome: core.NotFound, state: core.MessageSent},
		"no state at all":   {receipt: func(in *core.RecordReceipt) { in.State = "cooked" }, outcome: core.Repeated, state: core.MessageSent},
		"waits for another try": {
			standing: func(s *core.Standing) {
				s.State, s.Settled, s.Attempts[0].Failure = core.MessageQueued, false, "ambiguous"
			},
			state: core.MessageUndelivered,
		},
		"claimed for another try": {
			standing: func(s *core.Standing) {
				s.State, s.Settled, s.Held, s.Attempts[0].Failure = core.MessageQueued, false, true, "ambiguous"
			},
			receipt: again, state: core.MessageQueued,
		},
		"an older try failed": {standing: another, receipt: again, state: core.MessageSent},
		"an older try arrived": {
			standing: another, receipt: delivered, state: core.MessageDelivered,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, in := aSent(), aReceipt(core.DeliveryFailed)
			if c.standing != nil {
				c.standing(&s)
			}
			if c.receipt != nil {
				c.receipt(&in)
			}
			got := s.Receive(in)
			want := c.outcome
			if want == "" {
				want = core.Done
			}
			if got.Outcome != want || got.State != c.state || got.Requeued != c.requeued {
				t.Errorf("got %s, %s, queued again: %t", got.Outcome, got.State, got.Requeued)
			}
			if inQueue := got.State == core.MessageQueued; want == core.Done && got.Settled == inQueue {
				t.Errorf("%s and settled: %t", got.State, got.Settled)
			}
		})
	}
}

// another adds an attempt by south.
func another(s *core.Standing) {
	s.Attempts = append(s.Attempts, core.Attempt{Provider: "south", BeganAt: delivering, EndedAt: delivering})
}

// By the provider's reference the attempt is found that has it, though another by
// the same provider is newer; one whose reference is not known gets it.
func TestReceiptFindsItsAttempt(t *testing.T) {
	s := aSent()
	s.Attempts = append(s.Attempts, core.Attempt{Provider: "north", BeganAt: delivering}, core.Attempt{Provider: "south", BeganAt: delivering})
	for ref, at := range map[string]int{"n-1": 0, "n-2": 1, "": 1} {
		in := aReceipt(core.DeliverySent)
		in.ProviderRef = ref
		got := s.Receive(in)
		for i, a := range got.Attempts {
			if moved := len(a.States) > 0; moved != (i == at) || moved && ref != "" && a.ProviderRef != ref {
				t.Errorf("a receipt of %q: attempt %d is %+v", ref, i, a)
			}
		}
	}
}

// What a receipt is told with; what the flow has said itself stays.
func TestReceiptEvent(t *testing.T) {
	in := aReceipt(core.DeliveryFailed)
	in.OnFailed = event.Event{ID: "event", RequestID: "receipt", Attributes: event.Attributes{"code": "30005", "try": int64(7)}}
	in.Again = true
	want := event.Event{ID: "event", Method: "sms", RequestID: "receipt", Attributes: event.Attributes{
		"code": "30005", "try": int64(7), "message_id": "message", "purpose": "login", "provider": "north", "country": "DE", "will_retry": true,
	}}
	if diff := cmp.Diff(want, aSent().Receive(in).Event(in)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, state := range []core.DeliveryState{core.DeliveryAccepted, core.DeliverySent, core.DeliveryUnknown} {
		in.State = state
		if e := aSent().Receive(in).Event(in); e.ID != "" {
			t.Errorf("%s is told: %+v", state, e)
		}
	}
}

// What is counted of an attempt is what its claim reserved, then what it cost by
// its answer, then by its receipt; each is put in place of the one before.
func TestCostOfAnAttempt(t *testing.T) {
	amount := func(m core.Money) *core.Money { return &m }
	flying := aSent()
	flying.State, flying.Settled, flying.Held, flying.Reserved, flying.ReservedAt = core.MessageQueued, false, true, 10, delivering
	flying.Attempts[0].EndedAt = time.Time{}
	settle := core.SettleMessage{State: core.MessageSent, Provider: "north", Cost: amount(12), Now: delivering}
	receipt := aReceipt(core.DeliveryDelivered)
	receipt.Cost = amount(15)
	correction := func(what string, got core.Moved, want core.Correction) {
		t.Helper()
		if got.Correction != want {
			t.Errorf("%s: %+v, want %+v", what, got.Correction, want)
		}
	}
	settled := flying.Settle(settle)
	correction("settled", settled, core.Correction{From: 10, To: 12, At: delivering})
	correction("told then", settled.Receive(receipt).Moved, core.Correction{From: 12, To: 15, At: delivering})
	correction("told again", settled.Receive(receipt).Receive(receipt).Moved, core.Correction{})
	early := flying.Receive(receipt)
	correction("told before", early.Moved, core.Correction{From: 10, To: 15, At: delivering})
	correction("settled then", early.Settle(settle), core.Correction{})
	silent := receipt
	silent.Cost = nil
	refused := settle
	refused.State, refused.Failure, refused.Cost = core.MessageQueued, "retry", amount(0)
	correction("refused, and yet it arrived", flying.Receive(silent).Settle(refused), core.Correction{})
	correction("refused", flying.Settle(refused), core.Correction{From: 10, At: delivering})
	lost := flying
	lost.Held = false // whose reservation has been another's since
	correction("told of one that was lost", lost.Receive(receipt).Moved, core.Correction{})
}
