package core_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// buckets are the buckets of all messages so far.
func (h *house) buckets() map[string]int {
	buckets := map[string]int{}
	for _, m := range h.messages() {
		buckets[m.Bucket]++
	}
	return buckets
}

// C-42: a device is a stranger to messages until a code was redeemed on it. Its
// password made it known for passwords and for guesses of codes, no further.
func TestC42APasswordAloneMakesNoBucketOfMessages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.signUp(alice, goodPassword)
	h.pass(25 * time.Hour)
	set, err := h.loginPassword(alice, goodPassword, "")
	want(t, err, "")
	before := h.buckets()[""]
	ch := h.loginSMS(alice, set.DeviceToken)
	if ch.DeviceID == "" {
		t.Error("its failed codes count as a stranger's")
	}
	h.pass(sendWaits[0])
	_, err = h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
	want(t, err, "")
	if now := h.buckets(); now[""] != before+2 || len(now) != 1 {
		t.Errorf("messages by bucket: %v", now)
	}
	_, err = h.LoginSMS(ctx, at("203.0.113.4"), core.BeginIn{PhoneNumber: alice})
	want(t, err, core.CodeRateLimited) // it waits for the device's

	_, err = h.verify(ch, h.code(ch))
	want(t, err, "")
	ch = h.loginSMS(alice, set.DeviceToken)
	h.pass(sendWaits[0])
	_, err = h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
	want(t, err, "")
	if now := h.buckets(); now[ch.DeviceID] != 2 {
		t.Errorf("once a code was redeemed on %s: %v", ch.DeviceID, now)
	}
}

// Who pumps by accounts of its own: however many devices it signs in, the
// prefix bears no more than it does of strangers.
func TestC49AccountsWithPasswordsPumpNoMoreThanStrangers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	number := func(i int) string { return fmt.Sprintf("+1415555%04d", 200+i) }
	for i := range 10 {
		h.signUp(number(i), goodPassword)
	}
	h.pass(25 * time.Hour)
	before := len(h.messages())
	for i := range 10 {
		for range 45 {
			set, err := h.loginPassword(number(i), goodPassword, "")
			want(t, err, "")
			_, _ = h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: number(i), Device: core.DeviceIn{Token: set.DeviceToken}})
			h.pass(time.Second)
		}
	}
	if n := len(h.messages()) - before; n > 20 {
		t.Errorf("%d messages into one prefix in seven minutes", n)
	}
}

// proved are devices of numbers in one prefix, by the number.
func (h *house) proved(n int) map[string]keyring.Secret {
	devices := map[string]keyring.Secret{}
	for i := range n {
		number := fmt.Sprintf("+1415555%04d", 200+i)
		devices[number] = h.signUp(number, "").DeviceToken
	}
	h.pass(25 * time.Hour)
	return devices
}

// C-50: what known devices send and do not redeem pauses strangers and is told;
// the devices themselves go on.
func TestC50KnownDevicesAreWatchedAndNotPaused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	devices := h.proved(20)
	begin := func(number string) error {
		in := core.BeginIn{PhoneNumber: number, Device: core.DeviceIn{Token: devices[number]}}
		_, err := h.LoginSMS(ctx, stranger(), in)
		return err
	}
	for range 3 {
		for number := range devices {
			want(t, begin(number), "")
		}
		h.pass(longestWait)
	}
	h.pass(31 * time.Minute)
	want(t, begin(alice[:8]+"0200"), "")
	if told := h.paused(); len(told) == 0 || told[0].Attributes["scope"] != "prefix" || told[0].Attributes["redeemed"] != int64(0) {
		t.Fatalf("told: %v", told)
	}
	_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: "+14155550900"})
	want(t, err, core.CodeRateLimited)
	want(t, begin(alice[:8]+"0201"), "")
}

// Known devices that redeem what they get make nobody nervous.
func TestC50WhatKnownDevicesRedeemConverts(t *testing.T) {
	t.Parallel()
	h := newHouse(t, only("none", 0))
	devices := h.proved(20)
	for range 3 {
		for number, device := range devices {
			ch := h.loginSMS(number, device)
			_, err := h.verify(ch, h.code(ch))
			want(t, err, "")
		}
	}
	h.pass(31 * time.Minute)
	_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: "+14155550900"})
	want(t, err, "")
	if told := h.paused(); len(told) != 0 {
		t.Errorf("told: %v", told)
	}
}

// An owner who taps "again" too early takes up nothing of what the owner's
// devices share: they are limited by what is sent.
func TestC42WhatADeviceDoesNotSendIsGivenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	one, other := h.signUp(alice, "").DeviceToken, h.signIn(alice).DeviceToken
	h.pass(2 * time.Hour)
	in := core.BeginIn{
		PhoneNumber: alice, Device: core.DeviceIn{Token: one}, Idempotency: core.Idempotency{Key: "k", Body: []byte("b")},
	}
	ch, err := h.LoginSMS(ctx, stranger(), in)
	want(t, err, "")
	for range 40 {
		_, err = h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
		want(t, err, core.CodeRateLimited)
		_, err = h.LoginSMS(ctx, stranger(), in)
		want(t, err, "") // told again
		_, err = h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice, Device: in.Device})
		want(t, err, core.CodeRateLimited)
		if h.heardLimit() != "send_wait" {
			t.Fatalf("refused by %s", h.heardLimit())
		}
	}
	h.loginSMS(alice, other)
}

// full is a limiter whose tallies are all shared with others'.
type full struct{ limit.Limiter }

func (f full) Tally(_ context.Context, _ time.Time, tallies ...limit.Tally) ([]limit.Tallied, error) {
	sums := make([]limit.Tallied, len(tallies))
	for i := range sums {
		sums[i] = limit.Tallied{Sum: 1 << 20, Settled: 1 << 20, Shared: true}
		if tallies[i].Name == "redeemed" {
			sums[i] = limit.Tallied{}
		}
	}
	return sums, nil
}

// C-46: in a flood that leaves no room, others' sums pause nobody, ask nobody for
// a captcha and make no code longer.
func TestC46SharedTalliesJudgeNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.limiter = full{h.limiter}
	h.asksForWork()
	ch := h.loginSMS(alice, "")
	if ch.CodeLength != 6 {
		t.Errorf("%d digits", ch.CodeLength)
	}
	for i := range 2 {
		_, err := h.verify(ch, "000000")
		if left := want(t, err, core.CodeInvalidCode).AttemptsLeft; *left != 4-i {
			t.Errorf("%d attempts left", *left)
		}
	}
	_, err := h.loginPassword(alice, "not the password", "")
	want(t, err, core.CodeInvalidCredentials)
	if told := h.paused(); len(told) != 0 {
		t.Errorf("told: %v", told)
	}
}
