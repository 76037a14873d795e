package limit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Both ways of counting on many random schedules, by themselves and with small
// numbers: the corners that a large N hides are too rare for few schedules.
const schedules = 20_000

func TestC37TheLogHoldsInAnyOrder(t *testing.T) {
	for seed := range uint64(schedules) {
		s := newSchedule(t, seed)
		rule := Rule{N: 1 + s.IntN(5), Window: 20}
		s.run(rule, slidingLog{&rule}, s.Int64N(21), false)
	}
}

func TestC37AFoldedLogHolds(t *testing.T) {
	for seed := range uint64(schedules) {
		s := newSchedule(t, seed)
		rule := Rule{N: 1 + s.IntN(5), Window: 20}
		s.run(rule, slidingLog{&rule}, 0, true)
	}
}

func TestC37GCRAHoldsInAnyOrder(t *testing.T) {
	for seed := range uint64(schedules) {
		s := newSchedule(t, seed)
		rule := Rule{N: 3 + s.IntN(28)}
		rule.Window = time.Duration((rule.N + 1 - rule.N/3) * (1 + s.IntN(3))) // 1 to 3 an interval
		s.run(rule, gcra{&rule}, []int64{0, 0, 2, 10, 200}[s.IntN(5)], false)
		s.notBehind(gcra{&rule})
	}
}

// notBehind checks what the bound follows from: whatever was given back, the
// theoretical time is at least where what is kept alone would have moved it.
func (s *schedule) notBehind(g gcra) {
	var alone int64
	for _, at := range slices.Concat(s.kept...) {
		alone = max(alone, at) + g.interval()
	}
	if len(s.state.words) > 0 && s.state.words[gTime] < alone {
		s.t.Fatalf("schedule %d: the time stands at %d, what is kept alone moves it to %d", s.seed, s.state.words[gTime], alone)
	}
}

// A case too rare for chance: what was given back used up what is known to be in
// the bucket, and the take that begins anew comes behind another.
func TestC37GCRAGivesNothingBackFromBeforeItBeganAnew(t *testing.T) {
	g := gcra{&Rule{N: 30, Window: 21}} // an interval is 1
	s := newSchedule(t, 0)
	s.meter = g
	s.take(0, 6)
	s.take(5, 3)
	s.take(7, 1)
	s.give(1, 1)
	s.take(5, 1)
	s.give(1, 2)
	s.notBehind(g)
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
	*rand.Rand
	t     *testing.T
	seed  uint64
	meter meter
	state state
	now   int64
	kept  [][]int64
}

func newSchedule(t *testing.T, seed uint64) *schedule {
	return &schedule{Rand: rand.New(rand.NewPCG(seed, 37)), t: t, seed: seed, now: 1000}
}

// run takes and gives back at times that go on by chance and are shown off by up
// to so much, and checks that no window holds more than N of what is kept, and
// that each refusal is honest.
func (s *schedule) run(rule Rule, m meter, off int64, folds bool) {
	s.meter = m
	window := int64(rule.Window)
	strides := []int64{0, 0, 0, 1, 2, window / 6, window / 4, window / 3, window - 1, window, 3 * window}
	for range 4 + s.IntN(24) {
		s.now += strides[s.IntN(len(strides))]
		shown := s.now - s.Int64N(off+1)
		switch what := s.IntN(10); {
		case what < 3 && len(s.kept) > 0:
			s.giveBack()
		case what == 3 && folds && !s.state.folded && len(s.state.words) > 0:
			s.state = m.fold(s.state, shown)
		case what == 4: // a trickle
			for range s.Int64N(window) {
				s.now++
				s.take(s.now, 1)
			}
		default:
			s.take(shown, []int{1, 1, 2, 5, rule.N}[s.IntN(5)])
		}
	}
	kept := slices.Concat(s.kept...)
	slices.Sort(kept)
	for i := rule.N; i < len(kept); i++ {
		if kept[i]-kept[i-rule.N] < window {
			s.t.Fatalf("schedule %d: %d kept from %d to %d, within a window of %d",
				s.seed, rule.N+1, kept[i-rule.N], kept[i], window)
		}
	}
}

func (s *schedule) take(at int64, times int) {
	var passed []int64
	for len(passed) < times && s.passes(at) {
		s.state = s.meter.add(s.state, at)
		passed = append(passed, at)
	}
	s.kept = append(s.kept, passed)
}

// giveBack gives back what one of the last steps took, or one of it.
func (s *schedule) giveBack() {
	i := len(s.kept) - 1 - s.IntN(min(len(s.kept), 8))
	n := len(s.kept[i])
	if n > 0 && s.IntN(2) == 0 {
		n = 1
	}
	s.give(i, n)
}

func (s *schedule) give(step, n int) {
	for _, at := range s.kept[step][:n] {
		s.state = s.meter.giveBack(s.state, at)
	}
	s.kept[step] = s.kept[step][n:]
}

// passes tells whether one passes, and checks that a refused one passes when it
// is told to, and no sooner.
func (s *schedule) passes(now int64) bool {
	wait := s.meter.wait(s.state, now, 1)
	if wait == 0 {
		return true
	}
	if wait < 0 || s.meter.wait(s.state, now+wait, 1) != 0 || s.meter.wait(s.state, now+wait-1, 1) != 1 {
		s.t.Fatalf("schedule %d: at %d told to wait %d; with that %d is left, a moment sooner %d", s.seed,
			now, wait, s.meter.wait(s.state, now+wait, 1), s.meter.wait(s.state, now+wait-1, 1))
	}
	return false
}
