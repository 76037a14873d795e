package storetest

import (
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What core.SendLimits mean: in a begin and in a resend, by each of its sentences.
func sends(f flow) {
	f.shows("C39 waits 30, 60, 120, 300 s after the last", sendWaits)
	f.shows("C39 the last wait stands for all later ones", sendLastWait)
	f.shows("C39 a redeemed challenge is not waited for", sendRedeemed)
	f.shows("C39 a wait becomes shorter as sends leave the hour", sendWaitShrinks)
	f.shows("C39 five in any hour", sendHour)
	f.shows("C39 ten in any day", sendDay)
	f.shows("C39 tells when all limits admit again", sendRetryAt)
	f.shows("C39 each bucket counts by itself", sendBuckets)
	f.shows("C39 a full bucket goes on in the spare one", sendSpare)
	f.shows("C39 a wait alone opens no spare bucket", sendSpareWait)
	f.shows("C61 decoys and withheld ones count", sendDecoys)
	f.shows("C51 what failed or expired counts", sendWhatever)
	f.shows("C39 notices do not count", sendNotices)
	f.shows("C36 without limits nothing is refused", sendUnlimited)
	f.shows("C39 a limited begin writes nothing", sendLimitedOpen)
	f.shows("C39 sessions and repeats are told before limits", sendOrder)
	f.shows("C51 a resend counts, once it is due", sendResend)
	f.shows("C39 sweeping forgets no send of the day", sendSwept)
	f.shows("keeps bucket, country and price of a message", sendKept)
	f.shows("C39 32 begins at once, five admitted", raceSends)
	f.shows("C39 32 begins at once into the spare bucket", raceSpareSends)
	f.shows("C51 resends and begins at once, five admitted", raceSendsOfAllKinds)
}

// sendLimits are the product's: C-39.
func sendLimits() core.SendLimits {
	return core.SendLimits{
		Waits: []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute},
		Hour:  5, Day: 10,
	}
}

// hourly bounds an hour's sends and nothing else.
func hourly(n int) core.SendLimits { return core.SendLimits{Hour: n} }

// sending is a begin whose message counts among those of a bucket.
func (w *world) sending(phone core.SealedPhone, bucket string, l core.SendLimits) core.OpenChallenge {
	in := w.openChallenge(w.newChallenge(core.PurposeSignup, phone))
	in.Message.Bucket, in.Sends, in.Event = bucket, l, event.Event{}
	return in
}

// sent begins and is admitted.
func (w *world) sent(phone core.SealedPhone, bucket string, l core.SendLimits) core.Challenge {
	w.t.Helper()
	got := do(w, w.store.OpenChallenge, w.sending(phone, bucket, l))
	w.outcome(got.Outcome, core.Done)
	equal(w, "the bucket", got.Bucket, bucket)
	return got.Challenge
}

// limited begins, and fails the test unless this limit refuses until then.
func (w *world) limited(phone core.SealedPhone, bucket string, l core.SendLimits, by core.SendLimit, until time.Time) {
	w.t.Helper()
	got := do(w, w.store.OpenChallenge, w.sending(phone, bucket, l))
	w.outcome(got.Outcome, core.Limited)
	equal(w, "what refuses", got, core.OpenChallengeResult{Outcome: core.Limited, Limit: by, RetryAt: until})
}

// limitedUntil is limited up to the last moment; then the clock is at the end.
func (w *world) limitedUntil(phone core.SealedPhone, bucket string, l core.SendLimits, by core.SendLimit, until time.Time) {
	w.t.Helper()
	w.limited(phone, bucket, l, by, until)
	w.setClock(until.Add(-time.Millisecond))
	w.limited(phone, bucket, l, by, until)
	w.setClock(until)
}

func sendWaits(w *world) {
	phone := w.newNumber()
	for _, wait := range sendLimits().Waits {
		w.sent(phone, "", sendLimits())
		w.limitedUntil(phone, "", sendLimits(), core.SendWait, w.now.Add(wait))
	}
	w.sent(phone, "", sendLimits())
	w.sent(w.newNumber(), "", sendLimits()) // another number does not wait
}

