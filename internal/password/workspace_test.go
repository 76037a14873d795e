package password

import (
	"bytes"
	"crypto/rand"
	"testing"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"
)

// TestWorkspaceHashesAsIDKey holds one workspace against the package that it
// links, through hashes of all sizes.
func TestWorkspaceHashesAsIDKey(t *testing.T) {
	var w workspace
	rapid.Check(t, func(t *rapid.T) {
		lanes := rapid.Uint8Range(1, 4).Draw(t, "lanes")
		p := Params{
			MemoryKiB: rapid.Uint32Range(8*uint32(lanes), 300).Draw(t, "memory"),
			Time:      rapid.Uint32Range(1, 3).Draw(t, "passes"),
			Threads:   lanes,
		}
		secret := rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "secret")
		salt := rapid.SliceOfN(rapid.Byte(), minSalt, maxField).Draw(t, "salt")
		length := rapid.IntRange(minSum, maxField).Draw(t, "length")
		want := argon2.IDKey(secret, salt, p.Time, p.MemoryKiB, p.Threads, uint32(length))
		if got := w.idKey(secret, salt, p, length); !bytes.Equal(got, want) {
			t.Fatalf("a workspace made %x, argon2.IDKey %x", got, want)
		}
	})
}

// TestWorkspaceIsWiped: nothing of a password stays in memory that lives on.
func TestWorkspaceIsWiped(t *testing.T) {
	var w workspace
	w.idKey([]byte("correct horse"), make([]byte, saltBytes), Params{MemoryKiB: 100, Time: 2, Threads: 3}, sumBytes)
	if len(w) == 0 {
		t.Fatal("no memory was kept")
	}
	for i, b := range w {
		if b != (block{}) {
			t.Fatalf("block %d of %d still holds what the last hash left", i, len(w))
		}
	}
}

// TestMemoryStaysWhileOthersCome: a flood makes no garbage, and a server at rest
// holds no memory for it.
func TestMemoryStaysWhileOthersCome(t *testing.T) {
	h := NewHasher(HasherOptions{Ring: ring(t), Slots: 1, Params: cheap, Rand: rand.Reader})
	kept := func() *block {
		memory := <-h.hashing
		defer func() { h.hashing <- memory }()
		if memory == nil {
			return nil
		}
		return &memory[0]
	}
	one, other := acquire(t, h), acquire(t, h)
	hash(t, one, "correct horse")
	first := kept()
	hash(t, other, "correct horse")
	if first == nil || kept() != first {
		t.Error("two hashes, one after the other, were made in two memories")
	}
	other.Release()
	hash(t, one, "correct horse")
	if kept() != nil {
		t.Error("the last to hash left its memory behind")
	}
}

func acquire(t *testing.T, h *Hasher) *Slot {
	t.Helper()
	s, err := h.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Release)
	return s
}
