package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/locale"
)

// mostSegments is how many a provider may tell of: of more there are no texts, and
// their price would be none either.
const mostSegments = 255

// attempt is one try to send a message, and how it ended.
type attempt struct {
	message core.Message
	holder  string
	eventID string // of what is told of it: made before anything is sent that could not be settled
	text    core.Text
	want    want
	choice  choice

	sent    gateway.Sent
	failure *gateway.SendError // of the provider; nil: it took it, or was not asked
	reason  string             // why it was not sent; "": it was, or is withheld
}

// withheld: nobody has the number: all is done but sending.
func (a *attempt) withheld() bool { return a.message.State == core.MessageWithheld }

// carry sends what a claim gave: it chooses the providers, has the store know
// which, sends all at the same time and settles each. It returns once they are
// chosen. Begun, it ends within the send's own timeout.
func (m *messenger) carry(ctx context.Context, claimed []core.Message, holder string, at time.Time) {
	var all []*attempt
	for _, message := range claimed {
		if a := m.prepare(message, holder); a != nil {
			all = append(all, a)
		} else {
			m.give(1)
		}
	}
	m.wg.Go(func() {
		if !m.begin(ctx, all, holder, at) {
			for _, a := range all {
				m.letGo(a)
				m.ended()
			}
			return
		}
		for _, a := range all {
			m.wg.Go(func() {
				defer m.ended()
				m.send(ctx, a)
				m.settle(ctx, a, m.outcome(a))
			})
		}
	})
}

// prepare opens a message and chooses its provider. Nil: there is no chance to
// name its event, and it is claimed again later.
func (m *messenger) prepare(message core.Message, holder string) *attempt {
	id, err := m.b.newID()
	if err != nil {
		m.b.o.Log.Error("a message cannot be sent now", "message", message.ID, "error", err)
		return nil
	}
	m.tellLost(message)
	now := m.b.o.Now()
	a := &attempt{message: message, holder: holder, eventID: id}
	to, text, err := core.OpenText(m.b.o.Ring, message)
	if err != nil {
		m.b.o.Log.Error("a message cannot be read", "message", message.ID, "error", err)
		a.reason = reasonUnreadable
		return a
	}
	a.text = text
	segments, _ := locale.Segments(text.Body.Reveal())
	a.want = want{
		id: message.ID, channel: message.Channel, country: message.Country, to: to, prefixKey: message.PrefixKey,
		segments: segments, reserved: message.Price, attempts: message.Attempts, before: message.Before, now: now,
	}
	a.choice = m.b.router.choose(a.want)
	switch waits := !a.choice.pauses.IsZero() || a.choice.full; {
	case a.withheld():
	case !now.Before(message.ExpiresAt):
		a.reason = reasonExpired
	case a.choice.route == nil:
		a.reason = reasonNoProvider
	case waits && message.Tries < core.MaxSendTries && m.resting(a).Before(message.ExpiresAt):
		a.reason = reasonBusy
	default:
		m.b.router.begin(a.want, a.provider())
	}
	return a
}

// provider is the name of the chosen one; "" where there is none.
func (a *attempt) provider() string {
	if a.choice.route == nil {
		return ""
	}
	return a.choice.route.Sender.Name()
}

// goes tells whether the provider is asked.
func (a *attempt) goes() bool { return a.reason == "" && !a.withheld() }

// begin has the store know by whom messages are sent, before they are. Where it
// cannot, or not in time for the lease, nothing is sent: they are claimed again.
func (m *messenger) begin(ctx context.Context, all []*attempt, holder string, at time.Time) bool {
	in := core.BeginAttempts{Holder: holder, Now: m.b.o.Now()}
	for _, a := range all {
		if a.reason == "" && a.choice.route != nil {
			in.Attempts = append(in.Attempts, core.BeginAttempt{MessageID: a.message.ID, Provider: a.provider(), Why: a.choice.why})
		}
	}
	if len(in.Attempts) == 0 {
		return true
	}
	last := at.Add(messageLease - sendTimeout - settleBound)
	for m.b.o.Now().Before(last) {
		err := m.b.o.Store.BeginAttempts(ctx, in)
		if err == nil && m.b.o.Now().Before(last) {
			m.b.note(partTries, nil)
			return true
		}
		if err == nil {
			err = errors.New("it took too long")
		}
		m.b.note(partTries, fmt.Errorf("noting by whom messages go: %w", err))
		pause(ctx, settlePause)
	}
	return false
}

// letGo undoes what prepare noted of a message that is not sent after all.
func (m *messenger) letGo(a *attempt) {
	if a.goes() {
		m.b.router.letGo(a.provider())
	}
}

// send asks the provider, unless there is a reason not to.
func (m *messenger) send(ctx context.Context, a *attempt) {
	if !a.goes() {
		return
	}
	message := a.message
	ctx, cancel := context.WithTimeout(ctx, min(message.ExpiresAt.Sub(m.b.o.Now()), sendTimeout))
	defer cancel()
	sent, err := a.choice.route.Sender.Send(ctx, gateway.Message{
		ID: message.ID, To: a.want.to, Country: message.Country, Channel: gateway.Channel(message.Channel),
		Body: a.text.Body, Code: a.text.Code, Locale: a.text.Locale, Purpose: message.Purpose,
		ChallengeID: message.ChallengeID, CreatedAt: message.CreatedAt, ExpiresAt: message.ExpiresAt,
	})
	a.sent, a.failure = sent, failureOf(err)
	m.b.tellShut(m.b.router.end(a.want, a.provider(), a.failure, m.b.o.Now()))
	m.noteSending(a, err)
}

