package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/captcha/captchatest"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// british is the i-th of numbers in another country, each in a prefix of its own.
func british(i int) string { return fmt.Sprintf("+447400%06d", 123456+10000*i) }

func (h *house) paused() []event.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []event.Event
	for _, e := range h.traffic {
		if e.Name == event.SendingPaused {
			all = append(all, e)
		}
	}
	return all
}

// campaign sends so many codes, of which every n-th is redeemed (0: none), and
// has them settle.
func (h *house) campaign(sends, redeemEach int, address, number func(int) string) {
	h.t.Helper()
	for i := range sends {
		ch, err := h.Signup(ctx, at(address(i)), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: number(i)}})
		if err != nil {
			h.t.Fatalf("message %d: %v (%s)", i, err, h.heardLimit())
		}
		if redeemEach > 0 && i%redeemEach == 0 {
			if _, err := h.Verify(ctx, at(address(i)), core.VerifyIn{ChallengeID: ch.ID, Code: h.code(ch)}); err != nil {
				h.t.Fatal(err)
			}
		}
	}
}

// C-50: fifty messages of which fewer than a fifth come back pause a prefix, a
// country or an address for strangers, for an hour, and once an event tells.
func TestC50TheGuardPausesWhatDoesNotConvert(t *testing.T) {
	t.Parallel()
	onePrefix := func(i int) string { return fmt.Sprintf("+14155550%03d", 200+i) }
	bothLands := func(i int) string { return []string{spread(300 + i), british(i)}[i%2] }
	for _, c := range []struct {
		scope, subject  string
		address, number func(int) string
		settle          time.Duration
		elsewhere       string // a number that is still sent to, from another address
	}{
		{"prefix", "+1415555", everywhere, onePrefix, 31 * time.Minute, british(60)},
		{"country", "US", everywhere, spread, 6 * time.Minute, british(60)},
		{"address", "198.51.100.9", oneHost, bothLands, 6 * time.Minute, spread(700)},
	} {
		t.Run(c.scope, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, only("none", 0))
			begin := func(address, number string) error {
				_, err := h.LoginSMS(ctx, at(address), core.BeginIn{PhoneNumber: number})
				return err
			}
			known := h.signUp(alice, "")
			h.pass(7 * time.Hour) // long ago: it counts for nothing here
			h.campaign(49, 0, c.address, c.number)
			h.pass(c.settle)
			want(t, begin(c.address(50), c.number(50)), "") // the fiftieth
			if len(h.paused()) != 0 {
				t.Fatal("paused below the floor")
			}
			want(t, begin(c.address(51), c.number(51)), "") // what was just sent is not held against anybody
			h.pass(c.settle)
			for i := 52; i < 55; i++ {
				refusal := want(t, begin(c.address(i), c.number(i)), core.CodeRateLimited)
				if refusal.RetryAfter != time.Hour || h.heardLimit() != "guard_"+c.scope {
					t.Errorf("retry after %v by %s", refusal.RetryAfter, h.heardLimit())
				}
			}
			told := h.paused()
			if len(told) != 1 {
				t.Fatalf("%d sending_paused events", len(told))
			}
			a := told[0].Attributes
			if a["scope"] != c.scope || a["subject"] != c.subject || a["sent"] != int64(51) || a["redeemed"] != int64(0) ||
				a["threshold"] != int64(11) || a["monitor"] != false {
				t.Errorf("it says %v", a)
			}
			want(t, begin("203.0.113.5", c.elsewhere), "") // honest people elsewhere
			ch := h.loginSMS(alice, known.DeviceToken)     // and known devices everywhere
			_, err := h.verify(ch, h.code(ch))
			want(t, err, "")
			h.pass(8 * time.Hour)
			want(t, begin(c.address(56), c.number(56)), "")
		})
	}
}

