package core_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
)

// few are three addresses.
func few(i int) string { return fmt.Sprintf("198.51.%d.9", 100+i%3) }

// C-42: three addresses that begin all they may, in one country, pause nobody but
// themselves: a new person of the country is sent to, minutes later too.
func TestC42ThreeAddressesPauseNoCountry(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.campaign(5, 1, everywhere, spread) // five honest people
	begun := 0
	for i := range 180 {
		_, err := h.Signup(ctx, at(few(i)), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: spread(100 + i)}})
		if want(t, err, ""); err == nil {
			begun++
		}
	}
	if begun != 180 {
		t.Fatalf("%d were begun", begun)
	}
	for i := range 12 {
		h.pass(5 * time.Minute)
		_, err := h.Signup(ctx, at(everywhere(100+i)), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: spread(400 + i)}})
		want(t, err, "")
	}
	if told := h.paused(); len(told) != 0 {
		t.Errorf("paused: %v", told[0].Attributes)
	}
	h.pass(-55 * time.Minute) // the addresses themselves are
	_, err := h.Signup(ctx, at(few(0)), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: spread(500)}})
	want(t, err, core.CodeRateLimited)
}

// C-50: a burst is asked for a proof of work before anybody can tell whether its
// codes come back.
func TestC50ABurstWorks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.asksForWork()
	for i := range 25 {
		_, err := h.LoginSMS(ctx, at(few(0)), core.BeginIn{PhoneNumber: spread(i)})
		want(t, err, "")
	}
	_, err := h.LoginSMS(ctx, at(few(0)), core.BeginIn{PhoneNumber: spread(25)})
	want(t, err, core.CodeCaptchaRequired)
	_, err = h.LoginSMS(ctx, at(few(1)), core.BeginIn{PhoneNumber: spread(26)}) // who is no part of it does not
	want(t, err, "")
}

// C-42: where a captcha is named, the hardest leads past the pause of a country,
// and of nothing smaller.
func TestC42TheHardestCaptchaPassesACountrysPause(t *testing.T) {
	t.Parallel()
	onePrefix := func(i int) string { return fmt.Sprintf("+14155550%03d", 200+i) }
	for _, c := range []struct {
		scope           string
		address, number func(int) string
		settle          time.Duration
		code            core.Code
	}{
		{"country", everywhere, spread, 6 * time.Minute, core.CodeCaptchaRequired},
		{"prefix", everywhere, onePrefix, 31 * time.Minute, core.CodeRateLimited},
		{"address", oneHost, spread, 6 * time.Minute, core.CodeRateLimited},
	} {
		h := newHouse(t, only("none", 0), func(s *core.Settings) { s.CaptchaLifts = true })
		h.campaign(60, 0, c.address, c.number) // before a captcha is asked for
		h.asksForWork()
		h.pass(c.settle)
		in := core.BeginIn{PhoneNumber: c.number(100)}
		_, err := h.LoginSMS(ctx, at(c.address(100)), in)
		refusal := want(t, err, c.code)
		if reason := h.heardLimit(); reason != "guard_"+c.scope {
			t.Errorf("%s: refused by %s", c.scope, reason)
		}
		if c.code != core.CodeCaptchaRequired {
			continue
		}
		hardest, err := h.captcha.Ask(h.clock(), "somebody", captcha.Hardest)
		want(t, err, "")
		if work(t, *refusal.Captcha) != work(t, hardest) {
			t.Errorf("asked for %s", refusal.Captcha.Challenge)
		}
		in.Captcha = solve(t, *refusal.Captcha)
		ch, err := h.LoginSMS(ctx, at(c.address(100)), in)
		want(t, err, "")
		_, err = h.verify(ch, "000000")
		want(t, err, core.CodeInvalidCode)
		_, err = h.LoginSMS(ctx, at(c.address(101)), core.BeginIn{PhoneNumber: c.number(101), Captcha: in.Captcha})
		want(t, err, core.CodeCaptchaRequired)
	}
}
