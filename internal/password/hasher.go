package password

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// ErrBusy is the answer to one caller too many: the queue is full, or its
// turn did not come in time.
var ErrBusy = errors.New("password: all hashing slots are busy")

var errReleased = errors.New("password: the hashing slot was released")

const (
	saltBytes = 16 // 128 bits, as RFC 9106 (3.1) recommends
	sumBytes  = 32
)

// HasherOptions has a default for all but Ring and Rand.
type HasherOptions struct {
	Ring   *keyring.Ring // unlocked: it peppers
	Slots  int           // hashes at one time; all processors but one
	Queue  int           // callers that may wait; 64 a slot
	Wait   time.Duration // how long each of them may; 1 s
	Params Params        // of new hashes; OWASP's 19 MiB, t=2, p=1
	Rand   io.Reader     // of salts; safe for concurrent use
}

// Hasher hashes in a bounded number of slots. It is safe for concurrent use.
type Hasher struct {
	o       HasherOptions
	slots   chan struct{}  // one more than hash: its holder may store a try meanwhile
	hashing chan workspace // of those who may hash just now
	waiting atomic.Int64
}

// NewHasher makes a hasher; zero options take their defaults.
func NewHasher(o HasherOptions) *Hasher {
	if o.Slots <= 0 {
		o.Slots = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if o.Queue <= 0 {
		o.Queue = 64 * o.Slots
	}
	if o.Wait <= 0 {
		o.Wait = time.Second
	}
	if o.Params == (Params{}) {
		o.Params = defaultParams
	}
	h := &Hasher{o: o, slots: make(chan struct{}, o.Slots+1), hashing: make(chan workspace, o.Slots)}
	for range o.Slots {
		h.hashing <- nil
	}
	return h
}

// Acquire takes a slot, waiting for one if it must. It fails with ErrBusy
// where the queue is full or the wait too long, and with the context's error
// where the caller gave up. Who gets a slot must Release it.
func (h *Hasher) Acquire(ctx context.Context) (*Slot, error) {
	select {
	case h.slots <- struct{}{}:
		return &Slot{h: h}, nil
	default:
	}
	if h.waiting.Add(1) > int64(h.o.Queue) {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	timeout := time.NewTimer(h.o.Wait)
	defer timeout.Stop()
	select {
	case h.slots <- struct{}{}:
		return &Slot{h: h}, nil
	case <-timeout.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, fmt.Errorf("password: waiting for a hashing slot: %w", ctx.Err())
	}
}

// Slots tells how many may hash at the same time.
func (h *Hasher) Slots() int { return h.o.Slots }

// Waiting tells how many callers wait for a slot.
func (h *Hasher) Waiting() int { return int(h.waiting.Load()) }

// Busy tells how many slots are taken: up to one more than hash.
func (h *Hasher) Busy() int { return len(h.slots) }

// Slot is the right to hash, for one caller at a time, until Release.
type Slot struct {
	h        *Hasher
	released atomic.Bool
}

// Release gives the slot back. Again it does nothing.
func (s *Slot) Release() {
	if s.released.CompareAndSwap(false, true) {
		<-s.h.slots
	}
}

// Hash makes the hash of a new password, with a fresh salt.
func (s *Slot) Hash(pw keyring.Secret) (Hash, error) {
	if s.released.Load() {
		return "", errReleased
	}
	made := phc{params: s.h.o.Params, keyID: s.h.o.Ring.PepperVersion(), salt: make([]byte, saltBytes)}
	if _, err := io.ReadFull(s.h.o.Rand, made.salt); err != nil {
		return "", fmt.Errorf("password: making a salt: %w", err)
	}
	made.sum = s.derive(pw, made.params, made.salt, sumBytes)
	return made.hash(), nil
}

// Verify tells whether pw is the password of stored, and whether a right one
// should be hashed anew because today's parameters are others. An empty hash
// is nobody's: the same work, and no match. An error means that stored is no
// hash that this server can judge.
func (s *Slot) Verify(pw keyring.Secret, stored Hash) (match, outdated bool, err error) {
	if s.released.Load() {
		return false, false, errReleased
	}
	if stored == "" {
		s.VerifyNothing(pw)
		return false, false, nil
	}
	p, err := parsePHC(stored)
	if err != nil {
		return false, false, err
	}
	if held := s.h.o.Ring.PepperVersion(); p.keyID != held {
		return false, false, fmt.Errorf("password: a hash of pepper version %d, but the key at hand is version %d", p.keyID, held)
	}
	sum := s.derive(pw, p.params, p.salt, len(p.sum))
	if subtle.ConstantTimeCompare(sum, p.sum) != 1 {
		return false, false, nil
	}
	return true, p.params != s.h.o.Params || len(p.salt) != saltBytes || len(p.sum) != sumBytes, nil
}

// VerifyNothing does the work of a Verify for an account that is not there,
// so that its absence takes as long as a wrong password.
func (s *Slot) VerifyNothing(pw keyring.Secret) {
	if s.released.Load() {
		return
	}
	s.derive(pw, s.h.o.Params, make([]byte, saltBytes), sumBytes)
}

// derive hashes when fewer do than may. The wait is short: of those who hold a
// slot, one at most has to. The memory is kept for who comes next where anyone
// is there: a server at rest holds none, nor one whose hashes were once larger.
func (s *Slot) derive(pw keyring.Secret, p Params, salt []byte, length int) []byte {
	memory := <-s.h.hashing
	defer func() { s.h.hashing <- memory }()
	sum := memory.idKey(s.h.o.Ring.Pepper([]byte(normalize(pw))), salt, p, length)
	if s.h.Busy() == 1 || p != s.h.o.Params {
		memory = nil
	}
	return sum
}