// C-50: a pause is over after an hour, though what caused it is still within the
// scope's window: it was judged. What is sent then, and does not come back, is
// judged anew.
func TestC50APauseLastsAnHour(t *testing.T) {
	t.Parallel()
	onePrefix := func(i int) string { return fmt.Sprintf("+14155550%03d", 200+i) }
	for _, number := range []func(int) string{onePrefix, spread} { // a window of six hours, and one of one
		h := newHouse(t, only("none", 0))
		begin := func(i int) error {
			_, err := h.LoginSMS(ctx, at(everywhere(700)), core.BeginIn{PhoneNumber: number(i)})
			return err
		}
		for round := range 3 {
			n := 200 * round
			h.campaign(52, 0, everywhere, func(i int) string { return number(n + i) })
			h.pass(31 * time.Minute)
			want(t, begin(n+60), core.CodeRateLimited)
			h.pass(59 * time.Minute)
			want(t, begin(n+61), core.CodeRateLimited)
			h.pass(6 * time.Minute) // 1 h 5 min in all
			want(t, begin(n+62), "")
			if told := len(h.paused()); told != round+1 {
				t.Errorf("told %d times in round %d", told, round)
			}
			h.pass(longestWait)
		}
	}
}

// A fifth of the codes coming back is enough; a fifth less one is not.
func TestC50TheRatioIsAFifth(t *testing.T) {
	t.Parallel()
	for each, paused := range map[int]int{5: 0, 6: 1} {
		h := newHouse(t, only("none", 0))
		h.campaign(60, each, everywhere, spread)
		h.pass(6 * time.Minute)
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: spread(100)})
		if got := len(h.paused()); got != paused {
			t.Errorf("every %dth redeemed: %d pauses, want %d (%v)", each, got, paused, err)
		}
	}
}

// The same verify told again is no second redemption: nobody makes a campaign
// look honest by repeating one good code.
func TestC50ARepeatedVerifyConvertsOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, only("none", 0))
	ch := h.begin(spread(200))
	code := h.code(ch)
	for range 20 {
		_, err := h.Verify(ctx, stranger(), core.VerifyIn{
			ChallengeID: ch.ID, Code: code, Idempotency: core.Idempotency{Key: "k", Body: []byte("b")},
		})
		want(t, err, "")
	}
	h.campaign(60, 0, everywhere, spread)
	h.pass(6 * time.Minute)
	_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: spread(201)})
	want(t, err, core.CodeRateLimited)
	if told := h.paused(); len(told) != 1 || told[0].Attributes["redeemed"] != int64(1) {
		t.Errorf("paused: %v", told)
	}
}

func TestC50AMonitorOnlyTells(t *testing.T) {
	t.Parallel()
	h := newHouse(t, only("none", 0), func(s *core.Settings) { s.GuardMonitor = true })
	h.asksForWork()
	h.campaign(60, 0, everywhere, spread)
	h.pass(6 * time.Minute)
	for i := range 3 {
		_, err := h.LoginSMS(ctx, at(everywhere(70+i)), core.BeginIn{PhoneNumber: spread(70 + i)})
		want(t, err, "")
	}
	if told := h.paused(); len(told) != 1 || told[0].Attributes["monitor"] != true {
		t.Errorf("paused: %v", told)
	}
}

// From half of the floor on strangers work for a message, harder and harder,
// until it is paused; who has a known device does not.
func TestC50TheGuardGrowsNervousFirst(t *testing.T) {
	t.Parallel()
	h := newHouse(t, only("none", 0))
	h.asksForWork()
	known := h.signUp(alice, "").DeviceToken
	h.pass(7 * time.Hour)
	sent := 0
	asked := func(sends int) captcha.Ask {
		t.Helper()
		for ; sent < sends; sent++ {
			in := core.BeginIn{PhoneNumber: spread(sent)}
			if _, err := h.LoginSMS(ctx, at(everywhere(sent)), in); codeOf(err) == core.CodeCaptchaRequired {
				in.Captcha = solve(t, *refusalOf(err).Captcha)
				_, err = h.LoginSMS(ctx, at(everywhere(sent)), in)
				want(t, err, "")
			}
		}
		h.pass(6 * time.Minute)
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: spread(400)})
		if err == nil {
			sent++ // that was one more
			return captcha.Ask{}
		}
		return *want(t, err, core.CodeCaptchaRequired).Captcha
	}
	if ask := asked(20); ask.Type != "" {
		t.Error("asked after 20 messages")
	}
	easy := asked(25)
	hard := asked(40)
	if len(easy.Challenge) == 0 || work(t, hard) <= work(t, easy) {
		t.Errorf("after 25 %s, after 40 %s", easy.Challenge, hard.Challenge)
	}
	h.loginSMS(alice, known)
}

