package core_test

import (
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/locale"
)

const (
	briton = "+447400123456"
	swede  = "+46701234567"
)

// kinds are the four of numbers of which strangers may not tell one from another: known,
// unknown, disabled, without a password.
var kinds = []string{"known", "unknown", "disabled", "password-less"}

// kindHouse is a house in which alice's number is of a kind.
func kindHouse(t *testing.T, kind string, change ...func(*core.Settings)) *house {
	t.Helper()
	h := newHouse(t, change...)
	switch kind {
	case "known":
		h.signUp(alice, goodPassword)
	case "password-less":
		h.signUp(alice, "")
	case "disabled":
		want(t, h.DisableUser(ctx, core.Caller{}, h.signUp(alice, goodPassword).User.ID, "test"), "")
	}
	h.pass(25 * time.Hour) // how it came about counts for nothing
	return h
}

// C-39: no sooner than 30, 60, 120 and 300 s after the last, five an hour, ten a
// day; alike for every number, decoys' among them.
func TestC39SendsToANumberWaitAndAreFew(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			h := kindHouse(t, kind)
			start := h.clock()
			begin := func() error {
				_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice})
				return err
			}
			refused := func(limit string, until time.Time) {
				t.Helper()
				refusal := want(t, begin(), core.CodeRateLimited)
				if wait := max(until.Sub(h.clock()), time.Second); refusal.RetryAfter != wait || h.heardLimit() != limit {
					t.Errorf("retry after %v by %s, want %v by %s", refusal.RetryAfter, h.heardLimit(), wait, limit)
				}
			}
			want(t, begin(), "")
			for _, wait := range sendWaits {
				next := h.clock().Add(wait)
				refused("send_wait", next)
				h.pass(wait - time.Millisecond)
				refused("send_wait", next)
				h.pass(time.Millisecond)
				want(t, begin(), "")
			}
			h.pass(longestWait)
			refused("send_number_hour", start.Add(time.Hour))
			h.pass(start.Add(time.Hour - time.Millisecond).Sub(h.clock()))
			refused("send_number_hour", start.Add(time.Hour))
			h.pass(time.Millisecond)
			want(t, begin(), "")
			for range 4 {
				h.pass(time.Hour)
				want(t, begin(), "")
			}
			h.pass(time.Hour)
			refused("send_number_day", start.Add(24*time.Hour))
			h.pass(start.Add(24*time.Hour - time.Millisecond).Sub(h.clock()))
			refused("send_number_day", start.Add(24*time.Hour))
			h.pass(time.Millisecond)
			want(t, begin(), "")
		})
	}
}

// Each known device has its own bucket: what strangers sent costs it nothing.
func TestC39AKnownDeviceHasItsOwnBucket(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	one, other := h.signUp(alice, "").DeviceToken, h.signIn(alice).DeviceToken
	for _, device := range []keyring.Secret{"", one, other} {
		h.loginSMS(alice, device)
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice, Device: core.DeviceIn{Token: device}})
		want(t, err, core.CodeRateLimited)
	}
	buckets := map[string]int{}
	for _, m := range h.messages() {
		buckets[m.Bucket]++
	}
	if len(buckets) != 3 || buckets[""] != 3 {
		t.Errorf("messages by bucket: %v", buckets)
	}
}

// To the number that an account moves to, its devices are strangers.
func TestC39APhoneChangeIsAStrangersMessage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	me := h.as(h.signUp(alice, ""))
	ch, err := h.ChangePhone(ctx, me, core.BeginIn{PhoneNumber: bob})
	want(t, err, "")
	_, err = h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: bob})
	want(t, err, core.CodeRateLimited)
	h.SetBudgetState(core.BudgetState{ClosedToStrangers: map[string]bool{"US": true}})
	h.pass(time.Minute)
	_, err = h.Resend(ctx, me, core.ResendIn{ChallengeID: ch.ID})
	want(t, err, core.CodeDeliveryUnavailable)
	_, err = h.ReauthenticateSMS(ctx, me, core.BeginIn{})
	want(t, err, "")
}

// C-51: what is sent again counts like what is sent, for the number and for all
// that a message counts in.
func TestC51ResendsCount(t *testing.T) {
	t.Parallel()
	h := newHouse(t, only("send_prefix", 5))
	ch := h.begin(alice)
	for _, wait := range sendWaits {
		h.pass(wait)
		_, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
		want(t, err, "")
	}
	h.pass(longestWait)
	_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice})
	want(t, err, core.CodeRateLimited)
	if h.heardLimit() != "send_prefix" {
		t.Errorf("refused by %s", h.heardLimit())
	}

	h = newHouse(t)
	ch = h.begin(alice)
	for _, wait := range sendWaits {
		h.pass(wait)
		_, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
		want(t, err, "")
	}
	h.pass(longestWait)
	_, err = h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice})
	want(t, err, core.CodeRateLimited)
	if h.heardLimit() != "send_number_hour" {
		t.Errorf("refused by %s", h.heardLimit())
	}
}

