package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What ResendChallenge means.
func resends(f flow) {
	f.shows("C02 queues the code again and extends nothing", resendDone)
	f.shows("goes on by the channel of its message", resendOtherChannel)
	f.shows("waits for exactly resend_at", resendTooEarly)
	f.shows("stops when none is left", resendNoneLeft)
	f.shows("goes to one of two that saw the same", resendSeenOld)
	f.shows("withholds a decoy's", resendDecoy)
	f.shows("leaves withheld what the flow withholds", resendWithheld)
	f.shows("C02 ends at exactly expires_at", resendExpired)
	f.shows("tells a spent challenge", resendSpent)
	f.shows("tells an unknown one", resendUnknown)
}

func (w *world) resend(c core.Challenge) core.ResendChallenge {
	return core.ResendChallenge{
		ID: c.ID, Resends: c.Resends, NextResendAt: w.now.Add(time.Minute),
		Message: w.messageOf(c), Now: w.now, Event: w.newEvent(event.CodeResent),
	}
}

func resendDone(w *world) {
	c := w.beginFor(w.account(), core.PurposeLogin)
	w.guessWrong(c)
	c = do(w, w.store.Challenge, c.ID)
	w.setClock(c.ResendAt)
	in := w.resend(c)
	before := len(w.messagesOf(c.Phone.Key))
	got := do(w, w.store.ResendChallenge, in)

	w.outcome(got.Outcome, core.Done)
	want := c // the same life, the same guesses, the same code
	want.Resends, want.ResendAt = 1, in.NextResendAt
	equal(w, "the challenge", got.Challenge, want)
	equal(w, "the stored challenge", do(w, w.store.Challenge, c.ID), want)
	equal(w, "messages more", len(w.messagesOf(c.Phone.Key)), before+1)
	w.holds("the message is queued", w.message(c.Phone.Key, in.Message.ID).State == core.MessageQueued)
	w.wrote(event.CodeResent)
}

func resendOtherChannel(w *world) {
	c := w.beginSignup(w.newNumber())
	w.setClock(c.ResendAt)
	in := w.resend(c)
	in.Message.Channel = core.ChannelVoice
	c.Channel, c.Resends, c.ResendAt = core.ChannelVoice, 1, in.NextResendAt
	equal(w, "the challenge", do(w, w.store.ResendChallenge, in).Challenge, c)
	equal(w, "the stored challenge", do(w, w.store.Challenge, c.ID), c)
	equal(w, "the message's channel", w.message(c.Phone.Key, in.Message.ID).Channel, core.ChannelVoice)
	other := w.beginSignup(w.newNumber())
	w.setClock(other.ResendAt.Add(-time.Millisecond))
	in = w.resend(other)
	in.Message.Channel = core.ChannelVoice
	w.outcome(do(w, w.store.ResendChallenge, in).Outcome, core.TooEarly)
	equal(w, "the channel of what was refused", do(w, w.store.Challenge, other.ID).Channel, core.ChannelSMS)
}

func resendTooEarly(w *world) {
	c := w.beginSignup(w.newNumber())
	unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}})
	w.setClock(c.ResendAt.Add(-time.Millisecond))
	got := do(w, w.store.ResendChallenge, w.resend(c))
	w.outcome(got.Outcome, core.TooEarly)
	equal(w, "the challenge", got.Challenge, c)
	unchanged()
	w.setClock(c.ResendAt)
	w.outcome(do(w, w.store.ResendChallenge, w.resend(c)).Outcome, core.Done)
}

func resendNoneLeft(w *world) {
	c := w.beginSignup(w.newNumber())
	w.setClock(c.ResendAt)
	last := w.resend(c)
	last.NextResendAt = time.Time{}
	got := do(w, w.store.ResendChallenge, last)
	w.outcome(got.Outcome, core.Done)
	w.holds("none is left", got.Challenge.ResendAt.IsZero())

	unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}})
	w.advance(5 * time.Minute)
	w.outcome(do(w, w.store.ResendChallenge, w.resend(got.Challenge)).Outcome, core.TooEarly)
	unchanged()
}

func resendSeenOld(w *world) {
	c := w.beginSignup(w.newNumber())
	w.setClock(c.ResendAt)
	first, second := w.resend(c), w.resend(c)
	first.NextResendAt, second.NextResendAt = w.now, w.now // due again at once
	w.outcome(do(w, w.store.ResendChallenge, first).Outcome, core.Done)
	unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}})
	got := do(w, w.store.ResendChallenge, second)
	w.outcome(got.Outcome, core.TooEarly)
	equal(w, "resends as they stand", got.Challenge.Resends, 1)
	unchanged()
}

func resendDecoy(w *world) {
	c := w.newChallenge(core.PurposeLogin, w.newNumber())
	c.Decoy = true
	c = w.begin(c)
	w.setClock(c.ResendAt)
	in := w.resend(c)
	in.Message.State = core.MessageQueued // whatever it says
	w.outcome(do(w, w.store.ResendChallenge, in).Outcome, core.Done)
	w.holds("the message is withheld", w.message(c.Phone.Key, in.Message.ID).State == core.MessageWithheld)
}

func resendWithheld(w *world) {
	c := w.beginSignup(w.newNumber())
	w.setClock(c.ResendAt)
	in := w.resend(c)
	in.Message.State = core.MessageWithheld
	w.outcome(do(w, w.store.ResendChallenge, in).Outcome, core.Done)
	w.holds("the message is withheld", w.message(c.Phone.Key, in.Message.ID).State == core.MessageWithheld)
}

func resendExpired(w *world) {
	c := w.beginSignup(w.newNumber())
	unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}})
	w.setClock(c.ExpiresAt)
	got := do(w, w.store.ResendChallenge, w.resend(c))
	w.outcome(got.Outcome, core.Expired)
	equal(w, "the challenge", got.Challenge, c)
	unchanged()
	w.advance(-time.Millisecond)
	w.outcome(do(w, w.store.ResendChallenge, w.resend(c)).Outcome, core.Done)
}

func resendSpent(w *world) {
	owner := w.account()
	redeemed := w.beginFor(owner, core.PurposeLogin)
	w.outcome(do(w, w.store.RedeemLogin, w.redeemLogin(redeemed)).Outcome, core.Done)
	exhausted := w.beginFor(owner, core.PurposeLogin)
	for range core.MaxGuesses {
		w.guessWrong(exhausted)
	}
	voided := w.beginSignup(owner.Phone)
	w.outcome(do(w, w.store.RedeemSignup, w.redeemSignup(w.beginSignup(owner.Phone))).Outcome, core.Done)

	for _, c := range []core.Challenge{redeemed, exhausted, voided} {
		unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}})
		w.setClock(c.ResendAt)
		w.outcome(do(w, w.store.ResendChallenge, w.resend(c)).Outcome, core.Spent)
		unchanged()
	}
}

func resendUnknown(w *world) {
	c := w.newChallenge(core.PurposeSignup, w.newNumber())
	w.outcome(do(w, w.store.ResendChallenge, w.resend(c)).Outcome, core.NotFound)
	equal(w, "messages", len(w.messagesOf(c.Phone.Key)), 0)
	w.wrote()
}
