package password

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/countersign/countersign/internal/keyring"
)

// cheap is for tests of what surrounds the hash.
var cheap = Params{MemoryKiB: 64, Time: 1, Threads: 1}

// ring gives an unlocked ring; others' peppers differ.
func ring(t testing.TB) *keyring.Ring {
	t.Helper()
	masters, err := keyring.ParseMasters(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := keyring.New(masters)
	if err != nil {
		t.Fatal(err)
	}
	var stored []keyring.StoredKey
	for _, slot := range []string{keyring.SlotPseudonym, keyring.SlotPepper, keyring.SlotData} {
		k, err := r.MakeKey(slot, time.Unix(1_800_000_000, 0).UTC(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, k)
	}
	if err := r.Unlock(stored); err != nil {
		t.Fatal(err)
	}
	return r
}

func slot(t testing.TB, o HasherOptions) *Slot {
	t.Helper()
	if o.Ring == nil {
		o.Ring = ring(t)
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	s, err := NewHasher(o).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Release)
	return s
}

func hash(t testing.TB, s *Slot, pw keyring.Secret) Hash {
	t.Helper()
	h, err := s.Hash(pw)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestC16Defaults(t *testing.T) {
	s := slot(t, HasherOptions{})
	h := hash(t, s, "correct horse")
	want := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1,keyid=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	if !want.MatchString(string(h)) {
		t.Errorf("made %s", string(h))
	}
	if match, outdated, err := s.Verify("correct horse", h); !match || outdated || err != nil {
		t.Errorf("the right password: %v, %v, %v", match, outdated, err)
	}
	if match, outdated, err := s.Verify("correct horse ", h); match || outdated || err != nil {
		t.Errorf("a wrong password: %v, %v, %v", match, outdated, err)
	}
	if again := hash(t, s, "correct horse"); again == h {
		t.Error("two hashes of one password are the same: the salt is")
	}
}

func TestC16OldHashIsOutdated(t *testing.T) {
	r := ring(t)
	now := slot(t, HasherOptions{Ring: r, Params: cheap})
	for name, old := range map[string]Params{
		"less memory": {MemoryKiB: 32, Time: 1, Threads: 1}, "more memory": {MemoryKiB: 128, Time: 1, Threads: 1},
		"more passes": {MemoryKiB: 64, Time: 2, Threads: 1}, "more lanes": {MemoryKiB: 64, Time: 1, Threads: 2},
	} {
		h := hash(t, slot(t, HasherOptions{Ring: r, Params: old}), "correct horse")
		if match, outdated, err := now.Verify("correct horse", h); !match || !outdated || err != nil {
			t.Errorf("%s: %v, %v, %v", name, match, outdated, err)
		}
		if match, outdated, err := now.Verify("wrong horse", h); match || outdated || err != nil {
			t.Errorf("%s, wrong: %v, %v, %v", name, match, outdated, err)
		}
	}
	salt, peppered := []byte("8 bytes!"), r.Pepper([]byte("correct horse"))
	short := phc{params: cheap, keyID: 1, salt: salt, sum: argon2.IDKey(peppered, salt, 1, 64, 1, sumBytes)}.hash()
	if match, outdated, err := now.Verify("correct horse", short); !match || !outdated || err != nil {
		t.Errorf("a short salt: %v, %v, %v", match, outdated, err)
	}
}

func TestC16Pepper(t *testing.T) {
	h := hash(t, slot(t, HasherOptions{Params: cheap}), "correct horse")
	if match, _, err := slot(t, HasherOptions{Params: cheap}).Verify("correct horse", h); match || err != nil {
		t.Errorf("under another pepper: %v, %v", match, err)
	}
	later := Hash(strings.Replace(string(h), "keyid=1", "keyid=2", 1))
	if match, _, err := slot(t, HasherOptions{Params: cheap}).Verify("correct horse", later); match || err == nil {
		t.Errorf("of a pepper version that is not there: %v, %v", match, err)
	}
}

func TestC13EveryByteCounts(t *testing.T) {
	s := slot(t, HasherOptions{Params: cheap})
	long := strings.Repeat("x", 72)
	h := hash(t, s, keyring.Secret(long+"a"))
	for _, other := range []string{long, long + "b", long + "a ", " " + long + "a", long + "a\x00", long + "A"} {
		if match, _, err := s.Verify(keyring.Secret(other), h); match || err != nil {
			t.Errorf("%q opens it: %v", other, err)
		}
	}
	for typed, stored := range map[string]string{"e\u0301te\u0301 2026": "été 2026", "ｐａｓｓ": "pass", "ﬁsh": "fish"} {
		if match, _, err := s.Verify(keyring.Secret(typed), hash(t, s, keyring.Secret(stored))); !match || err != nil {
			t.Errorf("%q is not %q: %v", typed, stored, err)
		}
	}
}

func TestVerifyOfNothing(t *testing.T) {
	s := slot(t, HasherOptions{Params: cheap})
	s.VerifyNothing("x")
	if match, outdated, err := s.Verify("", ""); match || outdated || err != nil {
		t.Errorf("an empty hash: %v, %v, %v", match, outdated, err)
	}
	if _, _, err := s.Verify("x", "secret-and-malformed"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a malformed hash: %v", err)
	}
	if _, err := slot(t, HasherOptions{Params: cheap, Rand: strings.NewReader("short")}).Hash("x"); err == nil {
		t.Error("a hash without chance")
	}
}

func TestReleasedSlotsHashNothing(t *testing.T) {
	h := NewHasher(HasherOptions{Ring: ring(t), Slots: 2, Params: cheap, Rand: rand.Reader})
	s, err := h.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Release()
	s.Release()
	if h.Busy() != 0 {
		t.Errorf("%d slots busy", h.Busy())
	}
	if _, err := s.Hash("x"); !errors.Is(err, errReleased) {
		t.Errorf("Hash: %v", err)
	}
	if _, _, err := s.Verify("x", ""); !errors.Is(err, errReleased) {
		t.Errorf("Verify: %v", err)
	}
	s.VerifyNothing("x")
}

func TestC17FloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(HasherOptions{Slots: 3, Queue: 20, Wait: time.Second})
		begun := time.Now()
		var got, refusedAtOnce, refusedLate, other atomic.Int64
		var all sync.WaitGroup
		for range 500 {
			all.Go(func() {
				s, err := h.Acquire(t.Context())
				switch waited := time.Since(begun); {
				case err == nil:
					got.Add(1)
					time.Sleep(5 * time.Second) // an endless hash, by the bubble's clock
					s.Release()
				case errors.Is(err, ErrBusy) && waited == 0:
					refusedAtOnce.Add(1)
				case errors.Is(err, ErrBusy) && waited == time.Second:
					refusedLate.Add(1)
				default:
					other.Add(1)
				}
			})
		}
		synctest.Wait()
		if h.Busy() != 4 || h.Waiting() != 20 || refusedAtOnce.Load() != 476 {
			t.Errorf("at once: %d busy, %d waiting, %d refused", h.Busy(), h.Waiting(), refusedAtOnce.Load())
		}
		all.Wait()
		if got.Load() != 4 || refusedLate.Load() != 20 || other.Load() != 0 {
			t.Errorf("in the end: %d served, %d refused after the wait, %d otherwise", got.Load(), refusedLate.Load(), other.Load())
		}
		if h.Busy() != 0 || h.Waiting() != 0 {
			t.Errorf("left behind: %d busy, %d waiting", h.Busy(), h.Waiting())
		}
	})
}

