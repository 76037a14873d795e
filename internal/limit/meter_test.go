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
		s.run(rule, slidingLog{&rule}, s.Int64N(21), 0)
	}
}

func TestC37AFoldedLogHolds(t *testing.T) {
	for seed := range uint64(schedules) {
		s := newSchedule(t, seed)
		rule := Rule{N: 1 + s.IntN(5), Window: 20}
		s.run(rule, slidingLog{&rule}, 0, 1)
	}
}

func TestC37ALogInSlotsHoldsInAnyOrder(t *testing.T) {
	for seed := range uint64(schedules) {
		s := newSchedule(t, seed)
		rule := slottedRule(s)
		s.run(rule, slottedLog{&rule}, s.Int64N(int64(rule.Window)+1), 0)
	}
}

func TestC37AFoldedLogInSlotsHolds(t *testing.T) {
	for seed := range uint64(schedules) {
		s := newSchedule(t, seed)
		rule := slottedRule(s)
		s.run(rule, slottedLog{&rule}, 0, 4)
	}
}

// slottedRule has slots of one to four moments.
func slottedRule(s *schedule) Rule {
	return Rule{N: 1 + s.IntN(8), Window: time.Duration(logSlots/2 + s.IntN(3*logSlots))}
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
func (s *schedule) run(rule Rule, m meter, off int64, folds int) {
	s.meter = m
	window := int64(rule.Window)
	strides := []int64{0, 0, 0, 1, 2, window / 6, window / 4, window / 3, window - 1, window, 3 * window}
	for range 4 + s.IntN(24) {
		s.now += strides[s.IntN(len(strides))]
		shown := s.now - s.Int64N(off+1)
		switch what := s.IntN(10); {
		case what < 3 && len(s.kept) > 0:
			s.giveBack()
		case what == 3 && folds > 0 && !s.state.folded && len(s.state.words) >= folds:
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
