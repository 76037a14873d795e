package core_test

import (
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/limit"
)

// timed tells how long it takes to do something so often.
func timed(times int, do func(i int)) time.Duration {
	begun := time.Now()
	for i := range times {
		do(i)
	}
	return time.Since(begun)
}

// BenchmarkRefreshLimiter measures a refresh and, of it, what its limit takes:
// the same take, alone ("share").
func BenchmarkRefreshLimiter(b *testing.B) {
	const each = 200
	h := newHouse(b, only("none", 0))
	token := h.signUp(alice, "").RefreshToken
	rule := limit.Rule{Name: "refresh_session", N: 60, Window: time.Minute}
	var whole, part time.Duration
	for b.Loop() {
		whole += timed(each, func(int) {
			set, err := h.refresh(token, "")
			if err != nil {
				b.Fatal(err)
			}
			token = set.RefreshToken
		})
		part += timed(each, func(int) {
			if _, err := h.limiter.Take(ctx, h.clock(), limit.Count{Rule: rule, Key: "0198c0de-0000-7000-8000-000000000000"}); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.ReportMetric(float64(whole.Nanoseconds())/float64(b.N*each), "ns/refresh")
	b.ReportMetric(float64(part.Nanoseconds())/float64(b.N*each), "ns/take")
	b.ReportMetric(part.Seconds()/whole.Seconds(), "share")
	b.ReportMetric(0, "ns/op") // of a turn: it says nothing
}

// BenchmarkRefusedLogin measures a password that its address keeps from being
// judged beside one that is judged, by Argon2id as it is by default
// ("of-evaluated" should be less than 0.1).
func BenchmarkRefusedLogin(b *testing.B) {
	h := newHouse(b, func(s *core.Settings) {
		s.Limits = map[string]limit.Rule{"password_failures_address": {N: 1, Window: 24 * time.Hour}}
	})
	evaluated := benchHouse(b, 8)
	evaluated.signUp(alice, goodPassword)
	h.hasher = evaluated.hasher
	h.Core = h.coreOver(h.store)
	h.signUp(alice, goodPassword)
	_, _ = h.loginPassword(alice, "not the password", "")
	compare(b, 5, core.CodeInvalidCredentials, func(int) error {
		_, err := evaluated.loginPassword(alice, "not the password", "")
		return err
	}, core.CodeRateLimited, func(int) error {
		_, err := h.loginPassword(alice, "not the password", "")
		return err
	})
}

// BenchmarkRefusedBegin measures a begin that is refused beside one that is not
// ("of-evaluated" should be less than 0.1): by its address, by the captcha it
// lacks, by its prefix.
func BenchmarkRefusedBegin(b *testing.B) {
	full := func(name string) func(*core.Settings) {
		return func(s *core.Settings) {
			only(name, 1)(s)
			s.GuardMonitor = true
		}
	}
	begin := func(h *house) func(int) error {
		return func(i int) error {
			_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: spread(i % 800)})
			return err
		}
	}
	open := benchHouse(b, 1)
	b.Run("address", func(b *testing.B) {
		h := newHouse(b, full("begin_address"))
		_ = begin(h)(0)
		compare(b, 100, "", begin(open), core.CodeRateLimited, begin(h))
	})
	b.Run("country", func(b *testing.B) {
		h := newHouse(b, full("send_country"))
		_ = begin(h)(0)
		compare(b, 100, "", begin(open), core.CodeRateLimited, begin(h))
	})
	b.Run("captcha", func(b *testing.B) {
		h := newHouse(b, full("none"))
		h.asksForWork()
		h.SetBudgetState(core.BudgetState{Nervous: captcha.Easy})
		compare(b, 100, "", begin(open), core.CodeCaptchaRequired, begin(h))
	})
}

// compare sets what is refused beside what is evaluated, in turns.
func compare(b *testing.B, each int, yes core.Code, evaluate func(int) error, no core.Code, refuse func(int) error) {
	b.Helper()
	expect := func(code core.Code, do func(int) error) func(int) {
		return func(i int) {
			if err := do(i); codeOf(err) != code {
				b.Fatalf("%v, want %q", err, code)
			}
		}
	}
	var evaluated, refused time.Duration
	for b.Loop() {
		evaluated += timed(each, expect(yes, evaluate))
		refused += timed(each, expect(no, refuse))
	}
	b.ReportMetric(float64(evaluated.Microseconds())/float64(b.N*each), "µs/evaluated")
	b.ReportMetric(float64(refused.Microseconds())/float64(b.N*each), "µs/refused")
	b.ReportMetric(refused.Seconds()/evaluated.Seconds(), "of-evaluated")
	b.ReportMetric(0, "ns/op") // of a turn: it says nothing
}
