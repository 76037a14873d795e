package outbox

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

// The reasons of sms_send_failed.
const (
	reasonUnreadable  = "unreadable"           // the sealed text does not open: another key, a damaged row
	reasonExpired     = "expired"              // too late to be of use
	reasonRefused     = "refused"              // the provider will never take it
	reasonUnavailable = "provider_unavailable" // the provider did not take it this time
	reasonTries       = "too_many_tries"       // claimed so often as it may be, and never settled
	reasonBudget      = "budget"               // too late, and no budget had room for it before
)

// attempt is how one try to send a message ended.
type attempt struct {
	to     phone.Number
	ref    string
	cost   *core.Money // nil: not known
	reason string      // "" when it was sent
	retry  bool

	withheld bool // nobody has the number: all was done but sending
}

// send offers a message to the provider and settles it. Once begun it ends
// also when ctx does, within the send's own timeout.
func (m *messenger) send(ctx context.Context, message core.Message, holder string) {
	ctx = context.WithoutCancel(ctx)
	id, err := m.b.newID() // before anything is sent that could not be settled
	if err != nil {
		m.b.o.Log.Error("a message cannot be sent now", "message", message.ID, "error", err)
		return
	}
	m.settle(ctx, message, m.outcome(id, message, holder, m.attempt(ctx, message)))
}

func (m *messenger) attempt(ctx context.Context, message core.Message) attempt {
	to, text, err := core.OpenText(m.b.o.Ring, message)
	if err != nil {
		m.b.o.Log.Error("a message cannot be read", "message", message.ID, "error", err)
		return attempt{reason: reasonUnreadable, cost: nothing()}
	}
	if message.State == core.MessageWithheld {
		return attempt{to: to, withheld: true}
	}
	left := message.ExpiresAt.Sub(m.b.o.Now())
	if left <= 0 {
		return attempt{to: to, reason: reasonExpired, cost: nothing()}
	}
	ctx, cancel := context.WithTimeout(ctx, min(left, sendTimeout))
	defer cancel()
	sent, err := m.b.o.Sender.Send(ctx, gateway.Message{
		ID: message.ID, To: to, Country: message.Country, Channel: gateway.Channel(message.Channel), Body: text.Body, Code: text.Code, Locale: text.Locale, Purpose: message.Purpose,
		ChallengeID: message.ChallengeID, CreatedAt: message.CreatedAt, ExpiresAt: message.ExpiresAt,
	})
	if err == nil {
		m.b.note(partSending, nil)
		return attempt{to: to, ref: sent.ProviderRef, cost: told(sent.Cost)}
	}
	failed := attempt{to: to, reason: reasonUnavailable, retry: true}
	var refused *gateway.SendError
	if errors.As(err, &refused) && refused.Class != gateway.Ambiguous {
		failed.cost = nothing()
	}
	if refused != nil && (refused.Class == gateway.Final || refused.Class == gateway.Failover) {
		m.b.o.Log.Warn("the provider refused a message", "message", message.ID, "error", scrub(err, to, text.Body))
		failed.reason, failed.retry = reasonRefused, false
		return failed
	}
	m.b.note(partSending, scrub(err, to, text.Body))
	return failed
}

// told is what a provider says that a message costs; nil where it does not.
func told(p *gateway.Price) *core.Money {
	if p == nil {
		return nil
	}
	return (*core.Money)(&p.Amount)
}

// nothing is what a message costs that no provider took.
func nothing() *core.Money { return new(core.Money) }

// outcome is what the store is to keep of an attempt, with its event.
func (m *messenger) outcome(id string, message core.Message, holder string, a attempt) core.SettleMessage {
	now := m.b.o.Now()
	s := core.SettleMessage{
		ID: message.ID, Holder: holder, State: core.MessageSent,
		Provider: m.b.o.Sender.Name(), ProviderRef: a.ref, Cost: a.cost, Now: now,
	}
	switch {
	case a.withheld:
		s.State = core.MessageWithheld
	case a.reason != "":
		s.State = core.MessageFailed
		again := now.Add(pauseBefore(message.Tries))
		if a.retry && message.Tries < core.MaxSendTries && again.Before(message.ExpiresAt) {
			s.State, s.RetryAt = core.MessageQueued, again
		}
	}
	s.Event = m.event(id, message, a, s)
	return s
}

// settle has the store keep it. What cannot be kept is sent again once its
// lease is over, so this is tried more than once. An answer that was lost does
// no harm: settled once, the message is no longer this holder's.
func (m *messenger) settle(ctx context.Context, message core.Message, s core.SettleMessage) {
	var err error
	for range settleTries {
		if _, err = m.b.o.Store.SettleMessage(ctx, s); err == nil {
			return
		}
		pause(ctx, settlePause)
	}
	m.b.o.Log.Error("a message cannot be settled and will be tried again", "message", message.ID, "state", s.State, "error", err)
}

// pauseBefore is how long a message waits after its nth try: 2 s, then 8 s.
func pauseBefore(tries int) time.Duration {
	return 2 * time.Second << (2 * max(0, tries-1))
}

// event tells of an attempt: never its text, its whole number, or its challenge.
func (m *messenger) event(id string, message core.Message, a attempt, s core.SettleMessage) event.Event {
	e := about(id, message, s.Now)
	e.Attributes["provider"] = s.Provider
	switch {
	case a.withheld:
		e.Name = event.SMSWithheld
	case a.reason != "":
		fail(&e, a.reason, s.State == core.MessageQueued)
	}
	return e
}

// about is what the events of a message share, as if it had been sent.
func about(id string, message core.Message, now time.Time) event.Event {
	e := event.Event{
		ID: id, Time: now, Name: event.SMSSent, Outcome: event.Success, Method: string(message.Channel),
		UserID: message.UserID, PhoneNumber: message.PhoneMasked, PhonePseudonym: message.PhoneKey,
		RequestID: message.RequestID,
		Attributes: event.Attributes{
			"message_id": message.ID, "purpose": message.Purpose, "try": int64(message.Tries),
		},
	}
	if message.Country != "" {
		e.Attributes["country"] = message.Country
	}
	return e
}

func fail(e *event.Event, reason string, again bool) {
	e.Name, e.Outcome, e.Reason = event.SMSSendFailed, event.Failure, reason
	e.Attributes["will_retry"] = again
}

// tellGivenUp tells of a message that the store took from the queue: no provider
// had it, or nobody knows.
func (m *messenger) tellGivenUp(message core.Message) {
	id, err := m.b.newID()
	if err != nil {
		m.b.o.Log.Error("a message was given up and cannot be told", "message", message.ID, "state", message.State, "error", err)
		return
	}
	reason := reasonExpired
	switch {
	case message.State == core.MessageFailed:
		reason = reasonTries
	case message.Held:
		reason = reasonBudget
	}
	e := about(id, message, m.b.o.Now())
	fail(&e, reason, false)
	m.b.Traffic(e)
}

// longNumber is what may be a phone number or a code, however it is spaced.
var longNumber = regexp.MustCompile(`\+?[0-9](?:[ ().-]?[0-9]){3,}`)

// scrub makes a provider's error fit for logs: without text, numbers and codes.
func scrub(err error, to phone.Number, body keyring.Secret) error {
	text := err.Error()
	if whole := body.Reveal(); whole != "" {
		text = strings.ReplaceAll(text, whole, "[text]")
	}
	text = strings.ReplaceAll(text, to.E164(), to.Masked())
	text = longNumber.ReplaceAllString(text, "[number]")
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Errorf("sending a message: %s", text)
}
