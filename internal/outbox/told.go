package outbox

import (
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
	reasonAmbiguous   = "ambiguous"            // it may have gone out: no answer that can be read
	reasonLost        = "lost"                 // it may have gone out: nobody saw how the try ended
	reasonNoProvider  = "no_provider"          // none of the list is for it, or all have refused it
	reasonBusy        = "busy"                 // it waits: the providers take no more now
	reasonTries       = "too_many_tries"       // claimed so often as it may be, and never settled
	reasonBudget      = "budget"               // too late, and no budget had room for it before
)

// reasons are those of what providers answer.
var reasons = map[gateway.Class]string{
	gateway.Retry: reasonUnavailable, gateway.Failover: reasonRefused, gateway.Final: reasonRefused, gateway.Ambiguous: reasonAmbiguous,
}

// event tells of an attempt: never its text, its whole number, or its challenge.
func (m *messenger) event(a *attempt, s core.SettleMessage) event.Event {
	e := about(a.eventID, a.message, s.Now)
	if s.Provider != "" {
		e.Attributes["provider"] = s.Provider
	}
	switch {
	case a.reason != "":
		fail(&e, a.reason, s.State == core.MessageQueued)
		if a.failure != nil && a.failure.Code != "" {
			e.Attributes["code"] = a.failure.Code
		}
	case a.withheld():
		e.Name = event.SMSWithheld
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

// tellLost tells of a try whose end nobody saw: an instance was killed, or was too
// slow. It may have gone out, but where it is withheld.
func (m *messenger) tellLost(message core.Message) {
	if message.State != core.MessageWithheld && isLost(message.Attempts) {
		last := message.Attempts[len(message.Attempts)-1]
		m.tellOf(message, reasonLost, last.Provider, message.State != core.MessageFailed && message.State != core.MessageExpired)
	}
}

// tellGivenUp tells of a message that the store took from the queue: no provider
// had it, or nobody knows.
func (m *messenger) tellGivenUp(message core.Message) {
	m.tellLost(message)
	reason := reasonExpired
	switch {
	case message.State == core.MessageFailed:
		reason = reasonTries
	case message.Held:
		reason = reasonBudget
	}
	m.tellOf(message, reason, "", false)
}

func (m *messenger) tellOf(message core.Message, reason, provider string, again bool) {
	id, err := m.b.newID()
	if err != nil {
		m.b.o.Log.Error("what became of a message cannot be told", "message", message.ID, "state", message.State, "error", err)
		return
	}
	e := about(id, message, m.b.o.Now())
	if provider != "" {
		e.Attributes["provider"] = provider
	}
	fail(&e, reason, again)
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
