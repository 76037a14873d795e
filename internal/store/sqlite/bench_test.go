package sqlite

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// callers is how many clients refresh at the same time.
const callers = 64

// BenchmarkRotate is a refresh's operation under 64 callers, on this machine's
// disk and on one whose commits cost 2 ms. ratio is how many times as many it
// does as with one operation a commit, in the same run.
func BenchmarkRotate(b *testing.B) {
	for name, commit := range map[string]time.Duration{"this disk": 0, "2 ms a commit": 2 * time.Millisecond} {
		b.Run(name, func(b *testing.B) {
			var commits atomic.Int64
			disk := func(step string) error {
				if step == StepCommit {
					commits.Add(1)
					time.Sleep(commit)
				}
				return nil
			}
			grouped := open(b, Options{Faults: disk})
			alone := open(b, Options{Faults: disk, batch: 1})
			groupedAccounts, aloneAccounts := accounts(b, grouped), accounts(b, alone)
			single := rotations(b, alone, aloneAccounts, min(b.N, 2000))

			commits.Store(0)
			b.ResetTimer()
			rate := rotations(b, grouped, groupedAccounts, b.N)
			b.StopTimer()
			b.ReportMetric(rate, "rotations/s")
			b.ReportMetric(rate/single, "ratio")
			b.ReportMetric(float64(b.N)/float64(commits.Load()), "a-commit")
		})
	}
}

func accounts(b *testing.B, s *Store) []core.Session {
	m := &maker{prefix: "bench"}
	var sessions []core.Session
	for range callers {
		sessions = append(sessions, account(b, s, m, m.id()).Session)
	}
	return sessions
}

// rotations does n refreshes, a session a caller, and gives how many a second.
func rotations(b *testing.B, s *Store, sessions []core.Session, n int) float64 {
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	begun := time.Now()
	for i := range sessions {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				got, err := s.RotateSession(context.Background(), rotation(sessions[i]))
				if err != nil || got.Outcome != core.Done {
					b.Errorf("%q, %v", got.Outcome, err)
					return
				}
				sessions[i] = got.Session
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(begun).Seconds()
}

// BenchmarkSession is the read at the door of every signed-in request.
func BenchmarkSession(b *testing.B) {
	s := open(b, Options{})
	sessions := accounts(b, s)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, _, err := s.Session(context.Background(), sessions[i%len(sessions)].ID); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkSignIn is a sign-in by code, begun and redeemed, under 64 callers.
func BenchmarkSignIn(b *testing.B) {
	s := open(b, Options{})
	var left atomic.Int64
	left.Store(int64(b.N))
	var all sync.WaitGroup
	for i := range callers {
		m := &maker{prefix: fmt.Sprintf("signin-%d-%d", b.N, i)}
		all.Go(func() {
			for left.Add(-1) >= 0 {
				c := m.challenge(core.PurposeSignup, m.id())
				if _, err := s.OpenChallenge(context.Background(), m.opening(c)); err != nil {
					b.Error(err)
				}
				if got, err := s.RedeemSignup(context.Background(), m.signup(c)); err != nil || got.Outcome != core.Done {
					b.Errorf("%q, %v", got.Outcome, err)
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkOpen is what a start costs on a database that is there already.
func BenchmarkOpen(b *testing.B) {
	path := open(b, Options{}).path
	for b.Loop() {
		s, err := Open(context.Background(), Options{Path: path})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
