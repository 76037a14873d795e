package limit

import (
	"context"
	"time"
)

// Shares is the Limiter of several instances that have nothing to count in
// together: each limits to its share, N over the number of instances, at least
// one. One instance alone admits all N. While instances join, those that were
// there have admitted the larger shares of before: a window in which k of them
// become n holds at most N + N·(n-k)/n.
type Shares struct {
	Local     Limiter
	Instances func() int // how many there are, as last seen; no I/O
}

// Take is Limiter's.
func (s Shares) Take(ctx context.Context, now time.Time, counts ...Count) (Decision, error) {
	return s.Local.Take(ctx, now, shared(counts, s.Instances())...)
}

// GiveBack is Limiter's.
func (s Shares) GiveBack(ctx context.Context, taken time.Time, counts ...Count) error {
	return s.Local.GiveBack(ctx, taken, shared(counts, s.Instances())...)
}

// Tally is Limiter's: of what this instance saw.
func (s Shares) Tally(ctx context.Context, now time.Time, tallies ...Tally) ([]Tallied, error) {
	return s.Local.Tally(ctx, now, tallies...)
}

// shared gives one instance's part of the counts.
func shared(counts []Count, instances int) []Count {
	if instances <= 1 {
		return counts
	}
	shares := make([]Count, len(counts))
	for i, c := range counts {
		if c.Rule.N > 0 {
			c.Rule.N = max(1, c.Rule.N/instances)
		}
		shares[i] = c
	}
	return shares
}
