package core_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// liftingHouse is one whose operator named a captcha.
func liftingHouse(t *testing.T, change ...func(*core.Settings)) *house {
	t.Helper()
	h := newHouse(t, append(change, func(s *core.Settings) { s.CaptchaLifts = true })...)
	h.asksForWork()
	return h
}

// asksForWork gives the house a proof of work to ask for.
func (h *house) asksForWork() {
	h.captcha = captcha.NewPoW(captcha.PoWOptions{Ring: h.ring, Rand: rand.Reader})
	h.Core = h.coreOver(h.store)
}

// C-42: who has exhausted a number's messages has not exhausted its owner's: a
// solved captcha opens three an hour and five a day more, each once.
func TestC42ACaptchaOpensExhaustedSends(t *testing.T) {
	t.Parallel()
	for _, number := range []string{alice, bob} { // with and without an account
		h := liftingHouse(t)
		h.signUp(alice, "")
		h.pass(2 * time.Hour)
		for _, wait := range append([]time.Duration{0}, sendWaits...) {
			h.pass(wait)
			h.loginSMS(number, "")
		}
		h.pass(longestWait)
		in := core.BeginIn{PhoneNumber: number}
		ask := func() captcha.Ask {
			t.Helper()
			in.Captcha = captcha.Solution{}
			_, err := h.LoginSMS(ctx, stranger(), in)
			return *want(t, err, core.CodeCaptchaRequired).Captcha
		}
		for i := range 3 {
			in.Captcha = solve(t, ask())
			ch, err := h.LoginSMS(ctx, stranger(), in)
			want(t, err, "")
			_, err = h.LoginSMS(ctx, stranger(), in) // the same solution again
			want(t, err, core.CodeCaptchaRequired)
			h.pass(sendWaits[i])
			if number == alice && i == 2 {
				if _, err := h.verify(ch, h.code(ch)); err != nil {
					t.Error(err)
				}
			}
		}
		in.Captcha = solve(t, ask())
		_, err := h.LoginSMS(ctx, stranger(), in)
		want(t, err, core.CodeRateLimited)
		if h.heardLimit() != "send_number_hour" {
			t.Errorf("refused by %s", h.heardLimit())
		}
	}
}

// A solution is good for the number and the network it was asked for.
func TestCaptchasAreBoundAndOnlyThen(t *testing.T) {
	t.Parallel()
	h := liftingHouse(t)
	h.SetBudgetState(core.BudgetState{Nervous: captcha.Easy})
	in := core.BeginIn{PhoneNumber: alice}
	_, err := h.LoginSMS(ctx, stranger(), in)
	in.Captcha = solve(t, *want(t, err, core.CodeCaptchaRequired).Captcha)
	_, err = h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: bob, Captcha: in.Captcha})
	want(t, err, core.CodeCaptchaRequired)
	_, err = h.LoginSMS(ctx, at("203.0.113.4"), in)
	want(t, err, core.CodeCaptchaRequired)
	_, err = h.LoginSMS(ctx, at("192.0.2.200"), in) // the same network
	want(t, err, "")
	h.pass(10 * time.Minute)
	_, err = h.LoginSMS(ctx, stranger(), in)
	want(t, err, core.CodeCaptchaRequired)
}

// A request whose answer was lost shows its solution again with its key, and is
// told again; with another key the solution is spent.
func TestASolutionIsToldAgainWithItsRequest(t *testing.T) {
	t.Parallel()
	h := liftingHouse(t)
	h.SetBudgetState(core.BudgetState{Nervous: captcha.Easy})
	_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice})
	in := core.BeginIn{PhoneNumber: alice, Captcha: solve(t, *want(t, err, core.CodeCaptchaRequired).Captcha)}
	in.Idempotency = core.Idempotency{Key: "k", Body: []byte("b")}
	first, err := h.LoginSMS(ctx, stranger(), in)
	want(t, err, "")
	again, err := h.LoginSMS(ctx, stranger(), in)
	want(t, err, "")
	if first.ID != again.ID {
		t.Error("a repeated begin began another challenge")
	}
	in.Idempotency.Key = "another"
	_, err = h.LoginSMS(ctx, stranger(), in)
	want(t, err, core.CodeCaptchaRequired)
}

// away is a service that nobody reaches.
type away struct{ captcha.Verifier }

func (away) Verify(context.Context, time.Time, string, captcha.Hardness, captcha.Solution) (captcha.Spent, error) {
	return captcha.Spent{}, captcha.ErrUnreachable
}

// C-103: a captcha that is needed and cannot be judged is a 503; one that is not
// needed keeps nobody out.
func TestC103ACaptchaThatNobodyJudges(t *testing.T) {
	t.Parallel()
	h := liftingHouse(t)
	h.captcha = away{h.captcha}
	h.Core = h.coreOver(h.store)
	in := core.BeginIn{PhoneNumber: alice, Captcha: captcha.Solution{Type: "altcha", Token: "x"}}
	_, err := h.LoginSMS(ctx, stranger(), in)
	want(t, err, "")
	h.SetBudgetState(core.BudgetState{Nervous: captcha.Easy})
	in.PhoneNumber = bob
	_, err = h.LoginSMS(ctx, stranger(), in)
	want(t, err, core.CodeUnavailable)
}

// C-42: strangers burn all that there is to burn, from the owner's own address,
// and the owner's known device notices nothing.
func TestC42AnOwnerWithAKnownDeviceEntersWhateverStrangersBurn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(s *core.Settings) {
		s.Limits = map[string]limit.Rule{
			"send_country": {N: 95, Window: 24 * time.Hour}, "send_total": {N: 95, Window: 24 * time.Hour},
		}
	})
	owner := h.signUp(alice, goodPassword)
	burnt := h.burn(t)
	h.asksForWork()

	for _, name := range []string{
		"begin_address", "code_failures_address", "code_failures_number", "password_failures_address", "failed_passwords",
		"send_prefix", "send_country", "guard_country",
	} {
		if !burnt[name] {
			t.Errorf("%s was not burnt: %v", name, burnt)
		}
	}
	h.SetBudgetState(core.BudgetState{ClosedToStrangers: map[string]bool{"": true, "US": true}, Nervous: captcha.Hardest})

	ch := h.loginSMS(alice, owner.DeviceToken)
	_, err := h.verify(ch, h.code(ch))
	want(t, err, "")
	set, err := h.loginPassword(alice, goodPassword, owner.DeviceToken)
	want(t, err, "")
	set, err = h.refresh(set.RefreshToken, owner.DeviceToken)
	want(t, err, "")
	me := h.as(set)
	_, err = h.ReauthenticatePassword(ctx, me, goodPassword)
	want(t, err, "")
	ch, err = h.ReauthenticateSMS(ctx, me, core.BeginIn{})
	want(t, err, "")
	h.pass(sendWaits[0])
	_, err = h.Resend(ctx, me, core.ResendIn{ChallengeID: ch.ID})
	want(t, err, "")
	_, err = h.Verify(ctx, me, core.VerifyIn{ChallengeID: ch.ID, Code: h.code(ch)})
	want(t, err, "")
}

