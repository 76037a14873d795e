package core

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/limit"
)

// DeliveryOf is what a person is told of a code on its way.
type DeliveryOf struct {
	State    DeliveryWord
	Since    time.Time
	ResendAt time.Time // zero: no resend is left
	Message  string    // a line for people, in English
}

// DeliveryWord is how far a person's code has come.
type DeliveryWord string

// The words. CodeRequested is all that is said where to say more would tell
// whether the number has an account.
const (
	CodeRequested   DeliveryWord = "requested"   // asked for; nothing more is told
	CodeQueued      DeliveryWord = "queued"      // waits for a provider, or for the next try
	CodeSent        DeliveryWord = "sent"        // a provider took it
	CodeDelivered   DeliveryWord = "delivered"   // the phone has it, as the provider says
	CodeUndelivered DeliveryWord = "undelivered" // it did not arrive, or no provider took it
	CodeExpired     DeliveryWord = "expired"     // it is of no use any more
)

// looked is how many of a number's newest messages are looked at for those of a
// challenge: more than its limits let through while one lives.
const looked = 50

// WhereIsCode tells how far a challenge's code has come. Of a login and of a reset it
// tells the same whether anything was sent or not (C-59, C-61): such a challenge may
// be a decoy. Foreign and unknown ids are one answer (C-64).
func (c *Core) WhereIsCode(ctx context.Context, caller Caller, id string) (DeliveryOf, error) {
	now := c.now()
	if err := c.admitLook(ctx, caller, now); err != nil {
		return DeliveryOf{}, err
	}
	ch, err := c.challenge(ctx, caller, id)
	if err != nil {
		return DeliveryOf{}, err
	}
	messages, err := c.store.Messages(ctx, ch.Phone.Key, looked)
	if err != nil {
		return DeliveryOf{}, unavailable("reading messages", err)
	}
	messages = slices.DeleteFunc(messages, func(m Message) bool { return m.ChallengeID != ch.ID })
	d := DeliveryOf{State: CodeRequested, Since: ch.CreatedAt, ResendAt: ch.ResendAt}
	newest := Message{State: MessageWithheld, CreatedAt: ch.CreatedAt}
	if len(messages) > 0 {
		newest = slices.MaxFunc(messages, func(a, b Message) int { return a.CreatedAt.Compare(b.CreatedAt) })
	}
	d.Since = newest.CreatedAt
	switch {
	case !now.Before(ch.ExpiresAt):
		d.State, d.Since, d.ResendAt = CodeExpired, ch.ExpiresAt, time.Time{}
	case mayBeDecoy(ch.Purpose) || newest.State == MessageWithheld:
	default:
		d.State, d.Since = onItsWay(newest)
	}
	d.Message = d.line(ch, now)
	return d, nil
}

// admitLook counts who looks: by address, so that nobody's challenges are hammered.
func (c *Core) admitLook(ctx context.Context, caller Caller, now time.Time) error {
	full, err := c.take(ctx, now, c.limits.counts(make([]limit.Count, 0, 1), limitDeliveryAddress, host(caller.Address))...)
	if err != nil {
		return err
	}
	if full.Refused == "" {
		return nil
	}
	e := c.event(caller, now, event.RateLimited, event.Failure)
	e.Method, e.Reason = MethodSMS, full.Refused
	c.traffic(e)
	return rateLimited(now, now.Add(full.RetryAfter))
}

// mayBeDecoy tells whether a challenge of that purpose may be one.
func mayBeDecoy(p Purpose) bool { return p == PurposeLogin || p == PurposePasswordReset }

// onItsWay is a message's state and its time in a person's words.
func onItsWay(m Message) (DeliveryWord, time.Time) {
	since := m.CreatedAt
	if n := len(m.Attempts); n > 0 {
		last := m.Attempts[n-1]
		since = last.EndedAt
		if len(last.States) > 0 {
			since = last.States[len(last.States)-1].At
		}
		if since.IsZero() {
			since = last.BeganAt
		}
	}
	switch m.State {
	case MessageQueued:
		return CodeQueued, m.CreatedAt
	case MessageSent:
		return CodeSent, since
	case MessageDelivered:
		return CodeDelivered, since
	case MessageExpired:
		return CodeExpired, m.ExpiresAt
	}
	return CodeUndelivered, since
}

// line says it to the person.
func (d DeliveryOf) line(ch Challenge, now time.Time) string {
	ago := max(0, now.Sub(d.Since)).Truncate(time.Second)
	way := map[Channel]string{ChannelSMS: "text message", ChannelWhatsApp: "WhatsApp message", ChannelVoice: "call"}[ch.Channel]
	switch d.State {
	case CodeQueued:
		return fmt.Sprintf("Your %s waits to be sent since %v.", way, ago)
	case CodeSent:
		return fmt.Sprintf("Your %s was handed to the carrier %v ago; it has not told yet whether it arrived.", way, ago)
	case CodeDelivered:
		return fmt.Sprintf("The carrier says that your %s arrived %v ago.", way, ago)
	case CodeUndelivered:
		return fmt.Sprintf("Your %s could not be delivered. Check the number, or ask for the code again.", way)
	case CodeExpired:
		return "The code has expired. Ask for a new one."
	}
	return fmt.Sprintf("If this number can be sent a code, a %s was asked for %v ago. For everybody's privacy we cannot say more here.", way, ago)
}
