package core_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// crowd has forty people behind one address sign in by password at one moment,
// in which no hashing slot is free. It tells how it ended for how many.
func (h *house) crowd(t *testing.T, password keyring.Secret) map[core.Code]int {
	t.Helper()
	var slots []interface{ Release() }
	for range 5 {
		slot, err := h.hasher.Acquire(ctx)
		want(t, err, "")
		slots = append(slots, slot)
	}
	var all sync.WaitGroup
	var refused atomic.Int64
	codes := make([]core.Code, 40)
	for i := range codes {
		all.Go(func() {
			_, err := h.LoginPassword(ctx, stranger(), core.LoginPasswordIn{PhoneNumber: spread(i), Password: password})
			codes[i] = codeOf(err)
			refused.Add(1)
		})
	}
	for int64(h.hasher.Waiting())+refused.Load() < 40 {
		runtime.Gosched()
	}
	for _, slot := range slots {
		slot.Release()
	}
	all.Wait()
	ended := map[core.Code]int{}
	for _, code := range codes {
		ended[code]++
	}
	return ended
}

// C-44: who waits for a hashing slot has not failed: forty people behind one
// address, all with the right password, get in; of forty wrong ones thirty are
// judged.
func TestC44ACrowdBehindOneAddressIsNoGuesser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 40 {
		h.signUp(spread(i), goodPassword)
	}
	if ended := h.crowd(t, goodPassword); ended[""] != 40 {
		t.Errorf("with right passwords: %v", ended)
	}
	if ended := h.crowd(t, "not the password"); ended[core.CodeInvalidCredentials] != 30 || ended[core.CodeRateLimited] != 10 {
		t.Errorf("with wrong ones: %v", ended)
	}
	_, err := h.LoginPassword(ctx, stranger(), core.LoginPasswordIn{PhoneNumber: spread(0), Password: goodPassword})
	if e := want(t, err, core.CodeRateLimited); e.RetryAfter != time.Hour {
		t.Errorf("then: retry after %v", e.RetryAfter)
	}
}

// alarm makes it look as if codes were guessed everywhere (C-45).
func (h *house) alarm(t *testing.T) {
	t.Helper()
	failed := limit.Tally{Name: "code_failures", Window: 10 * time.Minute, Add: 301, Reserved: true}
	_, err := h.limiter.Tally(ctx, h.clock(), failed)
	want(t, err, "")
}

// strict is a captcha that nobody solves. It counts what it was asked to judge.
type strict struct {
	captcha.Verifier
	judged *int
}

func (s strict) Verify(context.Context, time.Time, string, captcha.Hardness, captcha.Solution) (captcha.Spent, error) {
	*s.judged++
	return captcha.Spent{}, captcha.ErrWrong
}

// C-45: solutions that are none count as wrong passwords, so that nobody has a
// service judge any number of them; no solution at all counts nothing.
func TestC45WrongCaptchasWithPasswordsHaveAnEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.asksForWork()
	h.signUp(alice, goodPassword)
	h.alarm(t)
	for range 40 {
		_, err := h.loginPassword(alice, goodPassword, "")
		want(t, err, core.CodeCaptchaRequired)
	}
	work, judged := h.captcha, 0
	h.captcha = strict{work, &judged}
	h.Core = h.coreOver(h.store)
	in := core.LoginPasswordIn{PhoneNumber: alice, Password: goodPassword, Captcha: captcha.Solution{Type: "altcha", Token: "x"}}
	var err error
	for range 100 {
		_, err = h.LoginPassword(ctx, stranger(), in)
	}
	want(t, err, core.CodeRateLimited)
	if judged != 30 {
		t.Errorf("%d were judged", judged)
	}
}

