package keyring

import "time"

// StoredKey is a key that the store keeps, sealed under a master key. Of each
// slot there is one at most, whoever made it first.
type StoredKey struct {
	ID        string // names the key itself; a signing key's is its kid
	Slot      string // what it is for: "pseudonym", "pepper", "data", "signing/1", …
	Sealed    []byte
	CreatedAt time.Time
}
