package core_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// With every limit in force, known, unknown, disabled and password-less numbers
// walk through the same answers, into every limit and out again (C-59, C-61).
func TestC61LimitsTellNoKindOfNumberFromAnother(t *testing.T) {
	t.Parallel()
	var first []string
	for _, kind := range kinds {
		h := kindHouse(t, kind, func(s *core.Settings) {
			s.CaptchaLifts = true
			s.Limits = map[string]limit.Rule{
				"begin_address": {N: 40, Window: time.Hour}, "send_prefix": {N: 12, Window: time.Hour},
				"code_failures_number": {N: 12, Window: 24 * time.Hour}, "code_failures_address": {N: 30, Window: time.Hour},
			}
		})
		h.asksForWork()
		answers := h.script(t)
		if first == nil {
			first = answers
		}
		if diff := cmp.Diff(first, answers); diff != "" {
			t.Errorf("%s and %s (-/+):\n%s", kinds[0], kind, diff)
		}
	}
	for _, needed := range []core.Code{core.CodeRateLimited, core.CodeCaptchaRequired, core.CodeInvalidCode, core.CodeInvalidCredentials, core.CodeDeliveryUnavailable} {
		if !slices.ContainsFunc(first, func(a string) bool { return strings.Contains(a, string(needed)) }) {
			t.Errorf("the script never met %s: %q", needed, first)
		}
	}
}

// script is what a stranger does to alice's number. It gives all that the
// stranger sees but ids and times of day.
func (h *house) script(t *testing.T) (answers []string) {
	t.Helper()
	note := func(doing string, ch core.Challenge, err error) {
		answer := fmt.Sprintf("%s at %v:", doing, h.clock())
		if e := refusalOf(err); e != nil {
			answer += fmt.Sprintf(" %s after %v, captcha %v", e.Code, e.RetryAfter, e.Captcha != nil)
			if e.AttemptsLeft != nil {
				answer += fmt.Sprintf(", %d left", *e.AttemptsLeft)
			}
		} else {
			answer += fmt.Sprintf(" %d digits, expires in %v, again in %v", ch.CodeLength, ch.ExpiresAt.Sub(h.clock()), ch.ResendAt.Sub(h.clock()))
		}
		answers = append(answers, answer+" by "+h.heardLimit())
	}
	begins := map[string]func(core.BeginIn) (core.Challenge, error){
		"login": func(in core.BeginIn) (core.Challenge, error) { return h.LoginSMS(ctx, stranger(), in) },
		"reset": func(in core.BeginIn) (core.Challenge, error) { return h.ResetPassword(ctx, stranger(), in) },
		"signup": func(in core.BeginIn) (core.Challenge, error) {
			return h.Signup(ctx, stranger(), core.SignupIn{BeginIn: in})
		},
	}
	in := core.BeginIn{PhoneNumber: alice}
	for round := range 14 {
		name := []string{"login", "reset", "signup"}[round%3]
		ch, err := begins[name](in)
		note(name, ch, err)
		if ask := refusalOf(err); ask != nil && ask.Code == core.CodeCaptchaRequired {
			solved := in
			solved.Captcha = solve(t, *ask.Captcha)
			ch, err = begins[name](solved)
			note(name+" solved", ch, err)
		}
		if err == nil {
			for range 2 {
				_, err := h.verify(ch, keyring.Secret("00000000"[:ch.CodeLength]))
				note("verify", ch, err)
			}
			h.pass(sendWaits[round%4])
			again, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
			note("resend", again, err)
		}
		_, err = h.loginPassword(alice, "not the password", "")
		note("password", core.Challenge{}, err)
		h.pass(longestWait)
	}
	h.SetBudgetState(core.BudgetState{ClosedToStrangers: map[string]bool{"US": true}})
	h.pass(time.Hour)
	ch, err := begins["login"](in)
	note("login", ch, err)
	return answers
}
