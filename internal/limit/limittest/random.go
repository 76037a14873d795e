package limittest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/limit"
)

// What holds on every schedule of takes, gifts and times.
func randoms(s suite) {
	s.t.Run("C37 on no schedule does a window hold more than N, and a small N decides as the model", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) { schedule(rt, t, s.open, smallRules, 0) })
	})
	s.t.Run("C37 on no schedule does a window of a large N hold more", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) { schedule(rt, t, s.open, largeRules, 0) })
	})
	s.t.Run("C37 nor if times come out of order", func(t *testing.T) {
		rules := slices.Concat(smallRules, largeRules)
		rapid.Check(t, func(rt *rapid.T) { schedule(rt, t, s.open, rules, 999*time.Millisecond) })
	})
}

var (
	smallRules = []limit.Rule{
		{Name: "one", N: 1, Window: time.Second},
		{Name: "three", N: 3, Window: 3 * time.Second},
		{Name: "eight", N: 8, Window: 5 * time.Second},
	}
	largeRules = []limit.Rule{
		{Name: "257", N: 257, Window: 3 * time.Second},
		{Name: "400", N: 400, Window: 10 * time.Second},
	}
)

// kept is what passed and was not given back, in the order of the calls.
type kept struct {
	step   int
	at     time.Time
	counts []limit.Count
}

// model is the limiter in its plainest words: all that is kept, counted anew
// for every question.
type model struct{ kept []kept }

func (m *model) times(c limit.Count) []time.Time {
	var at []time.Time
	for _, k := range m.kept {
		for _, other := range k.counts {
			if other == c {
				at = append(at, k.at)
			}
		}
	}
	slices.SortFunc(at, time.Time.Compare)
	return at
}

// wait tells how long a count must wait at a time that is not before any other.
func (m *model) wait(now time.Time, c limit.Count) time.Duration {
	at := m.times(c)
	if len(at) < c.Rule.N {
		return 0
	}
	return max(0, at[len(at)-c.Rule.N].Add(c.Rule.Window).Sub(now))
}

// check fails if some window holds more than N.
func (m *model) check(t *rapid.T, counts []limit.Count) {
	for _, c := range counts {
		at := m.times(c)
		for i := c.Rule.N; i < len(at); i++ {
			if at[i].Sub(at[i-c.Rule.N]) < c.Rule.Window {
				t.Fatalf("%s of %s: %d kept from %s to %s after noon", c.Rule.Name, c.Key,
					c.Rule.N+1, at[i-c.Rule.N].Sub(noon), at[i].Sub(noon))
			}
		}
	}
}

// schedule draws one and runs it. Times are off by up to the given; where they
// are not, small rules must decide as the model does, to the moment.
func schedule(rt *rapid.T, t *testing.T, open func(*testing.T) limit.Limiter, rules []limit.Rule, off time.Duration) {
	var (
		engine = open(t)
		m      model
		now    = noon
		all    []limit.Count
		ctx    = context.Background()
		exact  = off == 0
	)
	for _, rule := range rules {
		exact = exact && rule.N <= 256
		all = append(all, of(rule, "a"), of(rule, "b"))
	}
	most := all[len(all)-1].Rule.N
	for step := range rapid.IntRange(1, 60).Draw(rt, "steps") {
		now = now.Add(rapid.SampledFrom(strides).Draw(rt, "stride"))
		if len(m.kept) > 0 && rapid.IntRange(0, 3).Draw(rt, "what") == 0 {
			m.giveBack(rt, ctx, engine)
			continue
		}
		counts := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 3, id).Draw(rt, "counts")
		shown := now
		for i := range rapid.IntRange(1, most).Draw(rt, "times") {
			if off > 0 && i%8 == 0 {
				shown = now.Add(-time.Duration(rapid.Int64Range(0, int64(off)).Draw(rt, "off")))
			}
			if m.take(rt, ctx, engine, shown, counts, exact) {
				m.kept = append(m.kept, kept{step, shown, counts})
			}
		}
	}
	m.check(rt, all)
}

func id(c limit.Count) limit.Count { return c }

// strides are how far the clock goes between two steps: the edges of the windows
// and what is about them.
var strides = []time.Duration{
	0, 0, 0, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, 499 * time.Millisecond,
	999 * time.Millisecond, time.Second, 2999 * time.Millisecond, 3 * time.Second, 4 * time.Second, 11 * time.Second,
}

func (m *model) take(t *rapid.T, ctx context.Context, engine limit.Limiter, now time.Time, counts []limit.Count, exact bool) bool {
	got, err := engine.Take(ctx, now, counts...)
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	if exact {
		var wait time.Duration
		for _, c := range counts {
			wait = max(wait, m.wait(now, c))
		}
		if got.RetryAfter != wait {
			t.Fatalf("%s after noon: %v told to wait %s, the model says %s", now.Sub(noon), names(counts), got.RetryAfter, wait)
		}
	}
	return got.Refused == ""
}

// giveBack gives back what was taken in a step, or some of it: what flows that
// failed together took.
func (m *model) giveBack(t *rapid.T, ctx context.Context, engine limit.Limiter) {
	step := rapid.SampledFrom(m.kept).Draw(t, "of").step
	some := rapid.SampledFrom([]int{1, 1, 2, 7}).Draw(t, "some")
	n := 0
	m.kept = slices.DeleteFunc(m.kept, func(k kept) bool {
		if k.step != step {
			return false
		}
		if n++; n%some != 0 {
			return false
		}
		if err := engine.GiveBack(ctx, k.at, k.counts...); err != nil {
			t.Fatalf("GiveBack: %v", err)
		}
		return true
	})
}

func names(counts []limit.Count) string {
	var all []string
	for _, c := range counts {
		all = append(all, c.Rule.Name+"/"+c.Key)
	}
	return fmt.Sprint(all)
}
