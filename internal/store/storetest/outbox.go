package storetest

import (
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What ClaimMessages, SettleMessage and Messages mean.
func messages(f flow) {
	f.shows("claims the queued with the challenge's text", claimQueued)
	f.shows("claims the oldest first, so many", claimOldest)
	f.shows("holds a claim for exactly its lease", claimLease)
	f.shows("settles what was sent and drops its text", settleSent)
	f.shows("settles what failed", settleFailed)
	f.shows("queues again for exactly its time", settleQueued)
	f.shows("C51 fails after three tries", claimTries)
	f.shows("C51 expires at the challenge's end", claimExpired)
	f.shows("C51 expires with a challenge that has ended", claimEnded)
	f.shows("C61 withheld ones expire untold", claimWithheld)
	f.shows("settles for the holder only", settleNotHolder)
	f.shows("lists a number's messages", listMessages)
	f.shows("hints that something was queued", hintQueued)
}

// claim leases up to so many messages for a minute.
func (w *world) claim(holder string, limit int) []core.Message {
	w.t.Helper()
	claim := core.Claim{Holder: holder, Limit: limit, Lease: time.Minute, Now: w.now}
	return do(w, w.store.ClaimMessages, core.ClaimMessages{Claim: claim}).Messages
}

// message finds one of a number's messages.
func (w *world) message(phoneKey, id string) core.Message {
	w.t.Helper()
	for _, each := range w.messagesOf(phoneKey) {
		if each.ID == id {
			return each
		}
	}
	w.t.Fatalf("the number has no message %s", id)
	return core.Message{}
}

// settle is the input by which a holder tells what became of a message.
func (w *world) settle(m core.Message, holder string, state core.MessageState) core.SettleMessage {
	in := core.SettleMessage{
		ID: m.ID, Holder: holder, State: state, Provider: "provider", ProviderRef: "reference",
		Now: w.now, Event: w.newEvent(event.SMSSent),
	}
	switch state {
	case core.MessageQueued:
		in.ProviderRef, in.Failure = "", "retry"
	case core.MessageFailed:
		in.ProviderRef, in.Failure = "", "final"
	}
	return in
}

// notify queues a notice for the owner of a new account, alone in the outbox.
func (w *world) notify() (account, core.Message) {
	w.t.Helper()
	owner := w.account()
	in := w.redeemReset(w.beginFor(owner, core.PurposePasswordReset))
	w.outcome(do(w, w.store.RedeemReset, in).Outcome, core.Done)
	w.events()
	return owner, in.Notice
}

func claimQueued(w *world) {
	c := w.newChallenge(core.PurposeSignup, w.newNumber())
	in := w.openChallenge(c)
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	claimed := w.claim("a", 10)
	want := in.Message
	want.Sealed, want.SealedFor, want.Tries = c.Sealed, c.ID, 1
	equal(w, "claimed", claimed, []core.Message{want})
	equal(w, "tries kept", w.message(c.Phone.Key, want.ID).Tries, 1)
}

func claimOldest(w *world) {
	var want []string
	for range 5 {
		w.advance(time.Second)
		in := w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))
		w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
		want = append(want, in.Message.ID)
	}
	var got []string
	for _, size := range []int{2, 2, 1, 0} {
		claimed := w.claim("a", 2)
		equal(w, "claimed", len(claimed), size)
		for _, m := range claimed {
			got = append(got, m.ID)
		}
	}
	equal(w, "the order", got, want)
}

func claimLease(w *world) {
	w.beginSignup(w.newNumber())
	equal(w, "claimed by a", len(w.claim("a", 10)), 1)
	w.advance(time.Minute - time.Millisecond)
	equal(w, "claimed by b during the lease", len(w.claim("b", 10)), 0)
	w.advance(time.Millisecond)
	claimed := w.claim("b", 10)
	equal(w, "claimed by b after it", len(claimed), 1)
	equal(w, "tries", claimed[0].Tries, 2)
}