// C-47: messages go to the countries listed, to no other, known device or not.
func TestC47CountriesNotListedAreRefusedAlike(t *testing.T) {
	t.Parallel()
	const reviewer = "+46701234000"
	h := newHouse(t, func(s *core.Settings) {
		s.SMSCountries = []string{"US", "GB"}
		s.TestNumbers = map[string]string{reviewer: "123456"}
	})
	for _, number := range []string{alice, briton, reviewer} {
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: number})
		want(t, err, "")
	}
	before := newHouse(t)
	before.signUp(swede, goodPassword)
	before.settings.SMSCountries = []string{"US"}
	known := before.coreOver(before.store)
	for name, refuse := range map[string]func() error{
		"unknown": func() error { _, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: swede}); return err },
		"signup": func() error {
			_, err := h.Signup(ctx, stranger(), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: swede}})
			return err
		},
		"reset": func() error { _, err := h.ResetPassword(ctx, stranger(), core.BeginIn{PhoneNumber: swede}); return err },
		"known": func() error {
			_, err := known.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: swede})
			return err
		},
		"phone change": func() error {
			_, err := h.ChangePhone(ctx, h.as(h.signUp(bob, "")), core.BeginIn{PhoneNumber: swede})
			return err
		},
	} {
		if refusal := want(t, refuse(), core.CodeCountryNotAllowed); refusal.RetryAfter != 0 {
			t.Errorf("%s: retry after %v", name, refusal.RetryAfter)
		}
	}
	if n := len(before.messages()); n != 1 {
		t.Errorf("%d messages to Sweden", n-1)
	}
}

// What is closed for strangers is kept for known devices, until all is closed.
func TestMoneyThatIsSpentClosesStrangersFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.signUp(alice, "").DeviceToken
	begin := func(number string, device keyring.Secret) error {
		h.pass(longestWait)
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: number, Device: core.DeviceIn{Token: device}})
		return err
	}
	h.SetBudgetState(core.BudgetState{ClosedToStrangers: map[string]bool{"US": true}})
	for _, number := range []string{alice, bob} {
		if refusal := want(t, begin(number, ""), core.CodeDeliveryUnavailable); refusal.RetryAfter <= 0 {
			t.Error("no retry_after")
		}
	}
	want(t, begin(alice, known), "")
	want(t, begin(briton, ""), "")
	h.SetBudgetState(core.BudgetState{ClosedToStrangers: map[string]bool{"": true}})
	want(t, begin(briton, ""), core.CodeDeliveryUnavailable)
	want(t, begin(alice, known), "")
	h.SetBudgetState(core.BudgetState{Closed: map[string]bool{"": true}})
	want(t, begin(alice, known), core.CodeDeliveryUnavailable)
}

// A message knows its country and what its segments cost there, a notice too.
func TestMessagesKnowTheirPrice(t *testing.T) {
	t.Parallel()
	prices := core.Prices{"US": 8_000, "GB": 50_000, "+447400": 90_000, "+4474001": 70_000, "*": 200_000}
	h := newHouse(t, func(s *core.Settings) { s.Prices = prices })
	per := map[string]core.Money{alice: 8_000, briton: 70_000, "+447400923456": 90_000, "+447740123456": 50_000, swede: 200_000}
	for number := range per {
		h.begin(number)
	}
	h.signUp(carol, goodPassword)
	ch := h.beginReset(carol)
	_, err := h.redeemReset(ch, h.code(ch), otherPassword)
	want(t, err, "")
	seen := map[string]bool{}
	for _, m := range h.messages() {
		to, text, err := core.OpenText(h.ring, m)
		want(t, err, "")
		segments, _ := locale.Segments(text.Body.Reveal())
		price, ok := per[to.E164()]
		if !ok {
			price = 8_000
		}
		if m.Price != core.Money(segments)*price || m.Country != to.Region() {
			t.Errorf("%s of %d segments to %s: %d, country %s", m.Purpose, segments, to.E164(), m.Price, m.Country)
		}
		seen[m.Purpose] = true
	}
	if !seen["password_reset_notice"] || !seen["signup"] {
		t.Errorf("seen: %v", seen)
	}
}

// Test numbers have a limit of their own, show in the log, and are ordinary
// numbers once their time is over.
func TestTestNumbersShowAndExpire(t *testing.T) {
	t.Parallel()
	const reviewer, real = "+15005550006", "+14155550199"
	h := newHouse(t, func(s *core.Settings) {
		s.TestNumbers = map[string]string{reviewer: "123456", real: "654321"}
		s.TestNumbersUntil = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	})
	for range 6 { // no wait, no hour
		h.begin(real)
	}
	ch := h.begin(reviewer)
	set, err := h.verify(ch, "123456")
	want(t, err, "")
	for _, e := range h.accountEvents(set.User.ID) {
		if e.Attributes["test_number"] != true {
			t.Errorf("%s says %v", e.Name, e.Attributes)
		}
	}
	h.pass(24*time.Hour - time.Millisecond)
	h.begin(real)
	h.pass(time.Millisecond)
	_, err = h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: real})
	want(t, err, core.CodeRateLimited) // too soon, as for any number
	h.pass(longestWait)
	ch = h.begin(real)
	if len(h.messages()) != 1 || h.code(ch) == "654321" {
		t.Error("an expired test number gets no message, or its fixed code")
	}
}
