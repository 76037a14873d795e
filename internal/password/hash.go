package password

// Hash is a password's Argon2id hash in PHC form, with the pepper's key
// version among its parameters. It prints as [redacted].
type Hash string

// String hides the hash from logs and errors.
func (Hash) String() string { return "[redacted]" }

// GoString hides the hash from %#v.
func (Hash) GoString() string { return "[redacted]" }

// MarshalText hides the hash from encoders.
func (Hash) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }
