package limittest

import (
	"time"

	"github.com/countersign/countersign/internal/limit"
)

// What GiveBack takes back, and what it does not.
func givesBack(s suite) {
	s.shows("what is given back frees one place", backOne)
	s.shows("of all counts that it names", backSeveral)
	s.shows("what was kept counts on, each to its own end", backKept)
	s.shows("what had lapsed frees nothing", backLapsed)
	s.shows("what was never taken frees nothing", backNothing)
	s.shows("taken and given back without end, what is kept never passes N", backAndForth)
}

func backOne(w *world) {
	for _, rule := range []limit.Rule{once, few, most, large} {
		c := of(rule, "k")
		w.fill(c)
		for range 3 {
			w.giveBack(w.now, c)
			w.passes(c)
			w.refused(rule, c)
		}
	}
}

func backSeveral(w *world) {
	all := []limit.Count{of(few, "a"), of(other, "b"), of(large, "c")}
	w.passes(all...)
	w.giveBack(w.now, all...)
	for _, c := range all {
		equal(w, c.Rule.Name+" holds as much as a fresh one", w.fill(c), w.fill(of(c.Rule, "fresh")))
	}
	w.giveBack(w.now, all[0], all[1])
	w.refused(large, all[2])
	w.passes(all[:2]...)
}

func backKept(w *world) {
	for range few.N {
		w.passes(of(few, "k"))
		w.after(time.Minute)
	}
	w.giveBack(noon.Add(time.Minute), of(few, "k"))
	w.passes(of(few, "k"))
	w.refused(few, of(few, "k"))

	w.now = noon.Add(few.Window) // the first lapses
	w.passes(of(few, "k"))
	w.refused(few, of(few, "k"))
	w.now = noon.Add(few.Window + time.Minute) // as the second would have
	w.refused(few, of(few, "k"))
	w.after(time.Minute)
	w.passes(of(few, "k"))
}

func backLapsed(w *world) {
	for _, rule := range []limit.Rule{once, few, most, large} {
		c := of(rule, "k")
		w.now = noon
		w.passes(c)
		for _, later := range []time.Duration{rule.Window + slot(rule), 5 * rule.Window} {
			w.now = noon.Add(later)
			w.fill(c)
			w.giveBack(noon, c)
			w.refused(rule, c)
		}
	}
}

func backNothing(w *world) {
	for _, rule := range []limit.Rule{few, most, large} {
		c := of(rule, "k")
		w.giveBack(w.now, c, of(rule, "nobody's"))
		w.fill(c)
		w.giveBack(w.now.Add(-slot(rule)-time.Second), c)
		w.giveBack(w.now.Add(slot(rule)+time.Second), c)
		w.giveBack(w.now, of(rule, "l"))
		w.giveBack(w.now, of(limit.Rule{Name: "elsewhere", N: rule.N, Window: rule.Window}, "k"))
		w.refused(rule, c)
	}
}

// What is given back late may have lapsed meanwhile: a bucket that drains and takes
// off whatever it is told to lends that time to others twice.
func backAndForth(w *world) {
	for _, rule := range []limit.Rule{few, most, large} {
		w.now = noon
		c := of(rule, "k")
		var kept []time.Time
		keep := func() {
			for range w.fill(c) {
				kept = append(kept, w.now)
			}
		}
		for range 12 {
			given := w.steady(c, rule.Window/4000, rule.Window/20)
			w.after(rule.Window / 4)
			keep()
			for _, at := range given {
				w.giveBack(at, c)
			}
			keep()
			kept = append(kept, w.steady(c, rule.Window/2000, rule.Window*2/3)...)
		}
		holds(w, rule, kept)
	}
}
