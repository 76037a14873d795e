package core

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/phone"
)

// The conversion guard (C-50): where codes are sent and hardly any come back,
// somebody pumps messages. It counts strangers' alone, decoys' too.
const (
	guardFloor = 50        // messages below which nobody is judged
	guardPct   = 20        // how many of a hundred have to be redeemed
	guardPause = time.Hour // how long strangers wait once fewer are
)

// C-45: so many failed codes of strangers in ten minutes, or three times what
// is usual, are an attack on all numbers at once.
const (
	alarmWindow = 10 * time.Minute
	alarmFloor  = 300
	alarmTimes  = 3
)

// keyCodeFailures is the tally of strangers' failed codes.
const keyCodeFailures = "code_failures"

// BudgetState says how far the money for messages has gone. The keys are
// countries (ISO 3166-1 alpha-2), "" for all together.
type BudgetState struct {
	ClosedToStrangers map[string]bool  // what strangers may use up is used up
	Closed            map[string]bool  // all of it is
	Nervous           captcha.Hardness // how hard a captcha strangers are asked for; 0: none
}

// watched is what upkeep tells the flows every now and then.
type watched struct {
	budget   atomic.Pointer[BudgetState]
	baseline atomic.Int64
}

// SetBudgetState tells how far the money has gone: begins only read it. s is
// not changed afterwards.
func (c *Core) SetBudgetState(s BudgetState) { c.watched.budget.Store(&s) }

// SetBaseline tells how many codes fail in ten minutes as a rule: the median of
// the last seven days (C-45).
func (c *Core) SetBaseline(codeFailures int64) { c.watched.baseline.Store(codeFailures) }

func (c *Core) budgetState() BudgetState {
	if s := c.watched.budget.Load(); s != nil {
		return *s
	}
	return BudgetState{}
}

// scope is one of the groups whose conversion is watched.
type scope struct {
	name    string // "prefix", "country", "address"
	key     string // by which it is counted
	subject string // as operators know it
	window  time.Duration
}

func (s scope) sent(n int64) limit.Tally {
	return limit.Tally{Key: "sent/" + s.key, Window: s.window, Add: n}
}
func (s scope) redeemed(n int64) limit.Tally {
	return limit.Tally{Key: "redeemed/" + s.key, Window: s.window, Add: n}
}
func (s scope) paused(n int64) limit.Tally {
	return limit.Tally{Key: "paused/" + s.key, Window: guardPause, Add: n}
}

// scopes are the three that a message to a number in a country, asked for by a
// caller, is of.
func (c *Core) scopes(caller Caller, n phone.Number, country string) [3]scope {
	address := host(caller.Address)
	return [3]scope{
		{"prefix", "prefix/" + c.prefixKey(n), n.Prefix(), 6 * time.Hour},
		{"country", "country/" + country, country, time.Hour},
		{"address", "address/" + address, address, time.Hour},
	}
}

// conversion is how a scope's messages came back.
type conversion struct {
	settled  int64 // sent, and long enough ago to have been redeemed
	redeemed int64
	paused   bool
}

// short tells whether fewer came back than have to.
func (v conversion) short() bool { return v.redeemed*100 < v.settled*guardPct }

// nervous grows from half of the floor on, where too few come back.
func (v conversion) nervous() captcha.Hardness {
	if v.settled < guardFloor/2 || !v.short() {
		return 0
	}
	step := (v.settled - guardFloor/2) * int64(captcha.Hardest) / (guardFloor - guardFloor/2)
	return min(captcha.Easy+captcha.Hardness(step), captcha.Hardest)
}

// admitGuarded refuses strangers where sending is paused, and asks for a captcha
// where it may have to be soon, or where codes are guessed everywhere (C-45).
func (c *Core) admitGuarded(ctx context.Context, s *sending) error {
	nervous := c.budgetState().Nervous
	if !c.settings.LimitsDisabled {
		seen, err := c.watch(ctx, s)
		if err != nil {
			return err
		}
		nervous = max(nervous, seen)
	}
	if nervous > 0 || c.settings.CaptchaLifts {
		// Who needs no captcha is not kept from anything by its service's outage.
		if err := c.judgeCaptcha(ctx, s); err != nil && nervous > 0 {
			return err
		}
	}
	if nervous > 0 && c.captcha != nil && !s.solved {
		return c.askCaptcha(s, "captcha_required", min(nervous, captcha.Hardest))
	}
	return nil
}

