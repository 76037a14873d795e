package core

import (
	"slices"
	"time"
)

// The methods by which a session was proved.
const (
	MethodSMS      = "sms" // a code that came to the phone, by whatever channel
	MethodPassword = "password"
)

// MaxSessions is how many sessions a user has at most; the oldest ends (C-30).
const MaxSessions = 50

// EndedWithAll is the EndReason of sessions that EndAllSessions ended.
const EndedWithAll = "all_ended"

// Session is one sign-in. Its current refresh token is Counter; the one before
// is its predecessor.
type Session struct {
	ID           string
	UserID       string
	Counter      int64
	SecretHash   []byte    // SHA-256 of the session's 128-bit secret
	SecretSealed []byte    // the secret, sealed for this id: to tell a token again
	TokenKeyID   string    // the master key that MACs the current refresh token
	RotatedAt    time.Time // when Counter was first reached by a rotation; zero at 0

	CreatedAt     time.Time
	AuthTime      time.Time // the last proof of identity
	LastSeenAt    time.Time // the last sign-in or refresh
	IdleExpiresAt time.Time
	ExpiresAt     time.Time
	EndedAt       time.Time // zero while it lives
	EndReason     string    // an event reason: "logout", "reuse", …

	DeviceID  string      // the devices row it belongs to
	Device    DeviceLabel // as the client describes itself
	IPAddress string      // of the last sign-in or refresh
	Network   string      // its /24 or /48
	UserAgent string
	Methods   []string // what was proved: MethodSMS, MethodPassword

	Dialect    string  // which API opened it
	Reissue    Reissue // when a predecessor still gets its successor
	Thumbprint string  // the DPoP key it is bound to (RFC 7638), or ""
}

// Reissue is a session's rule for a predecessor presented after the grace
// window, while its successor is unused (invariant 4).
type Reissue string

// The reissue rules.
const (
	ReissueDevice Reissue = "device" // only where the same device shows itself
	ReissueAny    Reissue = "any"    // dialects whose clients have no such proof
)

// Alive tells whether the session is accepted at the time given.
func (s Session) Alive(now time.Time) bool {
	return s.EndedAt.IsZero() && now.Before(s.ExpiresAt) && now.Before(s.IdleExpiresAt)
}

// AAL is NIST SP 800-63B's assurance level: aal2 once two factors were proved.
func (s Session) AAL() string {
	if slices.Contains(s.Methods, MethodSMS) && slices.Contains(s.Methods, MethodPassword) {
		return "aal2"
	}
	return "aal1"
}

// Device is where a user signed in before. It has failure counters of its own.
type Device struct {
	ID         string
	UserID     string
	Label      DeviceLabel
	CreatedAt  time.Time
	LastSeenAt time.Time
}
