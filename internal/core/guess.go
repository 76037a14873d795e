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

// admitCode counts a code of a stranger's challenge ahead. While codes are
// guessed everywhere, one of six digits, begun before, is good for one guess.
func (c *Core) admitCode(ctx context.Context, p *proof) error {
	if !p.challenge.byStranger() {
		return nil
	}
	if p.challenge.CodeLength <= codeDigits && !c.settings.LimitsDisabled {
		t, err := c.tally(ctx, p.now, codeFailures(0))
		if err != nil {
			return err
		}
		if c.alarmed(t[0]) > 0 {
			p.guess.Most = 1
		}
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

// admitCodes refuses a stranger's message while the address has failed at so many
// codes that none of its is judged: who could not redeem it is not sent one. It
// counts for that moment alone.
func (c *Core) admitCodes(ctx context.Context, s *sending) error {
	select {
	case c.peeking <- struct{}{}:
	case <-ctx.Done():
		return unavailable("waiting for the limiter", ctx.Err())
	}
	counts := c.limits.places(limitCodesAddress, limitCodesNetwork, s.caller, "")
	full, err := c.take(ctx, s.now, counts...)
	if err == nil && full.Refused == "" {
		c.giveBack(ctx, s.now, counts)
	}
	<-c.peeking
	if err != nil || full.Refused == "" {
		return err
	}
	return c.overLimit(s, full.Refused, s.now.Add(full.RetryAfter))
}

// settleCode counts what became of a code: err is what the flow ends with.
func (c *Core) settleCode(ctx context.Context, p *proof, err error) {
	if p.outcome != Wrong && !isUncertain(err) {
		c.giveBack(ctx, p.now, p.taken)
	}
	switch {
	case p.outcome == Wrong && p.challenge.byStranger() && !c.settings.LimitsDisabled:
		c.count(ctx, p.now, codeFailures(1))
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
	known  bool // the device is known to the number: it passes what others exhausted
	failed bool // a stranger's, and wrong: it stays counted
}

func (c *Core) guessAt(caller Caller, number phone.Number, device string) *guess {
	return &guess{
		caller: caller, number: number, device: device, at: c.now(),
		phone: SealedPhone{Key: c.ring.Pseudonym(number.E164()), Masked: number.Masked()},
	}
}

// peeks is how many at a time look whether their address is full of failures. Each
// counts for that moment, and all must not look like an address's failures.
const peeks = 4

// admitPassword refuses, before it waits for a hashing slot, a password from
// where too many were wrong. Nothing is counted yet: who waits has not failed, and
// a crowd behind one address is none of guessers.
func (c *Core) admitPassword(ctx context.Context, g *guess) error {
	select {
	case c.peeking <- struct{}{}:
	case <-ctx.Done():
		return unavailable("waiting for the limiter", ctx.Err())
	}
	full, err := c.takeGuess(ctx, g)
	c.settlePassword(ctx, g)
	<-c.peeking
	if err != nil || full.Refused == "" {
		return err
	}
	return c.overGuesses(ctx, g, full)
}

// takePassword counts a password ahead, once it holds its hashing slot.
// settlePassword has to follow. What fills the address by now may be others' that
// are judged meanwhile: it is soon known.
func (c *Core) takePassword(ctx context.Context, g *guess) error {
	if g.known {
		return nil
	}
	full, err := c.takeGuess(ctx, g)
	if err != nil || full.Refused == "" {
		return err
	}
	full.RetryAfter = min(full.RetryAfter, unavailableRetry)
	return c.overGuesses(ctx, g, full)
}

func (c *Core) takeGuess(ctx context.Context, g *guess) (limit.Decision, error) {
	g.at = c.now()
	counts := c.limits.places(limitPasswordAddress, limitPasswordNetwork, g.caller, "")
	full, err := c.take(ctx, g.at, counts...)
	if err == nil && full.Refused == "" {
		g.taken = counts
	}
	return full, err
}

// overGuesses refuses, but whoever shows a device known to the number goes on
// whatever others have exhausted (C-42).
func (c *Core) overGuesses(ctx context.Context, g *guess, full limit.Decision) (err error) {
	if g.known, err = c.shownKnown(ctx, g); err != nil || g.known {
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
	g.taken, g.failed = nil, false
}

// admitCaptcha asks strangers who sign in by password for a captcha, too, while
// codes are guessed everywhere (C-45). One that is none counts as a wrong
// password: judging it may have cost another's service some work.
func (c *Core) admitCaptcha(ctx context.Context, g *guess) error {
	if c.captcha == nil || c.settings.LimitsDisabled || g.known {
		return nil
	}
	t, err := c.tally(ctx, g.at, codeFailures(0))
	if err != nil {
		return err
	}
	hardness := c.alarmed(t[0])
	if hardness == 0 {
		return nil
	}
	if known, err := c.shownKnown(ctx, g); err != nil || known {
		return err
	}
	s := c.sendingTo(g.caller, g.at, g.number, "", g.solution)
	if s.solution.Token == "" {
		return c.askCaptcha(s, "captcha_required", hardness)
	}
	if err := c.takePassword(ctx, g); err != nil {
		return err
	}
	err = c.judgeCaptcha(ctx, s, hardness)
	g.failed = err == nil && !s.solved
	c.settlePassword(ctx, g)
	if err != nil || s.solved {
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
	e := c.about(c.event(g.caller, g.at, event.RateLimited, event.Failure), g.phone)
	e.Method, e.Reason = MethodPassword, limit
	c.traffic(e)
}
