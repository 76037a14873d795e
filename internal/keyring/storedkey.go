package keyring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The slots that Unlock needs. JWT signing keys stand in "signing/1" and on.
const (
	SlotPseudonym = "pseudonym"
	SlotPepper    = "pepper"
	SlotData      = "data"
)

// ErrWrongMaster says that a stored key is sealed under a master key that is
// not among those given.
var ErrWrongMaster = errors.New("wrong master key")

// storedHeader is the version and the id of the master that sealed: by it a
// wrong master and a damaged row are told apart.
const storedHeader = 1 + 4

// MakeKey makes a fresh 256-bit key for slot, sealed under the first master.
// Its ID is the slot.
func (r *Ring) MakeKey(slot string, now time.Time, rand io.Reader) (StoredKey, error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(rand, key); err != nil {
		return StoredKey{}, fmt.Errorf("making the %s key: reading random bytes: %w", slot, err)
	}
	return r.SealKey(slot, slot, key, now, rand)
}

// SealKey seals a key under the first master, bound to its id and slot. It is
// also how a key is sealed anew after a rotation (NeedsReseal).
func (r *Ring) SealKey(id, slot string, key []byte, now time.Time, rand io.Reader) (StoredKey, error) {
	m := r.masters[0]
	header, err := hex.AppendDecode([]byte{sealVersion}, []byte(m.id))
	if err != nil {
		return StoredKey{}, fmt.Errorf("sealing the %s key: %w", slot, err)
	}
	sealed, err := seal(rand, m.sub(labelStoredKey), header, parts([]byte(id), []byte(slot)), key)
	if err != nil {
		return StoredKey{}, fmt.Errorf("sealing the %s key: %w", slot, err)
	}
	return StoredKey{ID: id, Slot: slot, Sealed: sealed, CreatedAt: now}, nil
}

// OpenKey gives back what SealKey took. It is ErrWrongMaster when the master it
// was sealed under is not here, ErrOpen when that master does not open it.
func (r *Ring) OpenKey(k StoredKey) ([]byte, error) {
	id, ok := sealedUnder(k)
	if !ok {
		return nil, fmt.Errorf("opening the %s key: %w", k.Slot, ErrOpen)
	}
	m, ok := r.master(id)
	if !ok {
		return nil, fmt.Errorf("opening the %s key: %w: it is sealed under master key %s, and given: %s. "+
			"Add the master key %s to the list (behind the new one, if it was replaced), or restore the database that belongs to the keys given",
			k.Slot, ErrWrongMaster, id, strings.Join(r.KeyIDs(), ", "), id)
	}
	key, err := open(m.sub(labelStoredKey), k.Sealed[:storedHeader], parts([]byte(k.ID), []byte(k.Slot)), k.Sealed[storedHeader:])
	if err != nil {
		return nil, fmt.Errorf("opening the %s key: %w", k.Slot, err)
	}
	return key, nil
}

// NeedsReseal tells whether k is sealed under another master than the first.
func (r *Ring) NeedsReseal(k StoredKey) bool {
	id, ok := sealedUnder(k)
	return ok && id != r.KeyID()
}

// Unlock takes the pseudonym, pepper and data keys; other slots are passed over.
func (r *Ring) Unlock(keys []StoredKey) error {
	slots := map[string]**parent{SlotPseudonym: &r.pseudonym, SlotPepper: &r.pepper, SlotData: &r.data}
	for _, k := range keys {
		place, ok := slots[k.Slot]
		if !ok {
			continue
		}
		key, err := r.OpenKey(k)
		if err != nil {
			return err
		}
		if len(key) != keySize {
			return fmt.Errorf("keyring: the %s key has %d bytes, not %d", k.Slot, len(key), keySize)
		}
		*place = newParent(key)
	}
	for _, slot := range []string{SlotPseudonym, SlotPepper, SlotData} {
		if *slots[slot] == nil {
			return fmt.Errorf("keyring: the %s key is missing among the stored keys", slot)
		}
	}
	return nil
}

// sealedUnder reads the id of the master that sealed k.
func sealedUnder(k StoredKey) (string, bool) {
	if len(k.Sealed) < storedHeader || k.Sealed[0] != sealVersion {
		return "", false
	}
	return hex.EncodeToString(k.Sealed[1:storedHeader]), true
}
