package core

import "time"

// MessageState is how far a message has come.
type MessageState string

// The states of a message. A withheld one belongs to a decoy and is never sent.
const (
	MessageQueued   MessageState = "queued"
	MessageSent     MessageState = "sent"
	MessageFailed   MessageState = "failed"
	MessageExpired  MessageState = "expired"
	MessageWithheld MessageState = "withheld"
)

// MaxSendTries is how often one message is offered to providers (C-51).
const MaxSendTries = 3

// Message waits in the outbox. That of a challenge has no text of its own: it
// sends the challenge's sealed one, and dies with it. A notice has its own.
type Message struct {
	ID          string
	ChallengeID string // "" for a notice
	UserID      string
	Purpose     string // a Purpose, or the notice's: "password_reset_notice", …
	Channel     Channel
	PhoneKey    string
	PhoneMasked string
	Sealed      []byte // SealedFor says which id it is bound to
	SealedFor   string
	State       MessageState
	Tries       int
	CreatedAt   time.Time
	ExpiresAt   time.Time
	RequestID   string // of the request that caused it
}
