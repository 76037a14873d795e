package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
)

// ResendIn asks for a challenge's code once more.
type ResendIn struct {
	ChallengeID string
	Channel     string // "" or "sms"
	Captcha     captcha.Solution
}

// Resend sends the same code again: the same expiry, the same guesses left
// (C-02). A repeated code is kinder than a new one where messages overtake one
// another.
func (c *Core) Resend(ctx context.Context, caller Caller, in ResendIn) (Challenge, error) {
	if err := checkBegin(BeginIn{Channel: in.Channel}); err != nil {
		return Challenge{}, err
	}
	ch, err := c.challenge(ctx, caller, in.ChallengeID)
	if err != nil {
		return Challenge{}, err
	}
	if !bound(ch.Purpose) {
		caller.Signed = nil
	}
	now := c.now()
	message, err := c.challengeMessage(ch, caller, now)
	if err != nil {
		return Challenge{}, err
	}
	if err := c.withholdTest(ch, &message); err != nil {
		return Challenge{}, err
	}
	e := about(c.event(caller, now, event.CodeResent, event.Success), ch.Phone)
	e.Method, e.UserID = string(ch.Channel), ch.UserID
	result, err := c.store.ResendChallenge(ctx, ResendChallenge{
		ID: ch.ID, Resends: ch.Resends, NextResendAt: c.limits.resendAt(ch.Resends+1, now, ch.ExpiresAt),
		Message: message, Now: now, Event: e,
	})
	if err != nil {
		return Challenge{}, unavailable("resending a code", err)
	}
	switch result.Outcome {
	case Expired:
		return Challenge{}, &Error{Code: CodeChallengeExpired}
	case Spent:
		return Challenge{}, &Error{Code: CodeChallengeSpent}
	case NotFound:
		return Challenge{}, &Error{Code: CodeNotFound}
	case TooEarly:
		return Challenge{}, c.tooEarly(e, result.Challenge, now)
	}
	return result.Challenge, nil
}

// tooEarly refuses a resend until the next is due; where none is left, until
// the challenge has ended and another can be begun.
func (c *Core) tooEarly(e event.Event, ch Challenge, now time.Time) error {
	e.Name, e.Outcome, e.Reason = event.RateLimited, event.Failure, "resend"
	c.traffic(e)
	if ch.ResendAt.IsZero() {
		return rateLimited(now, ch.ExpiresAt)
	}
	return rateLimited(now, ch.ResendAt)
}

func (c *Core) withholdTest(ch Challenge, m *Message) error {
	if len(c.settings.TestNumbers) == 0 {
		return nil
	}
	number, err := c.open(ch.Phone, ch.ID)
	if err != nil {
		return err
	}
	if c.isTest(number) {
		m.State = MessageWithheld
	}
	return nil
}