// burn has strangers at one address and everywhere else go on at alice's number
// until nothing passes any more. It tells which limits answered.
func (h *house) burn(t *testing.T) map[string]bool {
	t.Helper()
	burnt := map[string]bool{}
	note := func(err error) {
		t.Helper()
		if codeOf(err) == core.CodeRateLimited {
			burnt[h.heardLimit()] = true
		}
	}
	guess := func(caller core.Caller, number string, in captcha.Solution) {
		ch, err := h.LoginSMS(ctx, caller, core.BeginIn{PhoneNumber: number, Captcha: in})
		if ask := refusalOf(err); ask != nil && ask.Code == core.CodeCaptchaRequired {
			ch, err = h.LoginSMS(ctx, caller, core.BeginIn{PhoneNumber: number, Captcha: solve(t, *ask.Captcha)})
		}
		if note(err); err != nil {
			return
		}
		for range core.MaxGuesses {
			_, err := h.Verify(ctx, caller, core.VerifyIn{ChallengeID: ch.ID, Code: keyring.Secret("00000000"[:ch.CodeLength])})
			note(err)
		}
	}
	for range 8 { // the number's codes
		guess(stranger(), alice, captcha.Solution{})
		h.pass(20 * time.Minute)
	}
	for i := range 25 { // the prefix
		guess(at(everywhere(i)), fmt.Sprintf("+1415555%04d", 200+i), captcha.Solution{})
	}
	for i := range 62 { // the address, the country
		guess(stranger(), spread(i), captcha.Solution{})
		guess(at(everywhere(100+i)), spread(100+i), captcha.Solution{})
	}
	for i := range 35 {
		_, err := h.loginPassword(spread(i), "not the password", "")
		note(err)
		_, err = h.LoginPassword(ctx, at(everywhere(i)), core.LoginPasswordIn{PhoneNumber: alice, Password: "not the password"})
		note(err)
	}
	h.pass(6 * time.Minute)
	guess(at(everywhere(300)), spread(300), captcha.Solution{})
	return burnt
}

// Behind an address that five hundred others have used up, a known device signs
// in; so does a new one by password, and, where a captcha was named, by code.
func TestC44APersonBehindABusyAddressSignsIn(t *testing.T) {
	t.Parallel()
	h := liftingHouse(t, func(s *core.Settings) { s.GuardMonitor = true })
	owner := h.signUp(alice, goodPassword)
	h.pass(2 * time.Hour)
	full := 0
	for i := range 500 {
		if _, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: spread(i)}); codeOf(err) == core.CodeCaptchaRequired {
			full++
		}
		if i < 25 {
			_, err := h.loginPassword(spread(i), "not the password", "")
			want(t, err, core.CodeInvalidCredentials)
		}
		_, err := h.loginPassword(alice, goodPassword, "") // right ones are no failures
		want(t, err, "")
	}
	if full != 440 {
		t.Errorf("%d of 500 found the address full", full)
	}
	ch := h.loginSMS(alice, owner.DeviceToken)
	_, err := h.verify(ch, h.code(ch))
	want(t, err, "")
	_, err = h.loginPassword(alice, goodPassword, owner.DeviceToken)
	want(t, err, "")

	in := core.BeginIn{PhoneNumber: alice}
	_, err = h.LoginSMS(ctx, stranger(), in)
	in.Captcha = solve(t, *want(t, err, core.CodeCaptchaRequired).Captcha)
	ch, err = h.LoginSMS(ctx, stranger(), in)
	want(t, err, "")
	_, err = h.verify(ch, h.code(ch))
	want(t, err, "")

	// Solved or not, and right or not: the address has so many and no more.
	for i := range 60 {
		in := core.BeginIn{PhoneNumber: spread(600 + i), Captcha: captcha.Solution{Type: "altcha", Token: "x"}}
		_, err = h.LoginSMS(ctx, stranger(), in)
	}
	want(t, err, core.CodeRateLimited)
}

// Failed passwords of others at an address keep a known device out as little.
func TestC42FailedPasswordsOfAnAddressPassKnownDevicesBy(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	owner := h.signUp(alice, goodPassword)
	other := h.signUp(bob, "")
	for i := range 31 {
		_, err := h.loginPassword(spread(i), "not the password", "")
		if i == 30 {
			want(t, err, core.CodeRateLimited)
		}
	}
	_, err := h.loginPassword(alice, goodPassword, other.DeviceToken) // known to somebody else
	want(t, err, core.CodeRateLimited)
	_, err = h.loginPassword(alice, goodPassword, owner.DeviceToken)
	want(t, err, "")
	// What was refused at the address counts nowhere: three more are judged.
	h.pass(time.Hour)
	for range 3 {
		_, err = h.loginPassword(alice, "not the password", "")
		want(t, err, core.CodeInvalidCredentials)
	}
	// A known device's own failures are none of the address's.
	for range 3 {
		_, _ = h.loginPassword(bob, "not the password", other.DeviceToken)
	}
}
