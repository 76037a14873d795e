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
		rule := Rule{N: rapid.IntRange(3, 30).Draw(t, "N")}
		ticks := rapid.IntRange(1, 3).Draw(t, "ticks") // an interval
		rule.Window = time.Duration((rule.N + 1 - rule.N/3) * ticks)
		runMeter(t, rule, gcra{&rule}, rapid.SampledFrom([]int64{0, 0, 2, 10, 200}).Draw(t, "most off"), false)
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

// schedule is a rule's counter and what of it is kept, by steps.
type schedule struct {
	*rapid.T
	meter meter
	state state
	now   int64
	kept  [][]int64
}

// runMeter takes and gives back at times that go on by chance and are shown off
// by up to so much, and checks that no window holds more than N of what is kept,
// and that each refusal is honest.
func runMeter(t *rapid.T, rule Rule, m meter, off int64, folds bool) {
	s := schedule{T: t, meter: m, now: 1000}
	window := int64(rule.Window)
	strides := []int64{0, 0, 0, 1, 2, window / 6, window / 4, window / 3, window - 1, window, 3 * window}
	for range rapid.IntRange(8, 40).Draw(t, "steps") {
		s.now += rapid.SampledFrom(strides).Draw(t, "stride")
		shown := s.now - rapid.Int64Range(0, off).Draw(t, "off")
		switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
		case what < 3 && len(s.kept) > 0:
			s.giveBack()
		case what == 3 && folds && !s.state.folded && len(s.state.words) > 0:
			s.state = m.fold(s.state, shown)
		case what == 4: // a trickle
			for range rapid.Int64Range(1, window).Draw(t, "moments") {
				s.now++
				s.take(s.now, 1)
			}
		default:
			s.take(shown, rapid.SampledFrom([]int{1, 1, 2, 5, rule.N}).Draw(t, "times"))
		}
	}
	kept := slices.Concat(s.kept...)
	slices.Sort(kept)
	for i := rule.N; i < len(kept); i++ {
		if kept[i]-kept[i-rule.N] < window {
			t.Fatalf("%d kept from %d to %d, within a window of %d", rule.N+1, kept[i-rule.N], kept[i], window)
		}
	}
}

func (s *schedule) take(at int64, times int) {
	var passed []int64
	for len(passed) < times && honest(s.T, s.meter, s.state, at) {
		s.state = s.meter.add(s.state, at)
		passed = append(passed, at)
	}
	s.kept = append(s.kept, passed)
}

// giveBack gives back what one step took, or one of it.
func (s *schedule) giveBack() {
	i := rapid.IntRange(max(0, len(s.kept)-8), len(s.kept)-1).Draw(s.T, "of")
	n := len(s.kept[i])
	if n > 0 && rapid.Bool().Draw(s.T, "one") {
		n = 1
	}
	for _, at := range s.kept[i][:n] {
		s.state = s.meter.giveBack(s.state, at)
	}
	s.kept[i] = s.kept[i][n:]
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
