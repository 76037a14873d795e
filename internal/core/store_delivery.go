package core

import (
	"time"

	"github.com/countersign/countersign/internal/event"
)

// This file goes on from store_watch.go: the tries of a message, what receipts
// say of them, and what is learnt from it all.

// Attempt is one try to have a message taken by a provider. It begins before the
// provider is called (BeginAttempts), ends when its answer is known
// (SettleMessage), and is moved on by receipts (RecordReceipt). One that began and
// never ended was lost with its instance: it may have gone out.
type Attempt struct {
	Provider    string         `json:"provider"`          // as the operator calls it
	Why         string         `json:"why,omitempty"`     // why this one: a line for operators, without personal data
	BeganAt     time.Time      `json:"began_at"`          //
	EndedAt     time.Time      `json:"ended_at,omitzero"` // zero: no answer was seen
	ProviderRef string         `json:"ref,omitempty"`     //
	Failure     string         `json:"failure,omitempty"` // "": taken; else retry, failover, final or ambiguous
	Code        string         `json:"code,omitempty"`    // the provider's own reason
	States      []AttemptState `json:"states,omitempty"`  // as receipts told them, in the order in which they moved it on

	// Cost is what is counted of it as spent: what its claim reserved, or what it
	// cost where that was told. CostAt is when it was reserved; zero: not known yet.
	Cost   Money     `json:"cost,omitempty"`
	CostAt time.Time `json:"cost_at,omitzero"`
}

// AttemptState is a provider's word on a message that it took.
type AttemptState struct {
	State DeliveryState `json:"state"`
	Code  string        `json:"code,omitempty"`
	At    time.Time     `json:"at"`
}

// DeliveryState is how far a provider says that a message has come.
type DeliveryState string

// The states, in the order in which they follow each other: none is replaced by one
// before it, whatever order receipts come in. Those from DeliveryDelivered on are
// final and of one rank: the first one stays. A final one may still follow
// DeliveryUnknown.
const (
	DeliveryAccepted    DeliveryState = "accepted"    // the provider took it
	DeliverySent        DeliveryState = "sent"        // the carrier took it
	DeliveryUnknown     DeliveryState = "unknown"     // no usable word of it
	DeliveryDelivered   DeliveryState = "delivered"   // the handset has it
	DeliveryUndelivered DeliveryState = "undelivered" // carrier or handset refused it
	DeliveryFailed      DeliveryState = "failed"      // the provider refused or dropped it
	DeliveryExpired     DeliveryState = "expired"     // too late for provider or carrier
)

// BeginAttempts notes by which providers claimed messages are about to be sent,
// before they are: what a crash cuts off is known afterwards, and goes to the same
// provider again. A message whose claim has passed to another is left alone.
type BeginAttempts struct {
	Holder   string
	Attempts []BeginAttempt
	Now      time.Time
}

// BeginAttempt is one of them.
type BeginAttempt struct {
	MessageID string
	Provider  string
	Why       string
}

// RecordReceipt keeps a provider's word on a message: of the attempt that went by
// Provider and, where both are known, has ProviderRef; found by MessageID where the
// provider repeats it (an attempt whose reference is not known yet gets it), else by
// ProviderRef. It moves the attempt forward only (DeliveryState), and with it the
// message: to MessageDelivered whatever it was (of queued again it leaves the queue and loses its
// text), to MessageUndelivered when its newest attempt failed. One that failed,
// expired or was withheld is moved by nothing but a delivery, a withheld one not even
// by that; one that is claimed for another try is that claim's to settle.
//
// With Again, such a failure of the newest attempt queues the message again for
// RetryAt instead, while it has tries left, will not have expired then, and its
// challenge takes a code and has its text: a notice's is gone, and so is a
// challenge's of which no resend is left.
//
// A receipt may come before the attempt is settled. Whoever holds the message may
// still settle it, which ends the attempt and undoes nothing that the receipt did.
//
// Outcomes: Done (OnDelivered or OnFailed is written when the attempt came to such an
// end; what they lack of message_id, purpose, provider, try, country and will_retry, the
// method and the request is set by the operation), Repeated (nothing
// moved, nothing is written), NotFound: also where the message did not go by Provider.
type RecordReceipt struct {
	Provider    string
	MessageID   string
	ProviderRef string
	State       DeliveryState
	Code        string
	At          time.Time // as the provider tells; Now where it does not
	Cost        *Money    // corrects what the attempt cost; nil: not told
	Again       bool
	RetryAt     time.Time
	Now         time.Time

	OnDelivered event.Event
	OnFailed    event.Event
}

// RecordReceiptResult is what became of it.
type RecordReceiptResult struct {
	Outcome  Outcome
	Message  Message // as it stands, without its text; not for NotFound
	Requeued bool
}

// RouteStat is how messages by one provider went, of those made in a span of
// time. Of a challenge's messages only the newest may be one whose code was entered:
// whoever asked again had not got what was sent before.
type RouteStat struct {
	Provider  string
	Channel   Channel
	Country   string
	PrefixKey string
	Sent      int64 // taken by the provider and of a challenge, withheld ones aside
	Redeemed  int64 // whose code was entered
	Delivered int64 // as receipts tell
	Failed    int64 // tries that the provider did not take, and messages that receipts say failed
}

// RouteQuery asks for them. Of more than Most messages the newest count. Whether a
// code was entered is known while the challenge is kept.
type RouteQuery struct {
	Since, Until time.Time // of the messages' making, as their ids tell; Until is not in it
	Most         int
}

// MessageQuery asks for messages, those with the newest ids first: an id begins with
// the time at which it was made. Empty members bound nothing. Provider is the one that
// took a message last or, where none did, that was asked last.
type MessageQuery struct {
	ID, RequestID, UserID, PhoneKey, Provider string
	State                                     MessageState
	Since, Until                              time.Time // Until is not in it
	Before                                    string    // an id: older than that one alone
	Limit                                     int
}
