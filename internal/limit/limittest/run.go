package limittest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
)

// Run shows that the engine is a limiter. open gives an empty one.
func Run(t *testing.T, open func(t *testing.T) limit.Limiter) {
	for _, part := range []struct {
		name  string
		cases func(suite)
	}{
		{"take", takes},
		{"window", windows},
		{"parallel", parallels},
		{"back", givesBack},
		{"tally", tallies},
		{"random", randoms},
	} {
		t.Run(part.name, func(t *testing.T) { part.cases(suite{t, open}) })
	}
}

type suite struct {
	t    *testing.T
	open func(t *testing.T) limit.Limiter
}

func (s suite) shows(what string, body func(*world)) {
	s.t.Run(what, func(t *testing.T) {
		body(&world{T: t, ctx: t.Context(), engine: s.open(t), now: noon})
	})
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The rules that the suite counts under: exact ones, and one above 256.
var (
	few   = limit.Rule{Name: "few", N: 5, Window: time.Hour}
	once  = limit.Rule{Name: "once", N: 1, Window: 10 * time.Minute}
	most  = limit.Rule{Name: "most", N: 256, Window: time.Minute}
	large = limit.Rule{Name: "large", N: 900, Window: time.Hour}
	other = limit.Rule{Name: "other", N: 5, Window: time.Hour}
)

// slot is how much longer than the window a take may count: not at all up to
// N = 256, a 64th of the window above.
func slot(rule limit.Rule) time.Duration {
	if rule.N <= 256 {
		return 0
	}
	return (rule.Window + 63) / 64
}

// world is a limiter and a clock.
type world struct {
	*testing.T
	ctx    context.Context
	engine limit.Limiter
	now    time.Time
}

func of(rule limit.Rule, key string) limit.Count { return limit.Count{Rule: rule, Key: key} }

func (w *world) after(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) take(counts ...limit.Count) limit.Decision {
	w.Helper()
	d, err := w.engine.Take(w.ctx, w.now, counts...)
	if err != nil {
		w.Fatalf("Take: %v", err)
	}
	if (d.Refused != "") != (d.RetryAfter > 0) {
		w.Fatalf("Take says %+v: a refusal has a name and a time, all else neither", d)
	}
	return d
}

func (w *world) passes(counts ...limit.Count) {
	w.Helper()
	if d := w.take(counts...); d.Refused != "" {
		w.Fatalf("%s after noon refused by %s, to admit after %s; it was to pass", w.now.Sub(noon), d.Refused, d.RetryAfter)
	}
}

func (w *world) refused(by limit.Rule, counts ...limit.Count) time.Duration {
	w.Helper()
	d := w.take(counts...)
	if d.Refused != by.Name {
		w.Fatalf("%s after noon refused by %q, want %q", w.now.Sub(noon), d.Refused, by.Name)
	}
	return d.RetryAfter
}

// fill takes until it is refused, and tells how many passed.
func (w *world) fill(c limit.Count) int {
	w.Helper()
	for n := 0; n <= c.Rule.N; n++ {
		if w.take(c).Refused != "" {
			return n
		}
	}
	w.Fatalf("%s: more than %d passed", c.Rule.Name, c.Rule.N)
	return 0
}

func (w *world) giveBack(taken time.Time, counts ...limit.Count) {
	w.Helper()
	if err := w.engine.GiveBack(w.ctx, taken, counts...); err != nil {
		w.Fatalf("GiveBack: %v", err)
	}
}

func (w *world) tally(tallies ...limit.Tally) []limit.Tallied {
	w.Helper()
	got, err := w.engine.Tally(w.ctx, w.now, tallies...)
	if err != nil {
		w.Fatalf("Tally: %v", err)
	}
	return got
}

// atOnce runs body n times in parallel.
func atOnce(n int, body func(i int)) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-begin
			body(i)
		})
	}
	close(begin)
	all.Wait()
}

func equal[V comparable](w *world, what string, got, want V) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %v, want %v", what, got, want)
	}
}