func sendLastWait(w *world) {
	phone, l := w.newNumber(), core.SendLimits{Waits: sendLimits().Waits[:2]}
	w.sent(phone, "", l)
	w.advance(30 * time.Second)
	for range 4 {
		w.sent(phone, "", l)
		w.limitedUntil(phone, "", l, core.SendWait, w.now.Add(time.Minute))
	}
}

func sendRedeemed(w *world) {
	phone := w.newNumber()
	for range 3 {
		in := w.redeemSignup(w.sent(phone, "", sendLimits()))
		w.outcome(do(w, w.store.RedeemSignup, in).Outcome, core.Done)
	}
	w.sent(phone, "", sendLimits())
	w.limitedUntil(phone, "", sendLimits(), core.SendWait, w.now.Add(30*time.Second)) // one is open

	w.sent(phone, "", sendLimits())
	first := w.now.Add(-30 * time.Second)
	w.advance(time.Minute)
	w.limited(phone, "", sendLimits(), core.SendHour, first.Add(time.Hour)) // they count all the same
}

func sendWaitShrinks(w *world) {
	phone := w.newNumber()
	l := core.SendLimits{Waits: []time.Duration{time.Minute, 20 * time.Minute}}
	first := w.now
	w.sent(phone, "", l)
	w.setClock(first.Add(55 * time.Minute))
	w.sent(phone, "", l)
	// Two are waited for until the first is an hour old, then one.
	w.limitedUntil(phone, "", l, core.SendWait, first.Add(time.Hour))
	w.sent(phone, "", l)

	alone, l := w.newNumber(), core.SendLimits{Waits: []time.Duration{2 * time.Hour}}
	w.sent(alone, "", l)
	w.limitedUntil(alone, "", l, core.SendWait, w.now.Add(time.Hour)) // and no longer
	w.sent(alone, "", l)
}

func sendHour(w *world) {
	phone, first := w.newNumber(), w.now
	for range 5 {
		w.sent(phone, "", hourly(5))
		w.advance(10 * time.Second)
	}
	w.limitedUntil(phone, "", hourly(5), core.SendHour, first.Add(time.Hour))
	w.sent(phone, "", hourly(5)) // the first has left, the second not
	w.limitedUntil(phone, "", hourly(5), core.SendHour, first.Add(time.Hour+10*time.Second))
	w.sent(phone, "", hourly(5))
	w.sent(phone, "", hourly(7)) // a limit widened meanwhile
	w.limited(phone, "", hourly(2), core.SendHour, w.now.Add(time.Hour))
}

func sendDay(w *world) {
	phone, first, l := w.newNumber(), w.now, core.SendLimits{Hour: 5, Day: 10}
	for range 10 {
		w.sent(phone, "", l)
		w.advance(20 * time.Minute)
	}
	w.limitedUntil(phone, "", l, core.SendDay, first.Add(day))
	w.sent(phone, "", l)
	w.limitedUntil(phone, "", l, core.SendDay, first.Add(day+20*time.Minute))
	w.sent(phone, "", l)
}

func sendRetryAt(w *world) {
	// The wait is the first to refuse, and the day the last to admit.
	phone, l := w.newNumber(), core.SendLimits{Waits: []time.Duration{time.Minute}, Hour: 1, Day: 1}
	w.sent(phone, "", l)
	end := w.now.Add(day)
	w.limited(phone, "", l, core.SendWait, end)
	w.advance(time.Minute)
	w.limited(phone, "", l, core.SendHour, end)
	w.advance(time.Hour - time.Minute)
	w.limitedUntil(phone, "", l, core.SendDay, end)
	w.sent(phone, "", l)

	// The hour admits before the wait does, by which time the wait is another.
	phone, l = w.newNumber(), core.SendLimits{Waits: []time.Duration{30 * time.Minute, 50 * time.Minute}, Hour: 2}
	w.sent(phone, "", core.SendLimits{})
	second := w.now.Add(50 * time.Minute)
	w.setClock(second)
	w.sent(phone, "", l)
	w.limitedUntil(phone, "", l, core.SendWait, second.Add(30*time.Minute))
	w.sent(phone, "", l)
}