// C-45: with codes guessed everywhere, strangers work and get eight digits,
// whether or not somebody has the number; known devices notice nothing.
func TestC45GuessingEverywhereAsksStrangersForMore(t *testing.T) {
	t.Parallel()
	h := newHouse(t, only("none", 0), func(s *core.Settings) { s.GuardMonitor = true })
	h.asksForWork()
	known := h.signUp(alice, goodPassword).DeviceToken
	guess := wrongCodes(everywhere)(h)
	for i := range 300 {
		want(t, guess(i), core.CodeInvalidCode)
	}
	h.pass(time.Minute)
	if ch := h.loginSMS(carol, ""); ch.CodeLength != 6 {
		t.Errorf("%d digits after 300 failures", ch.CodeLength)
	}
	want(t, guess(300), core.CodeInvalidCode)
	for _, number := range []string{alice, bob} {
		in := core.BeginIn{PhoneNumber: number}
		_, err := h.LoginSMS(ctx, stranger(), in)
		in.Captcha = solve(t, *want(t, err, core.CodeCaptchaRequired).Captcha)
		ch, err := h.LoginSMS(ctx, stranger(), in)
		want(t, err, "")
		if ch.CodeLength != 8 {
			t.Errorf("%s gets %d digits", number, ch.CodeLength)
		}
	}
	if ch := h.loginSMS(alice, known); ch.CodeLength != 6 {
		t.Errorf("a known device gets %d digits", ch.CodeLength)
	}
	h.passwordsUnderAlarm(t, known)

	h.SetBaseline(101) // a busy house: 303 is what is usual, three times
	h.pass(longestWait)
	if ch := h.loginSMS(carol, ""); ch.CodeLength != 6 {
		t.Errorf("%d digits below three times the median", ch.CodeLength)
	}
	h.SetBaseline(0)
	h.pass(11 * time.Minute)
	if ch := h.loginSMS(carol, ""); ch.CodeLength != 6 {
		t.Errorf("%d digits once it is over", ch.CodeLength)
	}
}

func (h *house) passwordsUnderAlarm(t *testing.T, known keyring.Secret) {
	t.Helper()
	_, err := h.loginPassword(alice, goodPassword, known)
	want(t, err, "")
	_, err = h.loginPassword(alice, goodPassword, "")
	ask := want(t, err, core.CodeCaptchaRequired).Captcha
	in := core.LoginPasswordIn{PhoneNumber: alice, Password: goodPassword, Captcha: solve(t, *ask)}
	_, err = h.LoginPassword(ctx, stranger(), in)
	want(t, err, "")
	_, err = h.LoginPassword(ctx, stranger(), in) // once
	want(t, err, core.CodeCaptchaRequired)
}

// deaf is a limiter that does not answer.
type deaf struct{ limit.Limiter }

func (deaf) Take(context.Context, time.Time, ...limit.Count) (limit.Decision, error) {
	return limit.Decision{}, context.DeadlineExceeded
}

func TestC103WithoutALimiterNothingIsAdmitted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	ch := h.loginSMS(alice, "")
	h.limiter = deaf{h.limiter}
	h.Core = h.coreOver(h.store)
	_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: bob})
	want(t, err, core.CodeUnavailable)
	_, err = h.verify(ch, h.code(ch))
	want(t, err, core.CodeUnavailable)
	_, err = h.loginPassword(alice, goodPassword, "")
	want(t, err, core.CodeUnavailable)
	_, err = h.refresh(set.RefreshToken, "")
	want(t, err, core.CodeUnavailable)
}

func solve(t *testing.T, ask captcha.Ask) captcha.Solution {
	t.Helper()
	solution, err := captchatest.Solve(ask)
	if err != nil {
		t.Fatal(err)
	}
	return solution
}

// work is how much an ask asks for: iterations on average.
func work(t *testing.T, ask captcha.Ask) int {
	t.Helper()
	var c struct {
		Parameters struct {
			Cost      int    `json:"cost"`
			KeyPrefix string `json:"keyPrefix"`
		} `json:"parameters"`
	}
	if err := json.Unmarshal(ask.Challenge, &c); err != nil {
		t.Fatal(err)
	}
	return c.Parameters.Cost << (4 * len(c.Parameters.KeyPrefix))
}
