package keyring

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// Ring holds the master keys and, once unlocked, the stored ones. It is safe
// for concurrent use, with Unlock done before.
type Ring struct {
	Redacted
	masters []master // the first makes, all check

	pseudonym *parent // these three are nil until Unlock
	pepper    *parent
	data      *parent
}

type master struct {
	id string
	*parent
}

// New makes a ring of the masters; the first one makes, all of them check.
func New(masters []Master) (*Ring, error) {
	if len(masters) == 0 {
		return nil, errors.New("keyring: no master key")
	}
	r := &Ring{}
	for i, m := range masters {
		p := newParent(m.key[:])
		id := hex.EncodeToString(p.derive(labelKeyID)[:4])
		if _, ok := r.master(id); ok {
			return nil, fmt.Errorf("keyring: master key %d is listed twice (key id %s)", i+1, id)
		}
		r.masters = append(r.masters, master{id: id, parent: p})
	}
	return r, nil
}

// KeyID names the first master: 8 hexadecimal digits that tell nothing of it.
func (r *Ring) KeyID() string { return r.masters[0].id }

// KeyIDs names all masters, the first first.
func (r *Ring) KeyIDs() []string {
	ids := make([]string, len(r.masters))
	for i, m := range r.masters {
		ids[i] = m.id
	}
	return ids
}

// MAC is HMAC-SHA256 (32 bytes) over parts under the first master's sub-key
// for label. No two different lists of parts give the same input.
func (r *Ring) MAC(label Label, parts ...[]byte) []byte {
	return r.masters[0].mac(label, parts...)
}

// MACs is MAC under each master, the first first: to check what was made
// before a rotation.
func (r *Ring) MACs(label Label, parts ...[]byte) [][]byte {
	macs := make([][]byte, len(r.masters))
	for i, m := range r.masters {
		macs[i] = m.mac(label, parts...)
	}
	return macs
}

// MACFor is MAC under the master that keyID names; false if there is none.
func (r *Ring) MACFor(keyID string, label Label, parts ...[]byte) ([]byte, bool) {
	m, ok := r.master(keyID)
	if !ok {
		return nil, false
	}
	return m.mac(label, parts...), true
}

// CodeMACs is what is stored and compared in place of a code (CHECKLIST C-08):
// the code's MAC under each master, bound to challenge, purpose and phone. The
// first is the one to store.
func (r *Ring) CodeMACs(challengeID, purpose, phoneKey string, code Secret) [][]byte {
	return r.MACs(LabelCode, []byte(challengeID), []byte(purpose), []byte(phoneKey), []byte(code))
}

// Pseudonym stands for a phone number wherever it must be found or told apart
// but not read: 128 bits of a keyed hash, 22 characters of base64url. Keyed,
// because all 10^11 numbers can be hashed in minutes (CHECKLIST C-100).
func (r *Ring) Pseudonym(e164 string) string {
	mac := unlocked(r.pseudonym).mac(labelPseudonym, []byte(e164))
	return base64.RawURLEncoding.EncodeToString(mac[:16])
}

// Fingerprint is a MAC (32 bytes) that survives master rotation: its sub-key
// is the stored pseudonym key's.
func (r *Ring) Fingerprint(label Label, parts ...[]byte) []byte {
	return unlocked(r.pseudonym).mac(label, parts...)
}

// LimiterSecret is the key (32 bytes) of the names under which a limiter shared
// by all instances counts. It survives master rotation, as the counts must
// (CHECKLIST C-90): its parent is the stored pseudonym key.
func (r *Ring) LimiterSecret() []byte {
	return slices.Clone(unlocked(r.pseudonym).sub(labelLimiter))
}

// Pepper is what a password hash is made of instead of the password: its
// HMAC-SHA256 (32 bytes) under a key that the database alone does not hold
// (OWASP Password Storage, "peppering"; CHECKLIST C-16).
func (r *Ring) Pepper(password []byte) []byte {
	return unlocked(r.pepper).mac(labelPepper, password)
}

// PepperVersion names the pepper key in use, as password hashes record it.
func (r *Ring) PepperVersion() int { return 1 }

func (r *Ring) master(id string) (master, bool) {
	for _, m := range r.masters {
		if m.id == id {
			return m, true
		}
	}
	return master{}, false
}

// unlocked stops a program that forgot Unlock: there is no safe answer to give.
func unlocked(p *parent) *parent {
	if p == nil {
		panic("keyring: used before Unlock")
	}
	return p
}
