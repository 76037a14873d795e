package limit_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/limit"
)

var errAway = errors.New("away")

// door is how one instance reaches what all share: it may be shut, it may hang,
// and it errs once when what was counted is forgotten.
type door struct {
	*fleet
	shut, hangs, forgot bool
	asked               int
}

func (d *door) open(ctx context.Context) error {
	d.asked++
	switch {
	case d.hangs:
		<-ctx.Done()
		return ctx.Err()
	case d.shut:
		return errAway
	case d.forgot:
		d.forgot = false
		return errAway
	}
	return nil
}

func (d *door) Take(ctx context.Context, now time.Time, counts ...limit.Count) (limit.Decision, error) {
	if err := d.open(ctx); err != nil {
		return limit.Decision{}, err
	}
	return d.shared.Take(ctx, now, counts...)
}

func (d *door) GiveBack(ctx context.Context, taken time.Time, counts ...limit.Count) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	return d.shared.GiveBack(ctx, taken, counts...)
}

func (d *door) Tally(ctx context.Context, now time.Time, tallies ...limit.Tally) ([]limit.Tallied, error) {
	if err := d.open(ctx); err != nil {
		return nil, err
	}
	return d.shared.Tally(ctx, now, tallies...)
}

// fleet is some instances over one shared limiter, and a clock.
type fleet struct {
	now       time.Time
	shared    limit.Limiter
	doors     []*door
	instances []*limit.Fallback
	said      []bool // of the first instance: lost, back, …
	hook      func() // called once when the time is next asked
}

func newFleet(n int) *fleet {
	f := &fleet{now: start, shared: limit.NewSmall(4)}
	for i := range n {
		d := &door{fleet: f}
		f.doors = append(f.doors, d)
		f.instances = append(f.instances, limit.NewFallback(limit.FallbackOptions{
			Shared: d, Local: limit.NewSmall(4), Instances: func() int { return n },
			Now: func() time.Time {
				if hook := f.hook; hook != nil {
					f.hook = nil
					hook()
				}
				return f.now
			},
			OnChange: func(lost bool, err error) {
				if i == 0 && lost == (err != nil) {
					f.said = append(f.said, lost)
				}
			},
		}))
	}
	return f
}

func (f *fleet) after(d time.Duration) { f.now = f.now.Add(d) }

func (f *fleet) shut(shut bool) {
	for _, d := range f.doors {
		d.shut = shut
	}
}

func (f *fleet) forget() {
	f.shared = limit.NewSmall(4)
	for _, d := range f.doors {
		d.forgot = true
	}
}

// passes takes up to so many at an instance, and tells how many passed.
func (f *fleet) passes(t *testing.T, i, n int, rule limit.Rule) int {
	t.Helper()
	passed := 0
	for range n {
		d, err := f.instances[i].Take(t.Context(), f.now, limit.Count{Rule: rule, Key: "k"})
		if err != nil {
			t.Fatalf("Take: %v", err)
		}
		if d.Refused == "" {
			passed++
		}
	}
	return passed
}

var hourly = limit.Rule{Name: "hourly", N: 12, Window: time.Hour}

func want[V any](t *testing.T, what string, got, want V) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestC104EachInstanceLimitsToItsShareAndSaysSo(t *testing.T) {
	f := newFleet(3)
	want(t, "passed together", f.passes(t, 0, 5, hourly)+f.passes(t, 1, 5, hourly)+f.passes(t, 2, 5, hourly), 12)
	f.after(time.Minute)
	f.shut(true)
	for i := range f.instances {
		want(t, "its share", f.passes(t, i, 12, hourly), 4)
	}
	want(t, "said", f.said, []bool{true})
	if !errors.Is(f.instances[0].Lost(), errAway) {
		t.Errorf("lost because of %v", f.instances[0].Lost())
	}
	f.after(hourly.Window)
	want(t, "its share, counted on", f.passes(t, 0, 12, hourly), 4)
}

