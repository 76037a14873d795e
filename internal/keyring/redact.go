package keyring

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a token, a password or a code. However it is printed, logged or
// encoded it shows "[redacted]"; only Reveal tells it.
//
// fmt cannot call methods on unexported fields: a struct that holds a Secret in
// one and may be printed must embed Redacted.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" whatever the verb.
func (Secret) Format(f fmt.State, verb rune) { Redacted{}.Format(f, verb) }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return Redacted{}.MarshalText() }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return Redacted{}.MarshalJSON() }

// LogValue gives "[redacted]" to slog.
func (Secret) LogValue() slog.Value { return Redacted{}.LogValue() }

// Redacted is embedded by types that hold key material: it keeps them out of
// every fmt verb, slog, JSON and text.
type Redacted struct{}

// String returns "[redacted]".
func (Redacted) String() string { return redacted }

// GoString returns "[redacted]".
func (Redacted) GoString() string { return redacted }

// Format writes "[redacted]" whatever the verb.
func (Redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]".
func (Redacted) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue gives "[redacted]" to slog.
func (Redacted) LogValue() slog.Value { return slog.StringValue(redacted) }
