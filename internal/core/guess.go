package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/phone"
)

// Guesses of strangers count against the address and the network that they come
// from (C-44), before they are judged: what is full refuses right and wrong
// alike (C-62). What was no failure is given back.

// admitCode counts a code of a stranger's challenge ahead.
func (c *Core) admitCode(ctx context.Context, p *proof) error {
	if !p.challenge.byStranger() {
		return nil
	}
	counts := c.limits.places(limitCodesAddress, limitCodesNetwork, p.caller, "")
	full, err := c.take(ctx, p.now, counts...)
	if err != nil {
		return err
	}
	if full.Refused != "" {
		c.traffic(c.codeEvent(p, event.RateLimited, event.Failure, full.Refused))
		return rateLimited(p.now, p.now.Add(full.RetryAfter))
	}
	p.taken = counts
	return nil
}

// settleCode counts what became of a code: err is what the flow ends with.
func (c *Core) settleCode(ctx context.Context, p *proof, err error) {
	if p.outcome != Wrong && !isUncertain(err) {
		c.giveBack(ctx, p.now, p.taken)
	}
	if !p.challenge.byStranger() {
		return
	}
	switch {
	case p.outcome == Wrong && !c.settings.LimitsDisabled:
		c.count(ctx, p.now, limit.Tally{Key: keyCodeFailures, Window: alarmWindow, Add: 1})
	case p.outcome == Done && err == nil:
		if number, err := c.open(p.challenge.Phone, p.challenge.ID); err == nil {
			c.redeemed(ctx, p.caller, p.now, number, p.challenge.Country)
		}
	}
}

// guess is a password on its way to be judged, counted ahead against where it
// comes from.
type guess struct {
	caller   Caller
	number   phone.Number
	phone    SealedPhone // Key and Masked
	device   string      // shown by the caller; whose, the store judges
	solution captcha.Solution

	at     time.Time // when it was counted
	taken  []limit.Count
	failed bool // a stranger's, and wrong: it stays counted
}

func (c *Core) guessAt(caller Caller, number phone.Number, device string) *guess {
	return &guess{
		caller: caller, number: number, device: device, at: c.now(),
		phone: SealedPhone{Key: c.ring.Pseudonym(number.E164()), Masked: number.Masked()},
	}
}

// admitPassword counts a password ahead, before it waits for a hashing slot.
// settlePassword has to follow. Whoever shows a device known to the number goes
// on whatever others have exhausted (C-42).
func (c *Core) admitPassword(ctx context.Context, g *guess) error {
	counts := c.limits.places(limitPasswordAddress, limitPasswordNetwork, g.caller, "")
	full, err := c.take(ctx, g.at, counts...)
	if err != nil {
		return err
	}
	if full.Refused == "" {
		g.taken = counts
		return nil
	}
	known, err := c.shownKnown(ctx, g)
	if err != nil || known {
		return err
	}
	c.tellGuess(g, full.Refused)
	return rateLimited(g.at, g.at.Add(full.RetryAfter))
}

// settlePassword gives back what was no stranger's failure.
func (c *Core) settlePassword(ctx context.Context, g *guess) {
	if !g.failed {
		c.giveBack(ctx, g.at, g.taken)
	}
}

// admitCaptcha asks strangers who sign in by password for a captcha, too, while
// codes are guessed everywhere (C-45).
func (c *Core) admitCaptcha(ctx context.Context, g *guess) error {
	if c.captcha == nil || c.settings.LimitsDisabled {
		return nil
	}
	t, err := c.tally(ctx, g.at, limit.Tally{Key: keyCodeFailures, Window: alarmWindow})
	if err != nil {
		return err
	}
	hardness := c.alarmed(t[0].Sum)
	if hardness == 0 {
		return nil
	}
	if known, err := c.shownKnown(ctx, g); err != nil || known {
		return err
	}
	s := c.sendingTo(g.caller, g.at, g.number, "", g.solution)
	if err := c.judgeCaptcha(ctx, s); err != nil || s.solved {
		return err
	}
	return c.askCaptcha(s, "captcha_required", hardness)
}

// shownKnown tells whether the device shown is known to the number's user.
func (c *Core) shownKnown(ctx context.Context, g *guess) (bool, error) {
	if g.device == "" {
		return false, nil
	}
	state, err := c.store.Number(ctx, g.phone.Key, g.device)
	if err != nil {
		return false, unavailable("reading a number", err)
	}
	return state.KnownDevice, nil
}

func (c *Core) tellGuess(g *guess, limit string) {
	e := about(c.event(g.caller, g.at, event.RateLimited, event.Failure), g.phone)
	e.Method, e.Reason = MethodPassword, limit
	c.traffic(e)
}
