package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/countersign/countersign/internal/keyring"
)

// A refresh token is this prefix and, in base64url: version (1 byte), key id
// (4), session id (16), counter (8, big-endian), the session's secret (16), and
// a MAC (32) over all before it. The prefixes let secret scanners find ours.
const (
	refreshPrefix  = "csr_"
	refreshVersion = 1
	refreshBody    = 1 + 4 + 16 + 8 + 16
	macSize        = sha256.Size
)

// Refresh is what a refresh token says.
type Refresh struct {
	keyring.Redacted
	KeyID     string // the master key that MACs it
	SessionID string
	Counter   int64
	Secret    [16]byte // the session's; its row keeps HashSecret of it
}

// HashSecret is what the store keeps of a session's secret: its SHA-256. Slow
// hashing guards guessable secrets; this one has 128 random bits.
func HashSecret(secret [16]byte) []byte {
	hash := sha256.Sum256(secret[:])
	return hash[:]
}

// Refresh makes a refresh token; the same r gives the same token, so that an
// answer that got lost can be told again. KeyID "" is the first master key.
func (m *Minter) Refresh(r Refresh) (keyring.Secret, error) {
	if r.KeyID == "" {
		r.KeyID = m.ring.KeyID()
	}
	session, ok := keyring.ParseID(r.SessionID)
	if !ok || r.Counter < 0 {
		return "", fmt.Errorf("making a refresh token: session id %q, counter %d", r.SessionID, r.Counter)
	}
	body := make([]byte, 0, refreshBody+macSize)
	body = append(body, refreshVersion)
	body, err := hex.AppendDecode(body, []byte(r.KeyID))
	if err != nil {
		return "", fmt.Errorf("making a refresh token: key id %q: %w", r.KeyID, err)
	}
	body = append(body, session[:]...)
	body = binary.BigEndian.AppendUint64(body, uint64(r.Counter))
	body = append(body, r.Secret[:]...)
	mac, ok := m.ring.MACFor(r.KeyID, keyring.LabelRefresh, body)
	if !ok {
		return "", fmt.Errorf("making a refresh token: no master key %s", r.KeyID)
	}
	return keyring.Secret(refreshPrefix + encoding.EncodeToString(append(body, mac...))), nil
}

// ParseRefresh reads a refresh token and checks its MAC under the master key
// that it names. All failures are ErrInvalid. That the secret is the session's
// is for the store to find: the key alone forges nothing (CHECKLIST C-21).
func (m *Minter) ParseRefresh(s string) (Refresh, error) {
	token, ok := unwrap(s, refreshPrefix, refreshBody+macSize)
	if !ok || token[0] != refreshVersion {
		return Refresh{}, ErrInvalid
	}
	body, mac := token[:refreshBody], token[refreshBody:]
	r := Refresh{KeyID: hex.EncodeToString(body[1:5]), SessionID: keyring.FormatID([16]byte(body[5:21])), Secret: [16]byte(body[29:45])}
	want, ok := m.ring.MACFor(r.KeyID, keyring.LabelRefresh, body)
	if !ok || !hmac.Equal(mac, want) {
		return Refresh{}, ErrInvalid
	}
	counter := binary.BigEndian.Uint64(body[21:29])
	if counter > math.MaxInt64 {
		return Refresh{}, ErrInvalid
	}
	r.Counter = int64(counter)
	return r, nil
}

// unwrap takes off the prefix and decodes exactly size bytes.
func unwrap(s, prefix string, size int) ([]byte, bool) {
	text, ok := strings.CutPrefix(s, prefix)
	if !ok || len(text) != encoding.EncodedLen(size) {
		return nil, false
	}
	return decode(text)
}
