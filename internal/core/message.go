package core

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

// MessageState is how far a message has come.
type MessageState string

// The states of a message. A withheld one (a decoy's, a test number's) is never
// sent; it is claimed and settled like any other, so that it costs the same work
// and nobody learns from the server's pace whether a number has an account.
const (
	MessageQueued      MessageState = "queued"
	MessageSent        MessageState = "sent"        // a provider took it
	MessageDelivered   MessageState = "delivered"   // and says that the handset has it
	MessageUndelivered MessageState = "undelivered" // and says that it failed
	MessageFailed      MessageState = "failed"      // none took it
	MessageExpired     MessageState = "expired"
	MessageWithheld    MessageState = "withheld"
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
	Held        bool // a budget had no room for it at least once

	Attempts []Attempt // at providers, in order
	Before   []string  // providers that earlier messages of its challenge went by; in what a claim gives

	// Bucket is whose sends it counts among (C-39): a known device's id, "" for
	// strangers, BucketSolved for who solved a captcha. A notice counts nowhere.
	Bucket  string
	Country string // ISO 3166-1 alpha-2, or ""
	// PrefixKey is a keyed hash of the number's beginning (phone.Number.Prefix), by
	// which routes are learnt.
	PrefixKey string
	Price     Money // what one try is expected to cost

	CreatedAt time.Time
	ExpiresAt time.Time
	RequestID string // of the request that caused it
}

// Text is what a message says.
type Text struct {
	Body   keyring.Secret
	Code   keyring.Secret // alone, for channels with texts of their own; "" in a notice
	Locale string         // BCP 47
}

// sealedText is what a message's seal holds.
type sealedText struct {
	To     string `json:"to"`
	Body   string `json:"body"`
	Code   string `json:"code,omitempty"`
	Locale string `json:"locale,omitempty"`
}

// SealText seals a message's number and text for the row with the id given.
func SealText(ring *keyring.Ring, rand io.Reader, row string, to phone.Number, text Text) ([]byte, error) {
	plain, err := json.Marshal(sealedText{
		To: to.E164(), Body: text.Body.Reveal(), Code: text.Code.Reveal(), Locale: text.Locale,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a message: %w", err)
	}
	sealed, err := ring.Seal(rand, keyring.LabelMessage, row, plain)
	if err != nil {
		return nil, fmt.Errorf("sealing a message: %w", err)
	}
	return sealed, nil
}

// OpenText gives a claimed message's number and text.
func OpenText(ring *keyring.Ring, m Message) (phone.Number, Text, error) {
	plain, err := ring.Open(keyring.LabelMessage, m.SealedFor, m.Sealed)
	if err != nil {
		return phone.Number{}, Text{}, fmt.Errorf("opening message %s: %w", m.ID, err)
	}
	var text sealedText
	if err := json.Unmarshal(plain, &text); err != nil {
		return phone.Number{}, Text{}, fmt.Errorf("decoding message %s: %w", m.ID, err)
	}
	to, err := phone.FromE164(text.To)
	if err != nil {
		return phone.Number{}, Text{}, fmt.Errorf("reading the number of message %s: %w", m.ID, err)
	}
	return to, Text{Body: keyring.Secret(text.Body), Code: keyring.Secret(text.Code), Locale: text.Locale}, nil
}