func sendBuckets(w *world) {
	phone := w.newNumber()
	buckets := []string{"", "device-1", "device-2", core.BucketSolved}
	for _, bucket := range buckets {
		for range 2 {
			w.sent(phone, bucket, hourly(2))
		}
	}
	for _, bucket := range buckets {
		w.limited(phone, bucket, hourly(2), core.SendHour, w.now.Add(time.Hour))
	}
}

// spared is limits with a spare bucket.
func spared(l, spare core.SendLimits) core.SendLimits {
	l.Spare = &spare
	return l
}

func sendSpare(w *world) {
	for _, full := range []core.SendLimits{
		{Hour: 2}, {Day: 2}, {Hour: 2, Waits: []time.Duration{time.Minute}}, // a full bucket's wait does not matter
	} {
		phone, l := w.newNumber(), spared(full, core.SendLimits{Waits: []time.Duration{time.Second}, Hour: 2})
		for range 2 {
			w.sent(phone, "", core.SendLimits{})
		}
		first := w.now
		for range 2 {
			in := w.sending(phone, "", l)
			got := do(w, w.store.OpenChallenge, in)
			w.outcome(got.Outcome, core.Done)
			equal(w, "the bucket told", got.Bucket, core.BucketSolved)
			equal(w, "the bucket kept", w.message(phone.Key, in.Message.ID).Bucket, core.BucketSolved)
			w.limited(phone, "", l, core.SendWait, map[bool]time.Time{true: w.now.Add(time.Second), false: first.Add(time.Hour)}[w.now.Equal(first)])
			w.advance(time.Second)
		}
		w.limited(phone, "", l, core.SendHour, first.Add(time.Hour))
		w.setClock(first.Add(time.Hour))
		if full.Day > 0 { // the own bucket is still full
			got := do(w, w.store.OpenChallenge, w.sending(phone, "", l))
			equal(w, "the bucket told", got.Bucket, core.BucketSolved)
			continue
		}
		w.sent(phone, "", l)
	}
}

func sendSpareWait(w *world) {
	phone, l := w.newNumber(), spared(sendLimits(), core.SendLimits{})
	w.sent(phone, "", l)
	w.limitedUntil(phone, "", l, core.SendWait, w.now.Add(30*time.Second))
	w.sent(phone, "", l)
}

func sendDecoys(w *world) {
	phone := w.newNumber()
	decoy := w.sending(phone, "", hourly(2))
	decoy.Challenge.Decoy, decoy.Message.State = true, core.MessageWithheld
	w.outcome(do(w, w.store.OpenChallenge, decoy).Outcome, core.Done)
	withheld := w.sending(phone, "", hourly(2))
	withheld.Message.State = core.MessageWithheld
	w.outcome(do(w, w.store.OpenChallenge, withheld).Outcome, core.Done)
	w.limited(phone, "", hourly(2), core.SendHour, w.now.Add(time.Hour))

	again := w.sending(phone, "", hourly(2)) // a decoy is refused as others are
	again.Challenge.Decoy, again.Message.State = true, core.MessageWithheld
	got := do(w, w.store.OpenChallenge, again)
	equal(w, "a decoy's refusal", got, core.OpenChallengeResult{Outcome: core.Limited, Limit: core.SendHour, RetryAt: w.now.Add(time.Hour)})
}

