package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// maxAccess bounds what is looked at, in bytes. Ours stay under 1 KB.
const maxAccess = 4096

// signatureSize is that of r ‖ s, 32 bytes each (RFC 7518 3.4).
const signatureSize = 64

// Access is what an access token says. Times are whole seconds in a token.
type Access struct {
	Subject     string // the user
	SessionID   string // sid
	ID          string // jti
	ClientID    string
	AuthTime    time.Time
	IssuedAt    time.Time
	ExpiresAt   time.Time
	ACR         string
	AMR         []string
	Thumbprint  string // cnf.jkt: the DPoP key it is bound to, or ""
	PhoneNumber string // E.164, only where the operator has it shown
}

// Access signs an access token by RFC 9068. ID, IssuedAt and ExpiresAt are made
// here; ClientID is the settings' unless a names one.
func (m *Minter) Access(a Access, now time.Time) (keyring.Secret, error) {
	id, err := keyring.NewID(now, m.rand)
	if err != nil {
		return "", fmt.Errorf("making an access token: %w", err)
	}
	a.ID = id
	a.IssuedAt = now.Truncate(time.Second)
	a.ExpiresAt = a.IssuedAt.Add(m.settings.TTL)
	payload, err := m.fixed.appendClaims(make([]byte, 0, 640), a)
	if err != nil {
		return "", fmt.Errorf("making an access token: %w", err)
	}
	signer := m.keys.Load().signer(now)
	token := make([]byte, 0, len(signer.header)+encoding.EncodedLen(len(payload))+encoding.EncodedLen(signatureSize)+2)
	token = append(append(token, signer.header...), '.')
	token = encoding.AppendEncode(token, payload)
	signature, err := signer.sign(token)
	if err != nil {
		return "", fmt.Errorf("making an access token: %w", err)
	}
	token = encoding.AppendEncode(append(token, '.'), signature[:])
	if len(token) > maxAccess {
		return "", fmt.Errorf("making an access token: %d bytes, more than %d", len(token), maxAccess)
	}
	return keyring.Secret(token), nil
}

// ParseAccess reads an access token and checks all that its bytes can show
// (RFC 9068 4, RFC 8725 3.1). It is ErrExpired from ExpiresAt on if nothing else
// is wrong, else ErrInvalid. Whether the session lives is not known here, and
// is asked by session id, never by these bytes (CHECKLIST C-23).
func (m *Minter) ParseAccess(s string, now time.Time) (Access, error) {
	if len(s) > maxAccess {
		return Access{}, ErrInvalid
	}
	hash := sha256.Sum256([]byte(s))
	keys := m.keys.Load()
	a, ok := keys.verified.find(hash)
	if !ok {
		if a, ok = m.verify(keys, s); !ok {
			return Access{}, ErrInvalid
		}
		keys.verified.add(hash, a)
	}
	if !now.Before(a.ExpiresAt) {
		return Access{}, ErrExpired
	}
	a.AMR = slices.Clone(a.AMR) // the cache keeps its own
	return a, nil
}

// verify checks all but the time. The header is not parsed but looked up: only
// those that we write for our keys, byte for byte, are known. So typ, alg and
// kid are exact, and jku, x5u, x5c, jwk or crit have no way in (CHECKLIST C-22).
func (m *Minter) verify(keys *currentKeys, s string) (Access, bool) {
	header, rest, _ := strings.Cut(s, ".")
	key, ok := keys.public[header]
	if !ok {
		return Access{}, false
	}
	body, encodedSignature, ok := strings.Cut(rest, ".")
	if !ok {
		return Access{}, false
	}
	payload, ok := decode(body)
	if !ok {
		return Access{}, false
	}
	signature, ok := decode(encodedSignature) // a dot in it, a fourth part, is not base64url
	if !ok || !verifySignature(key, s[:len(header)+1+len(body)], signature) {
		return Access{}, false
	}
	return parseClaims(payload, m.settings)
}

// halfOrder is half the order of P-256's group (SEC 2, 2.4.2), rounded down.
var halfOrder = new(big.Int).Rsh(elliptic.P256().Params().N, 1)

// sign gives r ‖ s. Of s and n−s, which are both right, the lower is taken and
// the other refused: a token has one form only.
func (k SigningKey) sign(text []byte) (signature [signatureSize]byte, err error) {
	hash := sha256.Sum256(text)
	r, s, err := ecdsa.Sign(rand.Reader, k.private, hash[:])
	if err != nil {
		return signature, fmt.Errorf("signing: %w", err)
	}
	if s.Cmp(halfOrder) > 0 {
		s.Sub(k.private.Params().N, s)
	}
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature, nil
}

func verifySignature(key *ecdsa.PublicKey, text string, signature []byte) bool {
	if len(signature) != signatureSize {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	hash := sha256.Sum256([]byte(text))
	return s.Cmp(halfOrder) <= 0 && ecdsa.Verify(key, hash[:], r, s)
}
