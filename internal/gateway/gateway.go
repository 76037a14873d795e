package gateway

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

// Message is a text on its way to a phone.
type Message struct {
	ID          string // the same at every try: providers that can drop repeats by it
	To          phone.Number
	Body        keyring.Secret // holds a code
	Purpose     string
	ChallengeID string // "" for a notice
	CreatedAt   time.Time
}

// Sent is a provider's word that it took a message.
type Sent struct {
	ProviderRef string // the provider's name for it, by which receipts refer to it
	Cost        *int64 // in millionths of the currency that prices are set in; nil: not told
}

// Sender is a provider of messages. Send returns once the provider has taken
// the message, not when it was delivered; it gives up when the context ends.
// An error is a *SendError: the provider did not take the message, and nothing
// is owed; of any other the outcome is not known, and it is retried. Neither may hold the number, the text or a credential.
type Sender interface {
	Name() string
	Send(ctx context.Context, m Message) (Sent, error)
}

// SendError says why a provider did not take a message.
type SendError struct {
	Retry bool // another try may succeed
	Cause error
}

// Error gives the cause and whether it may pass.
func (e *SendError) Error() string {
	if e.Retry {
		return "not sent for now: " + e.Cause.Error()
	}
	return "refused: " + e.Cause.Error()
}

// Unwrap gives the cause.
func (e *SendError) Unwrap() error { return e.Cause }