func sendWhatever(w *world) {
	phone, first := w.newNumber(), w.now
	for _, state := range []core.MessageState{core.MessageSent, core.MessageFailed} {
		w.sent(phone, "", hourly(3))
		w.outcome(do(w, w.store.SettleMessage, w.settle(w.claim("a", 1)[0], "a", state)), core.Done)
	}
	expired := w.sent(phone, "", hourly(3))
	w.setClock(expired.ExpiresAt)
	equal(w, "claimed", len(w.claim("a", 10)), 0)
	w.limited(phone, "", hourly(3), core.SendHour, first.Add(time.Hour))
}

func sendNotices(w *world) {
	owner, _ := w.notify() // a signup, a reset, and its notice
	w.sent(owner.Phone, "", hourly(3))
	w.limited(owner.Phone, "", hourly(3), core.SendHour, w.now.Add(time.Hour))
}

func sendUnlimited(w *world) {
	phone := w.newNumber()
	for range 30 {
		w.sent(phone, "", core.SendLimits{})
	}
	w.limited(phone, "", hourly(30), core.SendHour, w.now.Add(time.Hour))
}

func sendLimitedOpen(w *world) {
	first := w.sending(w.newNumber(), "", hourly(1))
	first.Challenge.BeginKey, first.Challenge.BeginBody = mac("key"), mac("body")
	w.outcome(do(w, w.store.OpenChallenge, first).Outcome, core.Done)
	first.Challenge = do(w, w.store.Challenge, first.Challenge.ID)

	w.advance(keyLife)
	phone := w.newNumber()
	w.sent(phone, "", hourly(1))
	unchanged := w.watch(watched{phone: phone.Key, challenges: []string{first.Challenge.ID}})
	in := w.sending(phone, "", hourly(1))
	in.Event = w.newEvent(event.LoginStarted)
	in.Challenge.BeginKey, in.Challenge.BeginBody = mac("key"), mac("body") // the first one's, long ago
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Limited)
	_, err := w.store.Challenge(w.ctx, in.Challenge.ID)
	w.missing("the challenge", err)
	unchanged()
}

func sendOrder(w *world) {
	owner := w.account() // has been sent one
	again := w.sending(owner.Phone, "", core.SendLimits{})
	again.Challenge.BeginKey, again.Challenge.BeginBody = mac("key"), mac("body")
	w.outcome(do(w, w.store.OpenChallenge, again).Outcome, core.Done)

	again.Sends = hourly(1)
	w.outcome(do(w, w.store.OpenChallenge, again).Outcome, core.Repeated)
	other := again
	other.Challenge.BeginBody = mac("another body")
	w.outcome(do(w, w.store.OpenChallenge, other).Outcome, core.KeyConflict)
	ended := again
	ended.Challenge.SessionID = w.ended(owner).ID
	w.outcome(do(w, w.store.OpenChallenge, ended).Outcome, core.SessionEnded)
	w.limited(owner.Phone, "", hourly(1), core.SendHour, w.now.Add(time.Hour))
}

func sendResend(w *world) {
	c := w.sent(w.newNumber(), "", hourly(2))
	resend := func() core.ResendChallenge {
		in := w.resend(do(w, w.store.Challenge, c.ID))
		in.Sends = hourly(2)
		return in
	}
	first := w.now
	w.setClock(c.ResendAt)
	in := resend()
	got := do(w, w.store.ResendChallenge, in)
	w.outcome(got.Outcome, core.Done)
	equal(w, "the bucket", got.Bucket, "")
	w.limited(c.Phone, "", hourly(2), core.SendHour, first.Add(time.Hour))

	w.events()
	unchanged := w.watch(watched{phone: c.Phone.Key, challenges: []string{c.ID}})
	w.outcome(do(w, w.store.ResendChallenge, resend()).Outcome, core.TooEarly)
	w.setClock(got.Challenge.ResendAt)
	refused := do(w, w.store.ResendChallenge, resend())
	equal(w, "the refusal", refused, core.ResendChallengeResult{
		Outcome: core.Limited, Challenge: got.Challenge, Limit: core.SendHour, RetryAt: first.Add(time.Hour),
	})
	unchanged()

	spare := resend()
	spare.Sends = spared(hourly(2), hourly(1))
	equal(w, "the spare bucket", do(w, w.store.ResendChallenge, spare).Bucket, core.BucketSolved)
	equal(w, "the bucket kept", w.message(c.Phone.Key, spare.Message.ID).Bucket, core.BucketSolved)

	w.setClock(c.ExpiresAt)
	w.outcome(do(w, w.store.ResendChallenge, resend()).Outcome, core.Expired)
}

