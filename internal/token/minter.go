package token

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// ErrInvalid says of a token that we did not make it, or not in this form. Why
// is nobody's business: it is one answer for all.
var ErrInvalid = errors.New("invalid token")

// ErrExpired says of an access token that all is right but its time has passed.
var ErrExpired = errors.New("expired token")

// MaxTTL is the longest life of an access token (CHECKLIST C-22).
const MaxTTL = 600 * time.Second

// Settings are what every access token says alike.
type Settings struct {
	Issuer   string
	Audience string
	ClientID string
	TTL      time.Duration // whole seconds, at most MaxTTL
}

// Minter makes and checks tokens. It is safe for concurrent use if the random
// source given to New is.
type Minter struct {
	keyring.Redacted
	ring     *keyring.Ring
	rand     io.Reader
	settings Settings
	fixed    fixedClaims
	keys     atomic.Pointer[currentKeys]
}

// New makes a minter. Of the keys, the newest first, the first one that has
// begun to sign signs; all of them verify.
func New(ring *keyring.Ring, keys []SigningKey, s Settings, rand io.Reader) (*Minter, error) {
	if s.TTL < time.Second || s.TTL > MaxTTL || s.TTL%time.Second != 0 {
		return nil, fmt.Errorf("tokens: access tokens live whole seconds, 1 to %d: %v is not that", MaxTTL/time.Second, s.TTL)
	}
	fixed, err := newFixedClaims(s)
	if err != nil {
		return nil, err
	}
	m := &Minter{ring: ring, rand: rand, settings: s, fixed: fixed}
	return m, m.Rotate(keys)
}

// Rotate puts keys, as New takes them, in place of those in use, also while
// tokens are made and checked. After an error the old ones stay.
func (m *Minter) Rotate(keys []SigningKey) error {
	next, err := newCurrentKeys(keys, m.keys.Load())
	if err != nil {
		return err
	}
	m.keys.Store(next)
	return nil
}

// TTL is how long an access token lives.
func (m *Minter) TTL() time.Duration { return m.settings.TTL }

// JWKS is the JSON Web Key Set (RFC 7517 5) of all keys, for those who check
// access tokens themselves. It must not be changed.
func (m *Minter) JWKS() []byte { return m.keys.Load().jwks }