func settleSent(w *world) {
	owner, notice := w.notify()
	claimed := w.claim("a", 10)
	equal(w, "claimed", len(claimed), 1)
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed[0], "a", core.MessageSent)), core.Done)
	stored := w.message(owner.Phone.Key, notice.ID)
	equal(w, "state", stored.State, core.MessageSent)
	equal(w, "text", len(stored.Sealed), 0)
	w.wrote(event.SMSSent)
	w.advance(time.Hour - time.Second)
	equal(w, "claimed again", len(w.claim("b", 10)), 0)

	c := w.beginSignup(w.newNumber())
	claimed = w.claim("a", 10)
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed[0], "a", core.MessageSent)), core.Done)
	equal(w, "the challenge keeps its text for a resend", do(w, w.store.Challenge, c.ID), c)
}

func settleFailed(w *world) {
	owner, notice := w.notify()
	in := w.settle(w.claim("a", 10)[0], "a", core.MessageFailed)
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
	stored := w.message(owner.Phone.Key, notice.ID)
	equal(w, "state", stored.State, core.MessageFailed)
	equal(w, "text", len(stored.Sealed), 0)
	w.advance(10 * time.Minute)
	equal(w, "claimed again", len(w.claim("b", 10)), 0)
}

func settleQueued(w *world) {
	owner, notice := w.notify()
	in := w.settle(w.claim("a", 10)[0], "a", core.MessageQueued)
	in.RetryAt = w.now.Add(5 * time.Second)
	w.outcome(do(w, w.store.SettleMessage, in), core.Done)
	stored := w.message(owner.Phone.Key, notice.ID)
	equal(w, "state", stored.State, core.MessageQueued)
	equal(w, "tries", stored.Tries, 1)
	w.advance(5*time.Second - time.Millisecond)
	equal(w, "claimed too early", len(w.claim("b", 10)), 0)
	w.advance(time.Millisecond)
	claimed := w.claim("b", 10)
	equal(w, "claimed in time", len(claimed), 1)
	equal(w, "text", claimed[0].Sealed, notice.Sealed)
	equal(w, "tries", claimed[0].Tries, 2)
}

func claimTries(w *world) {
	c := w.beginSignup(w.newNumber())
	for n := 1; n <= core.MaxSendTries; n++ {
		claimed := w.claim("a", 10)
		equal(w, fmt.Sprintf("claimed, try %d", n), len(claimed), 1)
		equal(w, "tries", claimed[0].Tries, n)
		in := w.settle(claimed[0], "a", core.MessageQueued)
		in.RetryAt = w.now.Add(time.Second)
		w.outcome(do(w, w.store.SettleMessage, in), core.Done)
		w.advance(time.Second)
	}
	w.givenUp(core.MessageFailed, w.messagesOf(c.Phone.Key)[0])
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(c)).Outcome, core.Done) // it may have arrived
}

func claimExpired(w *world) {
	c := w.beginSignup(w.newNumber())
	w.setClock(c.ExpiresAt.Add(-time.Millisecond))
	equal(w, "claimed in time", len(w.claim("a", 10)), 1)

	late := w.beginSignup(w.newNumber())
	w.setClock(late.ExpiresAt)
	w.givenUp(core.MessageExpired, w.messagesOf(c.Phone.Key)[0], w.messagesOf(late.Phone.Key)[0])

	owner, notice := w.notify()
	w.setClock(notice.ExpiresAt.Add(time.Millisecond))
	notice.Sealed, notice.State = nil, core.MessageExpired
	given := do(w, w.store.ClaimMessages, w.claimInput("a", 10, core.Budgets{}))
	w.holds("no notice is claimed past its end", len(given.Messages) == 0)
	equal(w, "what becomes of it", given.GivenUp[len(given.GivenUp)-1], notice)
	stored := w.message(owner.Phone.Key, notice.ID)
	equal(w, "state", stored.State, core.MessageExpired)
	equal(w, "text", len(stored.Sealed), 0)
}

// givenUp claims, and fails the test unless these are given up and nothing is
// claimed.
func (w *world) givenUp(state core.MessageState, want ...core.Message) {
	w.t.Helper()
	for i := range want {
		want[i].State = state
	}
	got := do(w, w.store.ClaimMessages, w.claimInput("a", 10, core.Budgets{}))
	equal(w, "what becomes of them", got, core.Claimed{GivenUp: want})
	for _, m := range want {
		equal(w, "the one kept", w.message(m.PhoneKey, m.ID), m)
	}
	equal(w, "given up again", do(w, w.store.ClaimMessages, w.claimInput("b", 10, core.Budgets{})), core.Claimed{})
}

func claimWithheld(w *world) {
	c := w.newChallenge(core.PurposeLogin, w.newNumber())
	c.Decoy = true
	w.begin(c)
	w.setClock(c.ExpiresAt)
	w.givenUp("") // as if it had been nobody's
	equal(w, "state", w.messagesOf(c.Phone.Key)[0].State, core.MessageExpired)
}

func claimEnded(w *world) {
	owner := w.account()
	redeemed, exhausted := w.beginFor(owner, core.PurposeLogin), w.beginFor(owner, core.PurposeLogin)
	voided := w.beginAs(owner, core.PurposePhoneChange, w.newNumber())
	for range core.MaxGuesses {
		w.guessWrong(exhausted)
	}
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(redeemed)).Outcome, core.Done)
	w.outcome(do(w, w.store.EndSessions, w.endSessions(owner, core.ScopeOthers)), core.Done)
	equal(w, "claimed", len(w.claim("a", 10)), 0)
	for _, phone := range []core.SealedPhone{owner.Phone, voided.Phone} {
		for _, m := range w.messagesOf(phone.Key) {
			equal(w, "state of a "+m.Purpose, m.State, core.MessageExpired)
		}
	}
}

func settleNotHolder(w *world) {
	owner, notice := w.notify()
	claimed := w.claim("a", 10)[0]
	unchanged := w.watch(watched{phone: owner.Phone.Key})
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed, "b", core.MessageSent)), core.NotHolder)
	unknown := claimed
	unknown.ID = w.id()
	w.outcome(do(w, w.store.SettleMessage, w.settle(unknown, "a", core.MessageSent)), core.NotHolder)
	unchanged()

	w.advance(time.Minute)
	equal(w, "claimed by b", len(w.claim("b", 10)), 1) // a was too slow
	unchanged = w.watch(watched{phone: owner.Phone.Key})
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed, "a", core.MessageFailed)), core.NotHolder)
	unchanged()
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed, "b", core.MessageSent)), core.Done)
	unchanged = w.watch(watched{phone: owner.Phone.Key})
	w.outcome(do(w, w.store.SettleMessage, w.settle(claimed, "b", core.MessageQueued)), core.NotHolder)
	unchanged()
	equal(w, "state", w.message(owner.Phone.Key, notice.ID).State, core.MessageSent)
}

func listMessages(w *world) {
	phone := w.newNumber()
	for range 3 {
		w.beginSignup(phone)
	}
	w.beginSignup(w.newNumber())
	equal(w, "messages of the number", len(w.messagesOf(phone.Key)), 3)
	some, err := w.store.Messages(w.ctx, phone.Key, 2)
	w.holds("some are read", err == nil)
	equal(w, "messages up to a limit", len(some), 2)
	equal(w, "messages of an unused number", len(w.messagesOf("unused")), 0)
}

// hintQueued waits in real time: hints come soon, whatever the test's clock.
func hintQueued(w *world) {
	for _, hints := range []<-chan struct{}{w.store.MessagesQueued(), w.store.EventsQueued()} {
		select {
		case <-hints:
		default:
		}
		w.outcome(do(w, w.store.OpenChallenge, w.openChallenge(w.newChallenge(core.PurposeSignup, w.newNumber()))).Outcome, core.Done)
		select {
		case <-hints:
		case <-time.After(10 * time.Second):
			w.t.Fatalf("nothing hinted that something was queued")
		}
	}
}
