package token

import (
	"crypto/hmac"

	"github.com/countersign/countersign/internal/keyring"
)

const (
	cursorVersion = 1
	cursorMAC     = 16  // bytes: a cursor opens nothing, it must only be ours
	maxCursor     = 512 // characters
)

// Cursor wraps a place in a list of one kind for the client to hand back. It
// hides nothing, but cannot be made up (CHECKLIST C-68): what the core reads
// from it, it wrote.
func (m *Minter) Cursor(kind, value string) string {
	mac := m.ring.MAC(keyring.LabelCursor, []byte(kind), []byte(value))
	return encoding.EncodeToString(append(append([]byte{cursorVersion}, mac[:cursorMAC]...), value...))
}

// ParseCursor gives back the value of a cursor of this kind, made under any of
// the master keys, or ErrInvalid.
func (m *Minter) ParseCursor(kind, s string) (string, error) {
	if len(s) > maxCursor {
		return "", ErrInvalid
	}
	token, ok := decode(s)
	if !ok || len(token) < 1+cursorMAC || token[0] != cursorVersion {
		return "", ErrInvalid
	}
	mac, value := token[1:1+cursorMAC], token[1+cursorMAC:]
	for _, want := range m.ring.MACs(keyring.LabelCursor, []byte(kind), value) {
		if hmac.Equal(mac, want[:cursorMAC]) {
			return string(value), nil
		}
	}
	return "", ErrInvalid
}
