package token

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"time"
)

// currentKeys is the signing keys of a moment. It is read-only once made, but for
// the tokens that it remembers.
type currentKeys struct {
	signers  []signer                    // the newest first
	public   map[string]*ecdsa.PublicKey // by encoded header
	jwks     []byte
	verified *verifiedTokens
}

type signer struct {
	SigningKey
	header string // encoded
}

// newCurrentKeys makes the set that follows before, which is nil at first.
func newCurrentKeys(keys []SigningKey, before *currentKeys) (*currentKeys, error) {
	if len(keys) == 0 {
		return nil, errors.New("tokens: no signing key")
	}
	s := &currentKeys{public: make(map[string]*ecdsa.PublicKey, len(keys))}
	for _, key := range keys {
		if key.private == nil {
			return nil, errors.New("tokens: a signing key is empty")
		}
		header := key.header()
		if _, ok := s.public[header]; ok {
			return nil, fmt.Errorf("tokens: signing key %s is listed twice", key.ID)
		}
		s.public[header] = &key.private.PublicKey
		s.signers = append(s.signers, signer{key, header})
	}
	var err error
	if s.jwks, err = encodeJWKS(keys); err != nil {
		return nil, err
	}
	s.verified = newVerifiedTokens()
	if before != nil && s.holds(before) {
		s.verified = before.verified
	}
	return s, nil
}

// holds tells whether all keys of other are in s too: then what other verified
// holds in s. A key that is gone takes along what was found right under it.
func (s *currentKeys) holds(other *currentKeys) bool {
	for header := range other.public {
		if _, ok := s.public[header]; !ok {
			return false
		}
	}
	return true
}

// signer is the newest key that has begun to sign at now; the oldest where
// none has, for somebody must.
func (s *currentKeys) signer(now time.Time) signer {
	for _, key := range s.signers {
		if !now.Before(key.From) {
			return key
		}
	}
	return s.signers[len(s.signers)-1]
}