func TestC104AnInstanceThatIsMoreThanNPassesOne(t *testing.T) {
	f := newFleet(3)
	f.shut(true)
	once := limit.Rule{Name: "once", N: 1, Window: time.Hour}
	want(t, "passed", f.passes(t, 0, 3, once), 1)
	want(t, "passed where nobody may", f.passes(t, 0, 3, limit.Rule{Name: "none", Window: time.Hour}), 0)
}

func TestC104ComesBackByItself(t *testing.T) {
	f := newFleet(1)
	f.shut(true)
	f.passes(t, 0, 20, hourly)
	asked := f.doors[0].asked
	f.after(900 * time.Millisecond)
	other := limit.Rule{Name: "other", N: 100, Window: time.Minute}
	f.passes(t, 0, 20, other)
	want(t, "asked within the pause", f.doors[0].asked, asked)
	f.after(100 * time.Millisecond)
	f.passes(t, 0, 20, other)
	want(t, "asked after it", f.doors[0].asked, asked+1)
	f.shut(false)
	f.after(time.Second)
	f.passes(t, 0, 1, other)
	want(t, "said", f.said, []bool{true, false})
	want(t, "lost", f.instances[0].Lost(), nil)

	want(t, "passed of what was counted while it was lost", f.passes(t, 0, 20, hourly), 0)
	f.after(hourly.Window)
	want(t, "passed a window later", f.passes(t, 0, 20, hourly), 12)
}

// A limit that is full here asks nobody: who asks at intervals finds out all the same.
func TestC104AskingFindsLossAndReturn(t *testing.T) {
	f := newFleet(1)
	f.shut(true)
	f.instances[0].Ask(t.Context())
	want(t, "said", f.said, []bool{true})
	f.passes(t, 0, 20, hourly)
	f.shut(false)
	f.after(time.Second)
	f.passes(t, 0, 1, hourly)
	want(t, "said while the limit is full", f.said, []bool{true})
	f.instances[0].Ask(t.Context())
	want(t, "said", f.said, []bool{true, false})
}

func TestFallbackGivesBackWhereItWasCounted(t *testing.T) {
	f := newFleet(2)
	c := limit.Count{Rule: hourly, Key: "k"}
	giveBack := func() {
		t.Helper()
		if err := f.instances[0].GiveBack(t.Context(), f.now, c); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "passed", f.passes(t, 0, 20, hourly), 12)
	giveBack()
	want(t, "passed", f.passes(t, 0, 20, hourly), 1)
	f.shut(true)
	want(t, "the share", f.passes(t, 0, 20, hourly), 6)
	giveBack() // of the moment of the loss: not known where
	want(t, "passed", f.passes(t, 0, 20, hourly), 0)
	f.after(hourly.Window)
	f.passes(t, 0, 20, hourly)
	giveBack()
	want(t, "passed", f.passes(t, 0, 20, hourly), 1)
	f.shut(false)
	f.after(time.Second)
	f.passes(t, 0, 1, limit.Rule{Name: "brings it back", N: 1, Window: time.Second})
	f.after(hourly.Window / 2)
	want(t, "passed of what both count", f.passes(t, 0, 20, hourly), 0)
	f.after(hourly.Window / 2)
	want(t, "passed", f.passes(t, 0, 20, hourly), 12)
	giveBack()
	want(t, "passed", f.passes(t, 0, 20, hourly), 1)
}

// A call that found Shared there, and lost when it was about to ask.
func TestWhatSharedIsNotAskedIsCountedHere(t *testing.T) {
	f := newFleet(1)
	f.shut(true)
	f.hook = func() { want(t, "passed", f.passes(t, 0, 5, hourly), 5) }
	want(t, "passed", f.passes(t, 0, 20, hourly), 7)
}

func TestFallbackTalliesItsOwnPart(t *testing.T) {
	f := newFleet(2)
	tally := func(i int) int64 {
		t.Helper()
		got, err := f.instances[i].Tally(t.Context(), f.now, limit.Tally{Key: "k", Window: time.Hour, Add: 1})
		if err != nil {
			t.Fatal(err)
		}
		return got[0].Sum
	}
	tally(0)
	want(t, "sum of both", tally(1), 2)
	f.shut(true)
	want(t, "sum of this one", tally(1), 2)
	want(t, "and once more", tally(1), 3)
}

