package limit

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Both ways of counting on random schedules, by themselves and with small
// numbers, so that chance finds the corners that a large N hides.

func TestC37TheLogHoldsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := Rule{N: rapid.IntRange(1, 5).Draw(t, "N"), Window: 20}
		runMeter(t, rule, slidingLog{&rule}, int64(rule.Window), false)
	})
}

func TestC37AFoldedLogHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := Rule{N: rapid.IntRange(1, 5).Draw(t, "N"), Window: 20}
		runMeter(t, rule, slidingLog{&rule}, 0, true)
	})
}

func TestC37GCRAHoldsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rule := Rule{
			N:      rapid.IntRange(3, 14).Draw(t, "N"),
			Window: time.Duration(rapid.IntRange(1, 60).Draw(t, "window")),
		}
		runMeter(t, rule, gcra{&rule}, rapid.SampledFrom([]int64{0, 2, 10, 200}).Draw(t, "most off"), false)
	})
}

// The bounds of GCRA for the numbers that rules have.
func TestC37GCRABurstAndRefillAreNoMoreThanN(t *testing.T) {
	for _, window := range []time.Duration{time.Nanosecond, time.Second, time.Minute, time.Hour, 24 * time.Hour, 365 * 24 * time.Hour} {
		for _, n := range []int{257, 258, 259, 900, 20_000, 50_000, 1_000_003, 1 << 40} {
			rule := Rule{N: n, Window: window}
			g := gcra{&rule}
			// k takes need (k - burst) intervals, less than the window: N+1 must not fit.
			if int64(n+1-g.burst()) < int64(window)/g.interval() {
				t.Errorf("%d in %s: a burst of %d, then one every %d ns", n, window, g.burst(), g.interval())
			}
			if refill := int64(window) / g.interval(); n < 1<<20 && window > time.Second && refill < int64(n)*6/10 {
				t.Errorf("%d in %s: only %d in the long run", n, window, refill)
			}
		}
	}
}

// runMeter takes and gives back at times that go on by chance and are shown off
// by up to so much, and checks that no window holds more than N of what is kept,
// and that each refusal is honest.
func runMeter(t *rapid.T, rule Rule, m meter, off int64, folds bool) {
	var (
		s    state
		kept []int64
		now  int64 = 1000
	)
	for range rapid.IntRange(1, 80).Draw(t, "steps") {
		now += rapid.SampledFrom([]int64{0, 0, 1, 2, 5, 9, 19, 20, 30}).Draw(t, "stride")
		shown := now - rapid.Int64Range(0, off).Draw(t, "off")
		switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
		case what < 3 && len(kept) > 0:
			i := rapid.IntRange(0, len(kept)-1).Draw(t, "which")
			s = m.giveBack(s, kept[i])
			kept = slices.Delete(kept, i, i+1)
		case what == 3 && folds && !s.folded && len(s.words) > 0:
			s = m.fold(s, shown)
		default:
			for range rapid.IntRange(1, 4).Draw(t, "times") {
				if !honest(t, m, s, shown) {
					break
				}
				s = m.add(s, shown)
				kept = append(kept, shown)
			}
		}
	}
	slices.Sort(kept)
	for i := rule.N; i < len(kept); i++ {
		if kept[i]-kept[i-rule.N] < int64(rule.Window) {
			t.Fatalf("%d kept from %d to %d, within a window of %d", rule.N+1, kept[i-rule.N], kept[i], rule.Window)
		}
	}
}

// honest tells whether one passes, and checks that a refused one passes when it
// is told to, and no sooner.
func honest(t *rapid.T, m meter, s state, now int64) bool {
	wait := m.wait(s, now, 1)
	if wait == 0 {
		return true
	}
	if wait < 0 || m.wait(s, now+wait, 1) != 0 || m.wait(s, now+wait-1, 1) != 1 {
		t.Fatalf("at %d told to wait %d; with that %d is left, a moment sooner %d",
			now, wait, m.wait(s, now+wait, 1), m.wait(s, now+wait-1, 1))
	}
	return false
}
