package core

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/phone"
)

// The conversion guard (C-50): where codes are sent and hardly any come back,
// somebody pumps messages. It counts all of them, decoys' too, and known devices',
// since a pumper has accounts; what it pauses are strangers' alone.
const (
	guardFloor = 50        // messages below which nobody is judged
	guardPct   = 20        // how many of a hundred have to be redeemed
	guardPause = time.Hour // how long strangers wait once fewer are

	// From so many messages on, what an address that is short sends more is not its
	// country's: a few addresses pause no country.
	addressFloor = 10

	// How long pauses are remembered by number. A slot of it is longer than any
	// scope's window: when a pause is forgotten, nothing counted before it is left.
	guardMemory = 7 * 24 * time.Hour
)

// C-45: so many failed codes of strangers in ten minutes, or three times what
// is usual, are an attack on all numbers at once.
const (
	alarmWindow = 10 * time.Minute
	alarmFloor  = 300
	alarmTimes  = 3
)

// codeFailures is the tally of strangers' failed codes.
func codeFailures(n int64) limit.Tally {
	return limit.Tally{Name: "code_failures", Window: alarmWindow, Add: n, Reserved: true}
}

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
	pauses  int64 // so far: what was judged once is not judged again
}

func (s scope) sent(n int64) limit.Tally {
	return limit.Tally{Name: "sent", Key: s.sincePause(), Window: s.window, Add: n}
}
func (s scope) redeemed(n int64) limit.Tally {
	return limit.Tally{Name: "redeemed", Key: s.sincePause(), Window: s.window, Add: n}
}
func (s scope) sincePause() string { return strconv.FormatInt(s.pauses, 10) + "/" + s.key }

// A pause costs whoever causes it fifty messages: its keys are not to be had in a flood.
func (s scope) paused(n int64) limit.Tally {
	return limit.Tally{Name: "paused", Key: s.key, Window: guardPause, Add: n, Reserved: true}
}
func (s scope) pausedBefore(n int64) limit.Tally {
	return limit.Tally{Name: "pauses", Key: s.key, Window: guardMemory, Add: n, Reserved: true}
}

// scopes are the three that a message to a number in a country, asked for by a
// caller, is of.
func (c *Core) scopes(caller Caller, n phone.Number, country string) [3]scope {
	address := host(caller.Address)
	return [3]scope{
		{name: "prefix", key: "prefix/" + c.prefixKey(n), subject: n.Prefix(), window: 6 * time.Hour},
		{name: "country", key: "country/" + country, subject: country, window: time.Hour},
		{name: "address", key: "address/" + address, subject: address, window: time.Hour},
	}
}

// conversion is how a scope's messages came back.
type conversion struct {
	sent     int64
	settled  int64 // of them long enough ago to have been redeemed
	redeemed int64
}

// conversionOf reads a scope's tallies. Where others' share one of them, nothing
// can be said.
func conversionOf(sent, redeemed limit.Tallied) conversion {
	if sent.Shared || redeemed.Shared {
		return conversion{}
	}
	return conversion{sent: sent.Sum, settled: sent.Settled, redeemed: redeemed.Sum}
}

// short tells whether of so many fewer came back than have to.
func (v conversion) short(of int64) bool { return v.redeemed*100 < of*guardPct }

// nervous grows from half of the floor on, where too few come back. What is under
// way is counted in: a burst works before anybody can tell whether it is honest.
func (v conversion) nervous() captcha.Hardness {
	if v.sent < guardFloor/2 || !v.short(v.sent) {
		return 0
	}
	step := (v.sent - guardFloor/2) * int64(captcha.Hardest) / (guardFloor - guardFloor/2)
	return min(captcha.Easy+captcha.Hardness(step), captcha.Hardest)
}

// guarded is what the guard says of a message, and the budgets of the money.
type guarded struct {
	scopes  [3]scope
	paused  *scope           // for strangers; nil: none
	nervous captcha.Hardness // how hard a captcha strangers are asked for; 0: none
	alarm   bool             // C-45: strangers' new codes have eight digits
}

// admitGuarded refuses strangers where sending is paused, and asks for a captcha
// where it may have to be soon, or where codes are guessed everywhere (C-45).
func (c *Core) admitGuarded(ctx context.Context, s *sending) error {
	g, err := c.watch(ctx, s)
	if err != nil {
		return err
	}
	reason := "captcha_required"
	if g.paused != nil {
		if !c.lifts(g) {
			return c.overGuard(s, *g.paused)
		}
		reason = "guard_country"
	}
	if g.nervous > 0 || c.settings.CaptchaLifts {
		// Who needs no captcha is not kept from anything by its service's outage.
		if err := c.judgeCaptcha(ctx, s, max(g.nervous, captcha.Easy)); err != nil && g.nervous > 0 {
			return err
		}
	}
	if g.nervous > 0 && c.captcha != nil && !s.solved {
		return c.askCaptcha(s, reason, g.nervous)
	}
	return nil
}

// lifts tells whether the hardest captcha leads past a pause. It does past a
// country's, which a few strangers may have caused; a prefix, or an address, is
// what is pumped itself.
func (c *Core) lifts(g *guarded) bool {
	return g.paused.name == "country" && c.captcha != nil && c.settings.CaptchaLifts
}

// hardness is that of the captchas a stranger is asked for now, if for any.
func (c *Core) hardness(ctx context.Context, s *sending) (captcha.Hardness, error) {
	g, err := c.watch(ctx, s)
	if err != nil {
		return 0, err
	}
	return max(g.nervous, captcha.Easy), nil
}

