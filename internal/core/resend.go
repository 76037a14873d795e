package core

import (
	"context"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// ResendIn asks for a challenge's code once more.
type ResendIn struct {
	ChallengeID string
	Channel     string // one that is offered for the number; "" for the same again
	Captcha     captcha.Solution
}

// Resend sends the same code again: the same expiry, the same guesses left
// (C-02). A repeated code is kinder than a new one where messages overtake one
// another.
func (c *Core) Resend(ctx context.Context, caller Caller, in ResendIn) (Challenge, error) {
	ch, err := c.challenge(ctx, caller, in.ChallengeID)
	if err != nil {
		return Challenge{}, err
	}
	if !bound(ch.Purpose) {
		caller.Signed = nil
	}
	s, text, err := c.sendingAgain(ctx, caller, ch, in.Captcha)
	if err != nil {
		return Challenge{}, err
	}
	if ch.Channel, err = c.settings.channel(s.number, ch.Country, in.Channel, ch.Channel); err != nil {
		return Challenge{}, err
	}
	if err := c.admitDoor(ctx, s, s.device != ""); err != nil {
		return Challenge{}, err
	}
	if err := c.admit(ctx, s); err != nil {
		return Challenge{}, err
	}
	defer s.leave()
	message, err := c.challengeMessage(s, ch, text)
	if err != nil {
		return Challenge{}, c.unsent(ctx, s, err)
	}
	e := c.about(c.event(caller, s.now, event.CodeResent, event.Success), ch.Phone)
	e.Method, e.UserID = string(ch.Channel), ch.UserID
	result, err := c.store.ResendChallenge(ctx, ResendChallenge{
		ID: ch.ID, Resends: ch.Resends, NextResendAt: c.limits.resendAt(ch.Resends+1, s.now, ch.ExpiresAt),
		Message: message, Sends: c.sendLimits(s), Now: s.now, Event: e,
	})
	if err != nil {
		return Challenge{}, c.unsent(ctx, s, unavailable("resending a code", err))
	}
	return result.Challenge, c.resent(ctx, s, result)
}

// resent turns an outcome into what the caller is told; nil for what was sent.
func (c *Core) resent(ctx context.Context, s *sending, r ResendChallengeResult) error {
	switch r.Outcome {
	case Expired:
		return c.unsent(ctx, s, &Error{Code: CodeChallengeExpired})
	case Spent:
		return c.unsent(ctx, s, &Error{Code: CodeChallengeSpent})
	case NotFound:
		return c.unsent(ctx, s, &Error{Code: CodeNotFound})
	case TooEarly:
		return c.unsent(ctx, s, c.tooEarly(s, r.Challenge))
	case Limited:
		return c.overSent(ctx, s, r.Limit, r.RetryAt)
	}
	c.sent(ctx, s)
	return nil
}

// sendingAgain is a challenge's message once more. Its text is gone once the
// challenge takes no guess; the store refuses it then.
func (c *Core) sendingAgain(ctx context.Context, caller Caller, ch Challenge, solution captcha.Solution) (*sending, keyring.Secret, error) {
	number, err := c.open(ch.Phone, ch.ID)
	if err != nil {
		return nil, "", err
	}
	s := c.sendingTo(caller, c.now(), number, ch.Country, solution)
	if !ch.byStranger() {
		state, err := c.store.Number(ctx, ch.Phone.Key, ch.DeviceID)
		if err != nil {
			return nil, "", unavailable("reading a number", err)
		}
		s.ofDevice = true
		if state.KnownDevice && state.DeviceProved {
			s.device = ch.DeviceID
		}
	}
	if len(ch.Sealed) == 0 {
		return s, "", nil
	}
	_, text, err := OpenText(c.ring, Message{ID: ch.ID, Sealed: ch.Sealed, SealedFor: ch.ID})
	if err != nil {
		return nil, "", unavailable("opening a message", err)
	}
	return s, text.Body, nil
}

// tooEarly refuses a resend until the next is due; where none is left, until
// the challenge has ended and another can be begun.
func (c *Core) tooEarly(s *sending, ch Challenge) error {
	if ch.ResendAt.IsZero() {
		return c.overLimit(s, "resend", ch.ExpiresAt)
	}
	return c.overLimit(s, "resend", ch.ResendAt)
}
