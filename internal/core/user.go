package core

import (
	"time"

	"github.com/countersign/countersign/internal/password"
)

// User is an account with a verified number; no other exists.
type User struct {
	ID              string
	Phone           SealedPhone // sealed for the user's ID
	PhoneVerifiedAt time.Time
	Name            string
	Email           string
	Locale          string
	PasswordHash    password.Hash // "" when there is no password
	Generation      int64         // raised by whatever ends sessions
	DisabledAt      time.Time     // zero while enabled
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Disabled tells whether the account may not sign in.
func (u User) Disabled() bool { return !u.DisabledAt.IsZero() }
