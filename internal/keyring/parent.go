package keyring

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// keySize is the size of every key here, in bytes: 256 bits (CHECKLIST C-89).
const keySize = 32

// parent is a key of which only sub-keys are used. It is read-only once made,
// hence safe for concurrent use without a lock.
type parent struct {
	key  []byte
	subs map[Label][]byte
}

func newParent(key []byte) *parent {
	p := &parent{key: key, subs: make(map[Label][]byte, len(labels))}
	for _, label := range labels {
		p.subs[label] = p.derive(label)
	}
	return p
}

// sub returns the label's sub-key.
func (p *parent) sub(label Label) []byte {
	if key, ok := p.subs[label]; ok {
		return key
	}
	return p.derive(label)
}

// derive is HKDF-SHA256 (RFC 5869) without salt: the parent is uniform already.
func (p *parent) derive(label Label) []byte {
	key, err := hkdf.Key(sha256.New, p.key, nil, "countersign/"+string(label), keySize)
	if err != nil {
		// Only for lengths past 255 hashes, or a FIPS mode refusing short keys.
		panic(fmt.Sprintf("keyring: deriving the key for %q: %v", label, err))
	}
	return key
}

// mac is HMAC-SHA256 over the parts, each behind its length, so that no two
// lists of parts give the same input.
func (p *parent) mac(label Label, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, p.sub(label))
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return h.Sum(nil)
}
