package native

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// Challenge is an open "prove this number".
type Challenge struct {
	ChallengeID string       `json:"challenge_id" jsonschema:"opens it, together with the code"`
	Purpose     core.Purpose `json:"purpose" jsonschema:"what its code is good for"`
	Channel     core.Channel `json:"channel" jsonschema:"how the code travels"`
	CodeLength  int          `json:"code_length" jsonschema:"how many digits the code has"`
	ExpiresAt   time.Time    `json:"expires_at" jsonschema:"dead at exactly this time"`
	ResendAt    *time.Time   `json:"resend_at" jsonschema:"the code may be sent again from then on; null when no resend is left"`
}

// Delivery is how far a challenge's code has come.
type Delivery struct {
	State    core.DeliveryWord `json:"state" jsonschema:"requested: no more is told; queued, sent, delivered, undelivered, expired"`
	Since    time.Time         `json:"since"`
	ResendAt *time.Time        `json:"resend_at" jsonschema:"the code may be sent again from then on; null when no resend is left"`
	Message  string            `json:"message" jsonschema:"a line for people"`
}

// TokenSet is a signed-in session's tokens.
type TokenSet struct {
	AccessToken      string    `json:"access_token" jsonschema:"a JWT (RFC 9068), for the Authorization header"`
	TokenType        string    `json:"token_type" jsonschema:"Bearer"`
	ExpiresIn        int64     `json:"expires_in" jsonschema:"whole seconds that the access token lives"`
	RefreshToken     string    `json:"refresh_token" jsonschema:"gets the next TokenSet"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at" jsonschema:"the session ends then unless it is refreshed before"`
	SessionID        string    `json:"session_id"`
	DeviceToken      string    `json:"device_token,omitzero" jsonschema:"marks this device as known to the user; in the answer to a sign-in alone"`
	Created          bool      `json:"created" jsonschema:"this call made the account"`
	User             User      `json:"user"`
}

// User is an account as its user sees it.
type User struct {
	ID                    string    `json:"id"`
	PhoneNumber           string    `json:"phone_number" jsonschema:"E.164"`
	PhoneNumberVerifiedAt time.Time `json:"phone_number_verified_at"`
	Name                  *string   `json:"name"`
	Email                 *string   `json:"email"`
	EmailVerified         bool      `json:"email_verified"`
	Locale                *string   `json:"locale"`
	HasPassword           bool      `json:"has_password"`
	CreatedAt             time.Time `json:"created_at"`
	UpdatedAt             time.Time `json:"updated_at"`
}

// Session is one sign-in.
type Session struct {
	ID            string    `json:"id"`
	Current       bool      `json:"current" jsonschema:"the session that asks"`
	CreatedAt     time.Time `json:"created_at"`
	LastSeenAt    time.Time `json:"last_seen_at" jsonschema:"the last sign-in or refresh"`
	ExpiresAt     time.Time `json:"expires_at" jsonschema:"ends then in any case"`
	IdleExpiresAt time.Time `json:"idle_expires_at" jsonschema:"ends then unless it is refreshed before"`
	IPAddress     string    `json:"ip_address" jsonschema:"of the last sign-in or refresh"`
	UserAgent     string    `json:"user_agent"`
	Device        Device    `json:"device"`
	Methods       []string  `json:"methods" jsonschema:"what was proved in it: sms, password"`
	AAL           string    `json:"aal" jsonschema:"aal2 once a password and a code were both proved"`
}

// Device is a device as its client described it.
type Device struct {
	ID       *string `json:"id"`
	Name     *string `json:"name"`
	Platform *string `json:"platform"`
}

// SessionList is the answer of GET /v1/sessions.
type SessionList struct {
	Sessions []Session `json:"sessions"`
}

// EventList is a page of the user's own security history.
type EventList struct {
	Events     []Event `json:"events" jsonschema:"the newest first"`
	NextCursor *string `json:"next_cursor" jsonschema:"for the next page; null on the last one"`
}

// Event is one fact of the security log, as the one encoder writes it.
type Event struct{ line jsontext.Value }

// MarshalJSONTo writes the encoder's line.
func (e Event) MarshalJSONTo(to *jsontext.Encoder) error { return to.WriteValue(e.line) }

// eventMembers describes what event.Encode writes.
type eventMembers struct {
	ID             string         `json:"id"`
	Timestamp      time.Time      `json:"timestamp"`
	Event          string         `json:"event" jsonschema:"what happened, such as successful_login"`
	Outcome        event.Outcome  `json:"outcome"`
	Reason         string         `json:"reason,omitzero"`
	Method         string         `json:"method,omitzero"`
	UserID         string         `json:"user_id,omitzero"`
	SessionID      string         `json:"session_id,omitzero"`
	PhoneNumber    string         `json:"phone_number,omitzero" jsonschema:"masked: country code and last two digits"`
	PhonePseudonym string         `json:"phone_pseudonym,omitzero" jsonschema:"the keyed hash by which one number's events are found"`
	IPAddress      string         `json:"ip_address,omitzero"`
	UserAgent      string         `json:"user_agent,omitzero"`
	RequestID      string         `json:"request_id,omitzero"`
	Attributes     map[string]any `json:"attributes,omitzero"`
}

func challengeOf(c core.Challenge) Challenge {
	out := Challenge{
		ChallengeID: c.ID, Purpose: c.Purpose, Channel: c.Channel, CodeLength: c.CodeLength, ExpiresAt: c.ExpiresAt.UTC(),
	}
	if !c.ResendAt.IsZero() {
		at := c.ResendAt.UTC()
		out.ResendAt = &at
	}
	return out
}

func deliveryOf(d core.DeliveryOf) Delivery {
	out := Delivery{State: d.State, Since: d.Since.UTC(), Message: d.Message}
	if !d.ResendAt.IsZero() {
		at := d.ResendAt.UTC()
		out.ResendAt = &at
	}
	return out
}

func tokenSetOf(t core.TokenSet) TokenSet {
	return TokenSet{
		AccessToken: t.AccessToken.Reveal(), TokenType: t.TokenType, ExpiresIn: int64(t.ExpiresIn / time.Second),
		RefreshToken: t.RefreshToken.Reveal(), RefreshExpiresAt: t.RefreshExpiresAt.UTC(), SessionID: t.SessionID,
		DeviceToken: t.DeviceToken.Reveal(), Created: t.Created, User: userOf(t.User),
	}
}

func userOf(u core.UserView) User {
	return User{
		ID: u.ID, PhoneNumber: u.PhoneNumber.E164(), PhoneNumberVerifiedAt: u.PhoneNumberVerifiedAt.UTC(),
		Name: orNull(u.Name), Email: orNull(u.Email), EmailVerified: u.EmailVerified, Locale: orNull(u.Locale),
		HasPassword: u.HasPassword, CreatedAt: u.CreatedAt.UTC(), UpdatedAt: u.UpdatedAt.UTC(),
	}
}

func sessionOf(s core.SessionView) Session {
	return Session{
		ID: s.ID, Current: s.Current, CreatedAt: s.CreatedAt.UTC(), LastSeenAt: s.LastSeenAt.UTC(),
		ExpiresAt: s.ExpiresAt.UTC(), IdleExpiresAt: s.IdleExpiresAt.UTC(), IPAddress: s.IPAddress, UserAgent: s.UserAgent,
		Device:  Device{ID: orNull(s.Device.ID), Name: orNull(s.Device.Name), Platform: orNull(s.Device.Platform)},
		Methods: s.Methods, AAL: s.AAL(),
	}
}

// orNull gives nil for a text that is not set.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
