package core

import (
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/password"
)

// Purpose is what a challenge's code is good for, and nothing else.
type Purpose string

// The purposes of a challenge.
const (
	PurposeSignup           Purpose = "signup"
	PurposeLogin            Purpose = "login"
	PurposePasswordReset    Purpose = "password_reset"
	PurposePhoneChange      Purpose = "phone_change"
	PurposeReauthentication Purpose = "reauthentication"
)

// Channel is the way a code travels.
type Channel string

// The channels.
const (
	ChannelSMS      Channel = "sms"
	ChannelWhatsApp Channel = "whatsapp"
	ChannelVoice    Channel = "voice"
)

// DialectNative is the API that /v1 speaks; challenges and sessions remember
// which one began them.
const DialectNative = "native"

// MaxGuesses is how many guesses one challenge evaluates, whatever happens
// (CHECKLIST C-03; invariant 2).
const MaxGuesses = 5

// SealedPhone is a phone number as the store sees it: a keyed pseudonym to
// find it by, and the number itself sealed for the row that holds it. No
// engine ever sees a number in the clear.
type SealedPhone struct {
	Key    string // keyring pseudonym, the same for one number everywhere
	Sealed []byte // bound to the id of its row (user or challenge)
	Masked string // country code and last two digits, as events show it
}

// Challenge is an open "prove this number": who holds its id and its code has
// proved to receive messages there.
type Challenge struct {
	ID      string // UUIDv7, told only to who began it
	Purpose Purpose
	Channel Channel
	Phone   SealedPhone
	Country string // of the number: ISO 3166-1 alpha-2, or ""
	Decoy   bool   // no code opens it; its message is withheld

	UserID     string // the account it was begun for, if there was one
	Generation int64  // that account's generation then
	SessionID  string // phone_change, reauthentication: the session that began it

	DeviceID string      // a device known to UserID that showed its token; else ""
	Device   DeviceLabel // as the client describes itself
	Pending  Pending     // signup: what waits for the code

	CodeMAC    []byte // keyed MAC over challenge, purpose, phone and code
	CodeLength int    // 6, or 8 under attack
	Sealed     []byte // the message, sealed for this id; gone once no longer sendable

	GuessesLeft int
	Resends     int       // how often the code was sent again
	ResendAt    time.Time // zero: no resend is left
	CreatedAt   time.Time
	ExpiresAt   time.Time // dead at exactly this time

	RedeemedAt time.Time // zero while unredeemed
	VoidedAt   time.Time // superseded: by a redeemed signup, a reset, a logout-all …

	BeginKey, BeginBody   []byte // keyed hashes of Idempotency-Key and body of the begin; nil: none
	VerifyKey, VerifyBody []byte // the same of the last verify that was judged
	OpenedSessionID       string // the session that redeeming it opened or renewed
	OpenedCounter         int64  // that session's Counter then

	Dialect    string // which API began it: "native", …
	Thumbprint string // the DPoP key it was begun with (RFC 7638), or ""
}

// byStranger tells whether whoever began it is a stranger to its number. Who
// moves an account is one to the new number, on whatever device.
func (c Challenge) byStranger() bool { return c.DeviceID == "" || c.Purpose == PurposePhoneChange }

// inCountry says in an event of a redeemed code to which country it went: what
// the conversion of a country is made of.
func (c Challenge) inCountry(e event.Event) event.Event {
	if c.Country == "" {
		return e
	}
	return e.With("country", c.Country)
}

// Pending is a signup's profile and password, which belong to nobody until
// the code is redeemed.
type Pending struct {
	Name, Email, Locale string
	PasswordHash        password.Hash // "" when none was given
}

// DeviceLabel is how a client describes its device. It is a label, never a
// proof (C-33).
type DeviceLabel struct {
	ID, Name, Platform string
}