// watch reads the guard's counts: a refusal where one of the scopes is paused,
// else how nervous they make.
func (c *Core) watch(ctx context.Context, s *sending) (nervous captcha.Hardness, err error) {
	scopes := c.scopes(s.caller, s.number, s.country)
	tallies := []limit.Tally{{Key: keyCodeFailures, Window: alarmWindow}}
	for _, p := range scopes {
		tallies = append(tallies, p.sent(0), p.redeemed(0), p.paused(0))
	}
	t, err := c.tally(ctx, s.now, tallies...)
	if err != nil {
		return 0, err
	}
	nervous = c.alarmed(t[0].Sum)
	s.longCode = nervous > 0
	for i, p := range scopes {
		v := conversion{settled: t[1+3*i].Settled, redeemed: t[2+3*i].Sum, paused: t[3+3*i].Sum > 0}
		if !v.paused && v.settled >= guardFloor && v.short() {
			if err := c.pause(ctx, s, p, v); err != nil {
				return 0, err
			}
			v.paused = true
		}
		if c.settings.GuardMonitor {
			continue
		}
		if v.paused {
			return 0, c.overGuard(s, p)
		}
		nervous = max(nervous, v.nervous())
	}
	return nervous, nil
}

// alarmed tells how hard a captcha is while codes are guessed everywhere; 0
// while they are not (C-45).
func (c *Core) alarmed(failures int64) captcha.Hardness {
	threshold := max(alarmFloor, alarmTimes*c.watched.baseline.Load())
	if failures <= threshold {
		return 0
	}
	return captcha.Hardness(min(1+failures/threshold, int64(captcha.Hardest)))
}

// pause stops messages to strangers in a scope, and tells of it once. The event
// names no caller and no number: with the prefix they would say too much.
func (c *Core) pause(ctx context.Context, s *sending, p scope, v conversion) error {
	t, err := c.tally(ctx, s.now, p.paused(1))
	if err != nil {
		return err
	}
	if t[0].Sum == 1 {
		c.traffic(c.event(Caller{}, s.now, event.SendingPaused, event.Failure).
			With("scope", p.name).With("subject", p.subject).With("sent", v.settled).With("redeemed", v.redeemed).
			With("threshold", (v.settled*guardPct+99)/100).With("monitor", c.settings.GuardMonitor))
	}
	return nil
}

// overGuard refuses while a scope is paused. Beside a prefix in the same log no
// number is named, not even masked.
func (c *Core) overGuard(s *sending, p scope) error {
	e := c.event(s.caller, s.now, event.RateLimited, event.Failure)
	if p.name != "prefix" {
		e = about(e, s.phone)
	}
	e.Method, e.Reason = MethodSMS, "guard_"+p.name
	c.traffic(e)
	return rateLimited(s.now, s.now.Add(guardPause))
}

// sent counts a message that is on its way to a stranger.
func (c *Core) sent(ctx context.Context, s *sending) {
	if s.device != "" || s.test || c.settings.LimitsDisabled {
		return
	}
	scopes := c.scopes(s.caller, s.number, s.country)
	c.count(ctx, s.now, scopes[0].sent(1), scopes[1].sent(1), scopes[2].sent(1))
}

// redeemed counts a stranger's message that came back as a code.
func (c *Core) redeemed(ctx context.Context, caller Caller, now time.Time, n phone.Number, country string) {
	if c.isTest(n) || c.settings.LimitsDisabled {
		return
	}
	scopes := c.scopes(caller, n, country)
	c.count(ctx, now, scopes[0].redeemed(1), scopes[1].redeemed(1), scopes[2].redeemed(1))
}

// count adds to tallies after a commit. It stands whatever the limiter answers.
func (c *Core) count(ctx context.Context, now time.Time, tallies ...limit.Tally) {
	_, _ = c.tally(context.WithoutCancel(ctx), now, tallies...)
}

func (c *Core) tally(ctx context.Context, now time.Time, tallies ...limit.Tally) ([]limit.Tallied, error) {
	t, err := c.limiter.Tally(ctx, now, tallies...)
	if err != nil {
		return nil, unavailable("asking the limiter", err)
	}
	return t, nil
}
