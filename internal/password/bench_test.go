package password

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/countersign/countersign/internal/keyring"
)

// BenchmarkVerify measures judged passwords a second, with eight callers to a
// slot, in turns with the bare Argon2id of as many goroutines as there are
// slots: its ratio "of-bare" should stay above 0.95.
func BenchmarkVerify(b *testing.B) {
	h := NewHasher(HasherOptions{Ring: ring(b), Wait: time.Minute, Rand: rand.Reader})
	s, err := h.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	stored := hash(b, s, "correct horse")
	s.Release()

	slots := cap(h.hashing)
	spread := func(callers, each int, judge func()) time.Duration {
		begun := time.Now()
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range each {
					judge()
				}
			})
		}
		all.Wait()
		return time.Since(begun)
	}
	var bare, ours time.Duration
	for b.Loop() {
		bare += spread(slots, 8, func() {
			argon2.IDKey([]byte("correct horse"), make([]byte, saltBytes), defaultParams.Time, defaultParams.MemoryKiB, defaultParams.Threads, sumBytes)
		})
		ours += spread(8*slots, 1, func() { judge(b, h, stored) })
	}
	b.ReportMetric(0, "ns/op") // of a turn: it says nothing
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
	b.ReportMetric(float64(8*slots*b.N)/ours.Seconds(), "logins/s")
}

func judge(b *testing.B, h *Hasher, stored Hash) {
	s, err := h.Acquire(b.Context())
	if err != nil {
		b.Error(err)
		return
	}
	defer s.Release()
	if match, _, err := s.Verify(keyring.Secret("correct horse"), stored); !match || err != nil {
		b.Error(match, err)
	}
}