func sendSwept(w *world) {
	phone, first, l := w.newNumber(), w.now, core.SendLimits{Day: 2}
	redeemed := w.redeemSignup(w.sent(phone, "", l))
	w.outcome(do(w, w.store.RedeemSignup, redeemed).Outcome, core.Done)
	w.sent(phone, "", l)
	w.sweepAt(first.Add(day - time.Millisecond))
	w.limited(phone, "", l, core.SendDay, first.Add(day))
}

func sendKept(w *world) {
	in := w.sending(w.newNumber(), "device", core.SendLimits{})
	in.Message.Country, in.Message.Price = "DE", 70_000
	w.outcome(do(w, w.store.OpenChallenge, in).Outcome, core.Done)
	equal(w, "the message", w.messagesOf(in.Message.PhoneKey), []core.Message{in.Message})
	claimed := w.claim("a", 10)[0]
	equal(w, "the claimed one's bucket", claimed.Bucket, "device")
	equal(w, "the claimed one's country", claimed.Country, "DE")
	equal(w, "the claimed one's price", claimed.Price, core.Money(70_000))
}

func opened(r core.OpenChallengeResult) core.Outcome { return r.Outcome }

func raceSends(w *world) {
	phone := w.newNumber()
	got := doAtOnce(w, w.store.OpenChallenge, many(32, func(int) core.OpenChallenge { return w.sending(phone, "", hourly(5)) }))
	equal(w, "outcomes", tally(got, opened), map[core.Outcome]int{core.Done: 5, core.Limited: 27})
	equal(w, "messages", len(w.messagesOf(phone.Key)), 5)
}

func raceSpareSends(w *world) {
	phone, l := w.newNumber(), spared(core.SendLimits{Day: 5}, hourly(3))
	got := doAtOnce(w, w.store.OpenChallenge, many(32, func(int) core.OpenChallenge { return w.sending(phone, "", l) }))
	equal(w, "outcomes", tally(got, opened), map[core.Outcome]int{core.Done: 8, core.Limited: 24})
	inSpare := func(m core.Message) bool { return m.Bucket == core.BucketSolved }
	equal(w, "messages by bucket", tally(w.messagesOf(phone.Key), inSpare), map[bool]int{false: 5, true: 3})
}

func raceSendsOfAllKinds(w *world) {
	phone := w.newNumber()
	begun := many(3, func(int) core.Challenge { return w.sent(phone, "", core.SendLimits{}) })
	w.setClock(begun[0].ResendAt)
	resends := many(16, func(i int) core.ResendChallenge {
		in := w.resend(begun[i%3])
		in.Sends, in.NextResendAt = hourly(5), w.now
		return in
	})
	opens := many(16, func(int) core.OpenChallenge { return w.sending(phone, "", hourly(5)) })
	outcomes := make([]core.Outcome, 32)
	atOnce(32, func(i int) {
		var err error
		if i < 16 {
			var got core.ResendChallengeResult
			got, err = w.store.ResendChallenge(w.ctx, resends[i])
			outcomes[i] = got.Outcome
		} else {
			var got core.OpenChallengeResult
			got, err = w.store.OpenChallenge(w.ctx, opens[i-16])
			outcomes[i] = got.Outcome
		}
		if err != nil {
			w.t.Errorf("sending: %v", err)
		}
	})
	sent := slices.DeleteFunc(outcomes, func(o core.Outcome) bool { return o != core.Done })
	equal(w, "sent at once", len(sent), 2)
	equal(w, "messages", len(w.messagesOf(phone.Key)), 5)
}