// C-45: challenges begun before codes were guessed everywhere are worth no more
// than those begun after: one guess of six digits, with or without an account.
func TestC45HoardedChallengesTakeOneGuessUnderTheAlarm(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.signUp(alice, "").DeviceToken
	h.pass(2 * time.Hour)
	ofDevice := h.loginSMS(alice, known)
	tried, hoarded := h.begin(spread(1)), []core.Challenge{h.loginSMS(alice, ""), h.loginSMS(bob, "")}
	_, err := h.verify(tried, "000000")
	want(t, err, core.CodeInvalidCode)
	h.alarm(t)
	_, err = h.verify(tried, "000000") // it had its one before
	want(t, err, core.CodeChallengeSpent)
	for _, ch := range hoarded {
		_, err = h.verify(ch, "000000")
		if left := want(t, err, core.CodeInvalidCode).AttemptsLeft; *left != 0 {
			t.Errorf("%d attempts left", *left)
		}
		_, err = h.verify(ch, "000000")
		want(t, err, core.CodeChallengeSpent)
	}
	for i := range 2 {
		_, err := h.verify(ofDevice, wrong(h.code(ofDevice)))
		if left := want(t, err, core.CodeInvalidCode).AttemptsLeft; *left != 4-i {
			t.Errorf("a known device has %d attempts left", *left)
		}
	}
	_, err = h.verify(ofDevice, h.code(ofDevice))
	want(t, err, "")
	longer := h.loginSMS(carol, "")
	for i := range 2 {
		_, err := h.verify(longer, "00000000")
		if left := want(t, err, core.CodeInvalidCode).AttemptsLeft; *left != 4-i {
			t.Errorf("of eight digits, %d attempts are left", *left)
		}
	}
}

// A right code is a challenge's one guess, too.
func TestC45TheOneGuessMayBeRight(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ch := h.begin(bob)
	code := h.code(ch)
	h.alarm(t)
	_, err := h.verify(ch, code)
	want(t, err, "")
}

// What was solved when it was easy does not pass where harder is asked for,
// neither from an address that is exhausted nor from any other.
func TestC45AnEasySolutionDoesNotPassWhereHardIsAsked(t *testing.T) {
	t.Parallel()
	for _, begins := range []int{0, 60} {
		h := liftingHouse(t, func(s *core.Settings) { s.GuardMonitor = true })
		for i := range begins {
			_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: spread(i)})
			want(t, err, "")
		}
		ask := func(nervous captcha.Hardness, in captcha.Solution) captcha.Solution {
			t.Helper()
			h.SetBudgetState(core.BudgetState{Nervous: nervous})
			_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice, Captcha: in})
			return solve(t, *want(t, err, core.CodeCaptchaRequired).Captcha)
		}
		easy := ask(captcha.Easy, captcha.Solution{})
		hard := ask(3, easy)
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: alice, Captcha: hard})
		want(t, err, "")
	}
}

// A solution that was spent passes with no other request, however many others'
// the limiter has to count together once it is full.
func TestASpentSolutionIsSpentInAFullLimiter(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.limiter = limit.NewMemory(limit.MemoryOptions{Bytes: 4 << 20})
	h.asksForWork()
	h.SetBudgetState(core.BudgetState{Nervous: captcha.Easy})
	in := core.BeginIn{PhoneNumber: alice}
	_, err := h.LoginSMS(ctx, stranger(), in)
	in.Captcha = solve(t, *want(t, err, core.CodeCaptchaRequired).Captcha)
	_, err = h.LoginSMS(ctx, stranger(), in)
	want(t, err, "")
	for i := range 100_000 {
		once := limit.Rule{Name: "captcha_once", N: 1, Window: time.Hour, Reserved: i%2 == 0}
		_, err := h.limiter.Take(ctx, h.clock(), limit.Count{Rule: once, Key: fmt.Sprint(i)})
		want(t, err, "")
	}
	for i := range 300 {
		for _, reserved := range []bool{true, false} {
			others := limit.Tally{Name: "captcha_request", Key: fmt.Sprint(i), Window: 10 * time.Minute, Add: 1, Reserved: reserved}
			_, err := h.limiter.Tally(ctx, h.clock(), others)
			want(t, err, "")
		}
	}
	h.pass(time.Minute)
	for i := range 20 {
		in.Idempotency = core.Idempotency{Key: fmt.Sprint(i), Body: []byte("b")}
		_, err = h.LoginSMS(ctx, stranger(), in)
		want(t, err, core.CodeCaptchaRequired)
	}
}