// No request waits longer than the bound, and only the first and one a pause do.
func TestC104NoRequestWaitsLongerThanTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(1)
		f.doors[0].hangs = true
		waited := func() time.Duration {
			began := time.Now()
			f.passes(t, 0, 1, hourly)
			return time.Since(began)
		}
		want(t, "the first", waited(), 250*time.Millisecond)
		want(t, "the next", waited(), 0)
		f.after(time.Second)
		want(t, "who asks again", waited(), 250*time.Millisecond)
		want(t, "the next", waited(), 0)
	})
}

func TestACallerWhoLeavesLosesNothing(t *testing.T) {
	f := newFleet(1)
	f.doors[0].hangs = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.instances[0].Take(ctx, f.now, limit.Count{Rule: hourly, Key: "k"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Take of who has left: %v", err)
	}
	if _, err := f.instances[0].Tally(ctx, f.now, limit.Tally{Key: "k", Window: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("Tally of who has left: %v", err)
	}
	want(t, "lost", f.instances[0].Lost(), nil)
}

// Invariant 10: whatever happens to what is shared, and however often, no window
// holds more than 2N, and where nothing happened none holds more than N.
func TestInvariant10AtMostTwofoldWhereSharedWasLost(t *testing.T) {
	rules := []limit.Rule{
		{Name: "three", N: 3, Window: 10 * time.Second},
		{Name: "eight", N: 8, Window: 30 * time.Second},
		{Name: "large", N: 300, Window: 20 * time.Second},
	}
	strides := []time.Duration{0, time.Millisecond, 500 * time.Millisecond, time.Second, time.Second, time.Second, 5 * time.Second, 10 * time.Second, 29 * time.Second}
	rapid.Check(t, func(rt *rapid.T) {
		f := newFleet(rapid.IntRange(1, 3).Draw(rt, "instances"))
		rule := rapid.SampledFrom(rules).Draw(rt, "rule")
		var kept []time.Time
		faults := 0
		for range rapid.IntRange(1, 80).Draw(rt, "steps") {
			f.after(rapid.SampledFrom(strides).Draw(rt, "stride"))
			i := rapid.IntRange(0, len(f.instances)-1).Draw(rt, "instance")
			switch rapid.IntRange(0, 11).Draw(rt, "what") {
			case 0:
				f.doors[i].shut = true
				faults++
			case 1:
				f.shut(rapid.Bool().Draw(rt, "shut"))
				faults++
			case 2:
				f.doors[i].shut = false
			case 3:
				f.forget()
				faults++
			case 4, 5: // who is not refused here sees that it is back
				if _, err := f.instances[i].Tally(context.Background(), f.now, limit.Tally{Key: "k", Window: time.Hour}); err != nil {
					rt.Fatalf("Tally: %v", err)
				}
			default:
				kept = append(kept, takeSome(rt, f, i, rule)...)
			}
		}
		most := rule.N
		if faults > 0 {
			most = 2 * rule.N
		}
		for j := most; j < len(kept); j++ {
			if kept[j].Sub(kept[j-most]) < rule.Window {
				rt.Fatalf("more than %d from %s to %s", most, kept[j-most].Sub(start), kept[j].Sub(start))
			}
		}
	})
}

func takeSome(rt *rapid.T, f *fleet, i int, rule limit.Rule) (kept []time.Time) {
	c := limit.Count{Rule: rule, Key: "k"}
	passed := 0
	for range rapid.IntRange(1, 2*rule.N).Draw(rt, "takes") {
		d, err := f.instances[i].Take(context.Background(), f.now, c)
		if err != nil {
			rt.Fatalf("Take: %v", err)
		}
		if d.Refused == "" {
			passed++
		}
	}
	if passed > 0 && rapid.IntRange(0, 3).Draw(rt, "gives back") == 0 {
		if err := f.instances[i].GiveBack(context.Background(), f.now, c); err != nil {
			rt.Fatalf("GiveBack: %v", err)
		}
		passed--
	}
	return slices.Repeat([]time.Time{f.now}, passed)
}