// failureOf reads a sender's error. What it does not explain may have gone out.
func failureOf(err error) *gateway.SendError {
	if err == nil {
		return nil
	}
	var failure *gateway.SendError
	if errors.As(err, &failure) && slices.Contains([]gateway.Class{gateway.Retry, gateway.Failover, gateway.Final}, failure.Class) {
		return failure
	}
	if failure != nil {
		return &gateway.SendError{Class: gateway.Ambiguous, Code: failure.Code, RetryAfter: failure.RetryAfter, Cause: err}
	}
	return &gateway.SendError{Class: gateway.Ambiguous, Cause: err}
}

// noteSending keeps how a provider does, without what the message says.
func (m *messenger) noteSending(a *attempt, err error) {
	part := partSending + a.provider()
	switch {
	case a.failure == nil:
		m.b.note(part, nil)
	case a.failure.Class == gateway.Final, a.failure.Class == gateway.Failover && !a.failure.Alarm:
		m.b.o.Log.Warn("a provider refused a message", "message", a.message.ID, "provider", a.provider(), "error", scrub(err, a.want.to, a.text.Body))
	default:
		m.b.note(part, scrub(err, a.want.to, a.text.Body))
	}
}

// outcome is what the store is to keep of an attempt, with its event.
func (m *messenger) outcome(a *attempt) core.SettleMessage {
	now := m.b.o.Now()
	s := core.SettleMessage{
		ID: a.message.ID, Holder: a.holder, State: core.MessageSent,
		Provider: a.provider(), ProviderRef: a.sent.ProviderRef, Cost: m.cost(a), Now: now,
	}
	if a.reason != "" {
		s.Provider = "" // it was not asked
	}
	switch {
	case a.withheld() && a.reason == "":
		s.State = core.MessageWithheld
	case a.reason == reasonBusy:
		s.State, s.RetryAt = core.MessageQueued, m.resting(a)
	case a.reason != "":
		s.State = core.MessageFailed
	case a.failure != nil:
		a.reason, s.Failure, s.Code = reasons[a.failure.Class], string(a.failure.Class), a.failure.Code
		s.State = core.MessageFailed
		if at, ok := m.next(a, now); ok {
			s.State, s.RetryAt = core.MessageQueued, at
		}
	}
	s.Event = m.event(a, s)
	return s
}

// next is when a message that was not taken is tried again, if it is: at once
// where another provider may take it, else when one that failed has rested.
func (m *messenger) next(a *attempt, now time.Time) (time.Time, bool) {
	if a.failure.Class == gateway.Final || a.message.Tries >= core.MaxSendTries {
		return time.Time{}, false
	}
	w := a.want
	w.now = now
	w.attempts = append(slices.Clone(w.attempts), core.Attempt{
		Provider: a.provider(), BeganAt: a.want.now, EndedAt: now, Failure: string(a.failure.Class),
	})
	other := m.b.router.choose(w)
	if other.route == nil {
		return time.Time{}, false
	}
	at := now
	if other.failed {
		at = now.Add(pauseBefore(a.message.Tries))
		if other.opens.After(at) && other.opens.Before(a.message.ExpiresAt) {
			at = other.opens // late is better than failing again
		}
	}
	if other.pauses.After(at) {
		at = other.pauses
	}
	return at, at.Before(a.message.ExpiresAt)
}

// resting is when a message is tried again for which no provider has room now.
func (m *messenger) resting(a *attempt) time.Time {
	at := m.b.o.Now().Add(pauseBefore(a.message.Tries))
	if a.choice.pauses.After(at) {
		return a.choice.pauses
	}
	return at
}

// pauseBefore is how long a message waits after its nth try: 2 s, then 8 s.
func pauseBefore(tries int) time.Duration {
	return 2 * time.Second << (2 * max(0, tries-1))
}

// cost is what a try cost: as the provider tells, else by the route's prices. Nil:
// not known, what was reserved stays.
func (m *messenger) cost(a *attempt) *core.Money {
	switch told := a.sent.Cost; {
	case !a.goes(), a.failure != nil && a.failure.Class != gateway.Ambiguous:
		return new(core.Money)
	case a.failure != nil:
		return nil
	case told != nil && told.Currency == m.b.o.Currency:
		return (*core.Money)(&told.Amount)
	case a.choice.route.Prices == nil:
		return nil
	}
	price := a.choice.price
	if a.sent.Segments > 0 && a.sent.Segments <= mostSegments {
		price = core.Money(a.sent.Segments) * a.choice.route.Prices.Segment(a.want.to, a.message.Country)
	}
	return &price
}

// settle has the store keep it. What cannot be kept is sent again once its
// lease is over, so this is tried more than once. An answer that was lost does
// no harm: settled once, the message is no longer this holder's.
func (m *messenger) settle(ctx context.Context, a *attempt, s core.SettleMessage) {
	var err error
	for range settleTries {
		if _, err = m.b.o.Store.SettleMessage(ctx, s); err == nil {
			if s.State == core.MessageQueued && !s.RetryAt.After(s.Now) {
				m.hurry()
			}
			return
		}
		pause(ctx, settlePause)
	}
	m.b.o.Log.Error("a message cannot be settled and will be tried again", "message", a.message.ID, "state", s.State, "error", err)
}

// hurry has the queue looked at without waiting.
func (m *messenger) hurry() {
	select {
	case m.again <- struct{}{}:
	default:
	}
}
