package limittest

import (
	"time"

	"github.com/countersign/countersign/internal/limit"
)

// Where a window begins and ends.
func windows(s suite) {
	s.shows("C37 what passed counts to the last moment of the window and not at its end", windowEdges)
	s.shows("C37 a burst, then a trickle: no window holds more than N", windowTrickle)
	s.shows("a trickle passes at N a window, a large one at 98 % of it", windowLasting)
	s.shows("a refusal tells the earliest time to pass", windowRetry)
	s.shows("so it does for several counts", windowRetrySeveral)
	s.shows("a clock that steps back frees nothing", windowStepsBack)
	s.shows("what comes a little behind lapses at its own time", windowBehind)
	s.shows("what was idle for long has no credit", windowIdle)
}

func windowEdges(w *world) {
	for i := range few.N {
		w.now = noon.Add(time.Duration(i) * time.Minute)
		w.passes(of(few, "k"))
	}
	for i := range few.N {
		end := noon.Add(time.Duration(i)*time.Minute + few.Window)
		w.now = end.Add(-time.Millisecond)
		w.refused(few, of(few, "k"))
		w.now = end
		w.passes(of(few, "k"))
		w.refused(few, of(few, "k"))
	}
}

// steady asks every so often for so long, and tells when it passed.
func (w *world) steady(c limit.Count, every, long time.Duration) []time.Time {
	w.Helper()
	var passed []time.Time
	for end := w.now.Add(long); w.now.Before(end); w.after(every) {
		if w.take(c).Refused == "" {
			passed = append(passed, w.now)
		}
	}
	return passed
}

// holds checks that no window holds more than N of the times, which ascend.
func holds(w *world, rule limit.Rule, passed []time.Time) {
	w.Helper()
	for i := rule.N; i < len(passed); i++ {
		if passed[i].Sub(passed[i-rule.N]) < rule.Window {
			w.Fatalf("%s: %d passed from %s to %s after noon, within a window of %s", rule.Name,
				rule.N+1, passed[i-rule.N].Sub(noon), passed[i].Sub(noon), rule.Window)
		}
	}
}

// A bucket that refills while its burst of N is spent admits almost 2N.
func windowTrickle(w *world) {
	for _, rule := range []limit.Rule{few, most, large} {
		w.now = noon
		c := of(rule, "k")
		var passed []time.Time
		for range w.fill(c) {
			passed = append(passed, w.now)
		}
		w.after(time.Millisecond)
		passed = append(passed, w.steady(c, rule.Window/2000, 3*rule.Window)...)
		for range w.fill(c) {
			passed = append(passed, w.now)
		}
		holds(w, rule, passed)
	}
}

func windowLasting(w *world) {
	const n = 4
	for _, c := range []struct {
		rule limit.Rule
		want int
	}{
		{few, n * few.N}, {most, n * most.N}, {large, n * large.N * 98 / 100},
	} {
		w.now = noon
		passed := w.steady(of(c.rule, "k"), c.rule.Window/1800, n*c.rule.Window)
		holds(w, c.rule, passed)
		if len(passed) < c.want {
			w.Errorf("%s: %d passed in %d windows, want %d at least", c.rule.Name, len(passed), n, c.want)
		}
	}
}

func windowRetry(w *world) {
	for _, rule := range []limit.Rule{once, few, most, large} {
		w.now = noon
		c := of(rule, "k")
		for w.now.Before(noon.Add(rule.Window / 2)) { // some spread, then all at once
			w.take(c)
			w.after(rule.Window / 7)
		}
		w.fill(c)
		for range 20 {
			asked := w.now
			wait := w.refused(rule, c)
			w.now = asked.Add(wait - time.Millisecond)
			w.refused(rule, c)
			w.now = asked.Add(wait)
			w.passes(c)
			w.fill(c)
		}
	}
}

func windowRetrySeveral(w *world) {
	all := []limit.Count{of(few, "k"), of(once, "k"), of(large, "k")}
	w.passes(all...)
	w.after(time.Minute)
	w.fill(all[0])
	w.after(time.Minute)
	for range large.N / 2 {
		w.passes(all[2])
	}
	asked := w.now
	// Of few one is as old as the first take, and lapses last.
	wait := w.refused(few, all...)
	equal(w, "wait", wait, few.Window-2*time.Minute)
	w.now = asked.Add(wait - time.Millisecond)
	w.refused(few, all...)
	w.now = asked.Add(wait)
	w.passes(all...)
}

func windowStepsBack(w *world) {
	for _, rule := range []limit.Rule{once, few, most, large} {
		w.now = noon
		w.fill(of(rule, "k"))
		for range 3 {
			w.after(-20 * time.Second)
			w.refused(rule, of(rule, "k"))
		}
		// A concurrent caller's time may be a little older than what has lapsed since.
		c := of(rule, "l")
		w.now = noon
		w.fill(c)
		w.after(rule.Window + slot(rule))
		w.passes(c)
		w.after(-2*slot(rule) - time.Millisecond)
		w.refused(rule, c)
	}
}

func windowBehind(w *world) {
	for _, rule := range []limit.Rule{few, most} {
		c := of(rule, "k")
		w.now = noon.Add(30 * time.Second)
		for range rule.N - 1 {
			w.passes(c)
		}
		w.now = noon
		w.passes(c)
		w.refused(rule, c)
		w.now = noon.Add(rule.Window)
		w.passes(c)
		equal(w, "wait", w.refused(rule, c), 30*time.Second)
	}
}

func windowIdle(w *world) {
	for _, rule := range []limit.Rule{few, most, large} {
		w.now = noon
		first := w.fill(of(rule, "k"))
		for _, idle := range []time.Duration{rule.Window + slot(rule), 3 * rule.Window, 1000 * rule.Window} {
			w.after(idle)
			equal(w, rule.Name+": passed after "+idle.String(), w.fill(of(rule, "k")), first)
		}
	}
}
