package password

import (
	"fmt"
	"log/slog"

	"github.com/countersign/countersign/internal/keyring"
)

// Hash is a password's Argon2id hash in PHC form, with the pepper's key
// version among its parameters. It prints as [redacted].
type Hash string

// String hides the hash from logs and errors.
func (h Hash) String() string { return keyring.Secret(h).String() }

// GoString hides the hash from %#v.
func (h Hash) GoString() string { return keyring.Secret(h).GoString() }

// Format hides the hash under every verb.
func (h Hash) Format(f fmt.State, verb rune) { keyring.Secret(h).Format(f, verb) }

// MarshalText hides the hash from encoders.
func (h Hash) MarshalText() ([]byte, error) { return keyring.Secret(h).MarshalText() }

// LogValue hides the hash from slog.
func (h Hash) LogValue() slog.Value { return keyring.Secret(h).LogValue() }
