package keyring

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSealOpen(t *testing.T) {
	r := unlockedRing(t)
	random := testRand(7)
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.String().Draw(t, "row")
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		sealed, err := r.Seal(random, LabelMessage, row, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Open(LabelMessage, row, sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("Open = %x, %v", got, err)
		}
		bit := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		sealed[bit/8] ^= 1 << (bit % 8)
		if _, err := r.Open(LabelMessage, row, sealed); !errors.Is(err, ErrOpen) {
			t.Fatalf("bit %d changed: %v", bit, err)
		}
		sealed[bit/8] ^= 1 << (bit % 8)
		cut := rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")
		if _, err := r.Open(LabelMessage, row, sealed[:cut]); !errors.Is(err, ErrOpen) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	})
}

// C-91: what was sealed for one row or use opens in no other.
func TestC91SwappedRowsAndUses(t *testing.T) {
	r := unlockedRing(t)
	a := mustSeal(t, r, LabelPhone, "row-a", "+15550100")
	b := mustSeal(t, r, LabelPhone, "row-b", "+15550101")
	c := mustSeal(t, r, LabelMessage, "row-a", "text")
	for name, open := range map[string]func() ([]byte, error){
		"row b's value in row a": func() ([]byte, error) { return r.Open(LabelPhone, "row-a", b) },
		"row a's value in row b": func() ([]byte, error) { return r.Open(LabelPhone, "row-b", a) },
		"a message as a phone":   func() ([]byte, error) { return r.Open(LabelPhone, "row-a", c) },
		"a phone as a message":   func() ([]byte, error) { return r.Open(LabelMessage, "row-a", a) },
		"label and row shifted":  func() ([]byte, error) { return r.Open(LabelPhone+"r", "ow-a", a) },
		"another data key": func() ([]byte, error) {
			other := testRing(t, testMaster(1))
			return unlock(t, other, testKeys(t, other, 20)).Open(LabelPhone, "row-a", a)
		},
	} {
		if got, err := open(); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := r.Open(LabelPhone, "row-a", a); err != nil || string(got) != "+15550100" {
		t.Errorf("in its own place: %q, %v", got, err)
	}
}

func mustSeal(t *testing.T, r *Ring, label Label, row, plaintext string) []byte {
	t.Helper()
	sealed, err := r.Seal(testRand(3), label, row, []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// C-91: stored keys are bound to id and slot alike.
func TestC91SwappedStoredKeys(t *testing.T) {
	r := testRing(t, testMaster(1))
	k, err := r.SealKey("kid-1", "signing/1", []byte("private"), testNow, testRand(1))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.OpenKey(k); err != nil || string(got) != "private" || !k.CreatedAt.Equal(testNow) {
		t.Fatalf("OpenKey = %q, %v", got, err)
	}
	moved, renamed, damaged, empty := k, k, k, k
	moved.Slot = "signing/2"
	renamed.ID = "kid-2"
	damaged.Sealed = bytes.Clone(k.Sealed)
	damaged.Sealed[len(damaged.Sealed)-1] ^= 1
	empty.Sealed = nil
	for name, k := range map[string]StoredKey{"moved": moved, "renamed": renamed, "damaged": damaged, "empty": empty} {
		if _, err := r.OpenKey(k); !errors.Is(err, ErrOpen) || errors.Is(err, ErrWrongMaster) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWrongMasterSaysWhich(t *testing.T) {
	sealer, other := testRing(t, testMaster(1)), testRing(t, testMaster(2), testMaster(3))
	keys := testKeys(t, sealer, 10)
	err := other.Unlock(keys)
	if !errors.Is(err, ErrWrongMaster) {
		t.Fatalf("Unlock: %v", err)
	}
	for _, id := range append(other.KeyIDs(), sealer.KeyID(), "restore the database") {
		if !strings.Contains(err.Error(), id) {
			t.Errorf("%q does not tell %s", err, id)
		}
	}
	// A header that claims another master does not make its key open.
	lying := keys[0]
	lying.Sealed = bytes.Clone(lying.Sealed)
	copy(lying.Sealed[1:5], mustKey(t, other, 1).Sealed[1:5])
	if _, err := other.OpenKey(lying); !errors.Is(err, ErrOpen) {
		t.Errorf("a lying header: %v", err)
	}
}

func mustKey(t *testing.T, r *Ring, seed byte) StoredKey {
	t.Helper()
	k, err := r.MakeKey(SlotData, testNow, testRand(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestUnlockNamesMissingSlot(t *testing.T) {
	r := testRing(t, testMaster(1))
	keys := testKeys(t, r, 10)
	for i, slot := range []string{SlotPseudonym, SlotPepper, SlotData} {
		rest := append(append([]StoredKey{{Slot: "signing/1"}}, keys[:i]...), keys[i+1:]...)
		if err := testRing(t, testMaster(1)).Unlock(rest); err == nil || !strings.Contains(err.Error(), slot) {
			t.Errorf("without %s: %v", slot, err)
		}
	}
	short, err := r.SealKey(SlotData, SlotData, []byte("short"), testNow, testRand(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Unlock(append(keys[:2:2], short)); err == nil {
		t.Error("a short key was taken")
	}
}

func TestNoEntropyNoResult(t *testing.T) {
	r := unlockedRing(t)
	dry := func() io.Reader { return io.LimitReader(testRand(1), 5) }
	for name, use := range map[string]func() error{
		"Seal":    func() error { _, err := r.Seal(dry(), LabelPhone, "", nil); return err },
		"MakeKey": func() error { _, err := r.MakeKey(SlotData, testNow, dry()); return err },
		"NewID":   func() error { _, err := NewID(testNow, dry()); return err },
		"NewCode": func() error { _, err := NewCode(6, dry()); return err },
	} {
		if err := use(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