// Who holds the slot beyond those that may hash prepares, and waits to hash.
func TestC17NoMoreHashThanMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(HasherOptions{Ring: ring(t), Slots: 1, Params: cheap, Rand: rand.Reader})
		memory := <-h.hashing
		ahead, err := h.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		hashed := false
		go func() {
			ahead.VerifyNothing("x")
			hashed = true
		}()
		synctest.Wait()
		if hashed {
			t.Error("two hashed at one time")
		}
		h.hashing <- memory
		synctest.Wait()
		if !hashed || len(h.hashing) != 1 {
			t.Errorf("hashed: %t; %d may hash now", hashed, len(h.hashing))
		}
	})
}

func TestC17WaitersAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(HasherOptions{Slots: 1, Queue: 5, Wait: time.Second})
		var served atomic.Int64
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if s, err := h.Acquire(t.Context()); err == nil {
					time.Sleep(100 * time.Millisecond)
					served.Add(1)
					s.Release()
				}
			})
		}
		all.Wait()
		if served.Load() != 6 {
			t.Errorf("%d of 6 served within the wait", served.Load())
		}
	})
}

func TestC17CallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(HasherOptions{Slots: 1})
		for range cap(h.slots) {
			held, err := h.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer held.Release()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := h.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBusy) {
			t.Errorf("the caller gave up: %v", err)
		}
		if h.Waiting() != 0 {
			t.Errorf("%d still wait", h.Waiting())
		}
	})
}

func TestHashIsRedacted(t *testing.T) {
	h := Hash("$argon2id$v=19$secret")
	encoded, err := json.Marshal(struct{ H Hash }{h})
	if err != nil {
		t.Fatal(err)
	}
	shown := string(encoded) + h.String() + h.GoString() + h.LogValue().String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown += fmt.Sprintf(verb, h) + fmt.Sprintf(verb, struct{ H Hash }{h})
	}
	if strings.Contains(shown, "argon2id") || strings.Contains(shown, "617267") {
		t.Errorf("shows the hash: %s", shown)
	}
}
