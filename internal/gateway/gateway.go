package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

// Message is a text on its way to a phone.
type Message struct {
	ID          string // the same at every try: providers that can drop repeats by it
	Channel     Channel
	To          phone.Number
	Country     string         // of To: ISO 3166-1 alpha-2, or ""
	Body        keyring.Secret // holds a code
	Code        keyring.Secret // the code alone, for channels with a template of their own; "" in a notice
	Locale      string         // of Body, BCP 47
	Purpose     string
	ChallengeID string // "" for a notice
	CreatedAt   time.Time
	ExpiresAt   time.Time // of no use from then on
}

// Channel is a way to a phone.
type Channel string

// The channels.
const (
	SMS      Channel = "sms"
	WhatsApp Channel = "whatsapp"
	Voice    Channel = "voice"
)

// Sender is a provider of messages, one entry of the operator's list: it has one
// channel.
//
// Send returns once the provider has taken the message, not when it was
// delivered; it gives up when the context ends. Its error is a *SendError, which
// holds neither the number, nor the text, nor a credential.
//
// Receipts reads what a provider says at /receipts/{Name}: ErrForged for
// what the provider did not sign, ErrNoReceipts where it never reports so, any
// other error for what cannot be read. It answers what the provider wants to read.
//
// Check asks the provider whether it would take a message, and sends none.
type Sender interface {
	Name() string // as the operator calls it: stable, it stands in metrics and URLs
	Kind() string // of Kinds
	Channel() Channel
	Send(ctx context.Context, m Message) (Sent, error)
	Receipts(ctx context.Context, c Callback) ([]Receipt, error)
	Check(ctx context.Context) []Finding
	Close() error // ends what it keeps open
}

// Sent is a provider's word that it took a message.
type Sent struct {
	ProviderRef string // the provider's name for it, by which receipts refer to it
	Cost        *Price // nil: not told
	Segments    int    // 0: not told
}

// Price is an amount in millionths of a currency.
type Price struct {
	Amount   int64
	Currency string // ISO 4217
}

// Class says what comes of a message that a provider did not take.
type Class string

// The classes of failure.
const (
	Retry     Class = "retry"     // the same provider may take it later
	Failover  Class = "failover"  // this provider will not take it: credentials, credit, sender, route; another may
	Final     Class = "final"     // no provider can deliver it: no such number, opted out
	Ambiguous Class = "ambiguous" // it may have gone out: the answer was lost, or made no sense
)

// SendError says why a provider did not take a message, or that nobody knows.
type SendError struct {
	Class      Class
	Code       string        // the provider's own, of letters, digits and ._- alone; "" for none
	RetryAfter time.Duration // as the provider asks; 0 for nothing asked
	Alarm      bool          // an operator must act: credentials, credit
	Cause      error
}

// Error gives class, code and cause.
func (e *SendError) Error() string {
	text := string(e.Class)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *SendError) Unwrap() error { return e.Cause }

// State is how far a provider says that a message has come.
type State string

// The states, in the order in which they follow each other; from StateDelivered
// on they are final, but StateUnknown, which any may replace.
const (
	StateAccepted    State = "accepted"    // the provider took it
	StateSent        State = "sent"        // the carrier took it
	StateUnknown     State = "unknown"     // no usable word of it
	StateDelivered   State = "delivered"   // the handset has it
	StateUndelivered State = "undelivered" // carrier or handset refused it
	StateFailed      State = "failed"      // the provider refused or dropped it
	StateExpired     State = "expired"     // too late for the provider or the carrier
)

// Receipt is a provider's word on a message that it took.
type Receipt struct {
	MessageID   string // ours, where the provider repeats it; else ""
	ProviderRef string // the provider's; one of the two is set
	State       State
	Class       Class     // of a failure: Retry, Failover or Final; else ""
	Code        string    // the provider's own reason, as SendError.Code
	At          time.Time // zero: not told
	Cost        *Price    // nil: not told
}

// Callback is a provider's call of ours, its body read whole.
type Callback struct {
	Method string
	URL    string // as the provider knows it: the configured public base and the raw request URI
	Header http.Header
	Body   []byte
	Now    time.Time
}

// The errors of Sender.Receipts.
var (
	ErrForged     = errors.New("the signature is not the provider's")
	ErrNoReceipts = errors.New("this provider tells no receipts here")
)

// Finding is one thing that Check looked at.
type Finding struct {
	What    string // "credentials", "sender", "reachability", …: a word or two
	OK      bool
	Problem string // what is wrong and what to do about it; "" where OK
}
