package core_test

import (
	"context"
	"crypto/rand"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/password"
)

// slots are the default's.
var slots = max(1, runtime.GOMAXPROCS(0)-1)

// benchHouse is a house whose hashes cost what they cost, with room for so many
// callers to wait for one.
func benchHouse(b *testing.B, waiting int) *house {
	h := newHouse(b, func(s *core.Settings) { s.LimitsDisabled = true })
	h.hasher = password.NewHasher(password.HasherOptions{
		Ring: h.ring, Slots: slots, Queue: waiting, Wait: time.Minute, Rand: rand.Reader,
	})
	h.Core = h.coreOver(h.store)
	return h
}

// BenchmarkLoginPassword measures whole logins, with eight callers for a slot,
// in turns with the bare Argon2id of as many goroutines as there are slots
// ("of-bare" should be at least 0.95).
func BenchmarkLoginPassword(b *testing.B) {
	const each = 4 // logins of a caller in a turn
	h := benchHouse(b, 8*slots)
	h.signUp(alice, goodPassword)
	login := func() {
		if _, err := h.loginPassword(alice, goodPassword, ""); err != nil {
			b.Error(err)
		}
	}
	hash := func() { argon2.IDKey([]byte(goodPassword), make([]byte, 16), 2, 19<<10, 1, 32) }
	var ours, bare time.Duration
	for b.Loop() {
		ours += together(8*slots, each, login)
		bare += together(slots, 8*each, hash)
	}
	b.ReportMetric(float64(b.N*8*slots*each)/ours.Seconds(), "logins/s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
	b.ReportMetric(0, "ns/op") // of a turn: it says nothing
}

// together lets callers do the same so often each, and tells how long it took.
func together(callers, each int, do func()) time.Duration {
	begun := time.Now()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				do()
			}
		})
	}
	all.Wait()
	return time.Since(begun)
}

// BenchmarkRefreshBesideLogins measures how long one refresh in a hundred takes
// at least (p99) while 200 password logins wait for a slot, in turns with a
// quiet server ("ratio" should be at most 3).
func BenchmarkRefreshBesideLogins(b *testing.B) {
	const logins, refreshes = 200, 250
	h := benchHouse(b, logins)
	h.signUp(bob, goodPassword)
	token := h.signUp(alice, "").RefreshToken
	var quiet, busy []time.Duration
	measure := func(took []time.Duration) []time.Duration {
		for range refreshes {
			begun := time.Now()
			set, err := h.refresh(token, "")
			if err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(begun))
			token = set.RefreshToken
		}
		return took
	}
	for b.Loop() {
		quiet = measure(quiet)
		end := h.flood(b, bob, logins)
		busy = measure(busy)
		end()
	}
	b.ReportMetric(float64(p99(quiet).Microseconds()), "quiet-p99-µs")
	b.ReportMetric(float64(p99(busy).Microseconds()), "p99-µs")
	b.ReportMetric(p99(busy).Seconds()/p99(quiet).Seconds(), "ratio")
	b.ReportMetric(0, "ns/op") // of a turn: it says nothing
}

// flood has callers log in by password again and again until it is ended. It
// returns when they wait.
func (h *house) flood(b *testing.B, number string, logins int) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range logins {
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := h.LoginPassword(ctx, stranger(), core.LoginPasswordIn{PhoneNumber: number, Password: goodPassword})
				if err != nil && ctx.Err() == nil {
					b.Error(err)
				}
			}
		})
	}
	for h.hasher.Waiting() < logins-4*slots { // but for those at work
		time.Sleep(time.Millisecond)
	}
	return func() {
		cancel()
		all.Wait()
	}
}

func p99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}
