package server

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/token"
)

// keys are what the store keeps sealed, opened; and what had to be done for it.
type keys struct {
	signing  []signingKey // the newest first
	made     []string     // slots
	resealed []string
}

// openKeys unlocks the ring with the stored keys. Those that are missing are
// made: of several instances that do so at once one wins, and all read what
// the winner wrote. Those sealed under an older master key are sealed anew.
func openKeys(ctx context.Context, store core.Store, ring *keyring.Ring, stored []keyring.StoredKey, now time.Time, rand io.Reader) (k keys, err error) {
	// A wrong master key must be told before anything is made under it.
	for _, key := range stored {
		if _, err := ring.OpenKey(key); err != nil {
			return k, err
		}
	}
	if k.made, err = makeMissing(ctx, store, ring, stored, now, rand); err != nil {
		return k, err
	}
	if stored, err = store.Keys(ctx); err != nil {
		return k, fmt.Errorf("reading the stored keys: %w", err)
	}
	if err := ring.Unlock(stored); err != nil {
		return k, err
	}
	if k.resealed, err = reseal(ctx, store, ring, stored, rand); err != nil {
		return k, err
	}
	k.signing, err = signingKeys(ring, stored, nil)
	return k, err
}

func makeMissing(ctx context.Context, store core.Store, ring *keyring.Ring, stored []keyring.StoredKey, now time.Time, rand io.Reader) ([]string, error) {
	var made []string
	for _, slot := range []string{keyring.SlotPseudonym, keyring.SlotPepper, keyring.SlotData, signingSlots + "1"} {
		same := func(k keyring.StoredKey) bool {
			return k.Slot == slot || strings.HasPrefix(slot, signingSlots) && strings.HasPrefix(k.Slot, signingSlots)
		}
		if slices.ContainsFunc(stored, same) {
			continue
		}
		key, err := makeKey(ring, slot, now, rand)
		if err != nil {
			return nil, err
		}
		outcome, err := store.AddKey(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("storing the %s key: %w", slot, err)
		}
		if outcome == core.Done {
			made = append(made, slot)
		}
	}
	return made, nil
}

func makeKey(ring *keyring.Ring, slot string, now time.Time, rand io.Reader) (keyring.StoredKey, error) {
	if !strings.HasPrefix(slot, signingSlots) {
		return ring.MakeKey(slot, now, rand)
	}
	key, err := token.NewSigningKey()
	if err != nil {
		return keyring.StoredKey{}, err
	}
	der, err := key.PKCS8()
	if err != nil {
		return keyring.StoredKey{}, err
	}
	return ring.SealKey(key.ID, slot, der, now, rand)
}

// reseal brings every stored key under the first master key, so that the older
// ones can go.
func reseal(ctx context.Context, store core.Store, ring *keyring.Ring, stored []keyring.StoredKey, rand io.Reader) ([]string, error) {
	var slots []string
	for _, old := range stored {
		if !ring.NeedsReseal(old) {
			continue
		}
		plain, err := ring.OpenKey(old)
		if err != nil {
			return nil, err
		}
		sealed, err := ring.SealKey(old.ID, old.Slot, plain, old.CreatedAt, rand)
		if err != nil {
			return nil, err
		}
		outcome, err := store.ResealKey(ctx, old.ID, old.Sealed, sealed.Sealed)
		if err != nil {
			return nil, fmt.Errorf("storing the %s key under the new master key: %w", old.Slot, err)
		}
		if outcome == core.Done {
			slots = append(slots, old.Slot)
		}
	}
	return slots, nil
}