// watch looks at the guard's counts once for a message.
func (c *Core) watch(ctx context.Context, s *sending) (*guarded, error) {
	if s.guard != nil {
		return s.guard, nil
	}
	g := &guarded{nervous: min(c.budgetState().Nervous, captcha.Hardest)}
	if !c.settings.LimitsDisabled {
		if err := c.judgeScopes(ctx, s, g); err != nil {
			return nil, err
		}
	}
	if g.paused != nil && c.lifts(g) {
		g.nervous = captcha.Hardest
	}
	s.guard = g
	return g, nil
}

func (c *Core) judgeScopes(ctx context.Context, s *sending, g *guarded) error {
	g.scopes = c.scopes(s.caller, s.number, s.country)
	tallies := []limit.Tally{codeFailures(0)}
	for _, p := range g.scopes {
		tallies = append(tallies, p.pausedBefore(0), p.paused(0))
	}
	pauses, err := c.tally(ctx, s.now, tallies...)
	if err != nil {
		return err
	}
	alarm := c.alarmed(pauses[0])
	g.alarm, g.nervous = alarm > 0, max(g.nervous, alarm)
	tallies = tallies[:0]
	for i := range g.scopes {
		p := &g.scopes[i]
		p.pauses = pauses[1+2*i].Sum
		tallies = append(tallies, p.sent(0), p.redeemed(0))
	}
	since, err := c.tally(ctx, s.now, tallies...)
	if err != nil {
		return err
	}
	for i := range g.scopes {
		p := &g.scopes[i]
		v := conversionOf(since[2*i], since[2*i+1])
		paused := pauses[2+2*i].Sum > 0 && !pauses[2+2*i].Shared
		if !paused && v.settled >= guardFloor && v.short(v.settled) {
			if paused, err = c.pause(ctx, s, p, v); err != nil {
				return err
			}
		}
		switch {
		case c.settings.GuardMonitor:
		case paused:
			g.paused = p
			if p.name != "country" {
				return nil
			}
		default:
			g.nervous = max(g.nervous, v.nervous())
		}
	}
	return nil
}

// alarmed tells how hard a captcha is while codes are guessed everywhere; 0
// while they are not (C-45).
func (c *Core) alarmed(failures limit.Tallied) captcha.Hardness {
	threshold := max(alarmFloor, alarmTimes*c.watched.baseline.Load())
	if failures.Sum <= threshold || failures.Shared {
		return 0
	}
	return captcha.Hardness(min(1+failures.Sum/threshold, int64(captcha.Hardest)))
}

// pause stops messages to strangers in a scope, and tells of it once. The event
// names no caller and no number: with the prefix they would say too much.
func (c *Core) pause(ctx context.Context, s *sending, p *scope, v conversion) (bool, error) {
	t, err := c.tally(ctx, s.now, p.paused(1), p.pausedBefore(1))
	if err != nil || t[0].Shared {
		return false, err
	}
	p.pauses = t[1].Sum
	if t[0].Sum == 1 {
		c.traffic(c.event(Caller{}, s.now, event.SendingPaused, event.Failure).
			With("scope", p.name).With("subject", p.subject).With("sent", v.settled).With("redeemed", v.redeemed).
			With("threshold", (v.settled*guardPct+99)/100).With("monitor", c.settings.GuardMonitor))
	}
	return true, nil
}

// overGuard refuses while a scope is paused. Beside a prefix in the same log no
// number is named, not even masked.
func (c *Core) overGuard(s *sending, p scope) error {
	e := c.event(s.caller, s.now, event.RateLimited, event.Failure)
	if p.name != "prefix" {
		e = c.about(e, s.phone)
	}
	e.Method, e.Reason = MethodSMS, "guard_"+p.name
	c.traffic(e)
	return rateLimited(s.now, s.now.Add(guardPause))
}

// sent counts a message that is on its way.
func (c *Core) sent(ctx context.Context, s *sending) {
	if s.test || c.settings.LimitsDisabled {
		return
	}
	p := s.guard.scopes
	ctx = context.WithoutCancel(ctx)
	t, err := c.tally(ctx, s.now, p[2].sent(1), p[2].redeemed(0), p[0].sent(1))
	if err == nil && !answersAlone(t) {
		c.count(ctx, s.now, p[1].sent(1))
	}
}

// answersAlone tells whether an address, by what was sent and redeemed from it,
// counts for no country. Where others share its tallies it does.
func answersAlone(t []limit.Tallied) bool {
	v := conversionOf(t[0], t[1])
	return v.sent >= addressFloor && v.short(v.sent)
}

// redeemed counts a message that came back as a code.
func (c *Core) redeemed(ctx context.Context, caller Caller, now time.Time, n phone.Number, country string) {
	if c.isTest(n) || c.settings.LimitsDisabled {
		return
	}
	ctx = context.WithoutCancel(ctx)
	p := c.scopes(caller, n, country)
	pauses, err := c.tally(ctx, now, p[0].pausedBefore(0), p[1].pausedBefore(0), p[2].pausedBefore(0))
	if err != nil {
		return // the code is redeemed all the same
	}
	for i := range p {
		p[i].pauses = pauses[i].Sum
	}
	t, err := c.tally(ctx, now, p[2].sent(0), p[2].redeemed(1), p[0].redeemed(1))
	if err == nil && !answersAlone(t) {
		c.count(ctx, now, p[1].redeemed(1))
	}
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
