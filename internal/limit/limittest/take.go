package limittest

import (
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/limit"
)

// What Take counts, and under what.
func takes(s suite) {
	s.shows("C37 N pass at once and the next does not", takeN)
	s.shows("what is refused is not counted", takeRefused)
	s.shows("nobody passes where N or the window is none", takeNobody)
	s.shows("once and never again in the window", takeOnce)
	s.shows("C38 rules and keys are counted each for itself", takeApart)
	s.shows("all or nothing: a full one keeps the others from being counted", takeAllOrNothing)
	s.shows("the refusal names the one that is full the longest", takeFullest)
	s.shows("the same count twice counts two", takeTwice)
	s.shows("nothing to count passes", func(w *world) { w.passes() })
}

func takeN(w *world) {
	for _, rule := range []limit.Rule{once, few, most, large} {
		equal(w, "passed under "+rule.Name, w.fill(of(rule, "k")), rule.N)
	}
}

func takeRefused(w *world) {
	w.fill(of(few, "k"))
	for range 100 {
		w.after(time.Second)
		w.refused(few, of(few, "k"))
	}
	w.now = noon.Add(few.Window)
	equal(w, "passed a window later", w.fill(of(few, "k")), few.N)
}

func takeNobody(w *world) {
	for _, rule := range []limit.Rule{
		{Name: "zero", N: 0, Window: time.Hour},
		{Name: "less", N: -5, Window: time.Hour},
		{Name: "no window", N: 5},
		{Name: "no window, large", N: 5000},
		{Name: "less than a window", N: 5, Window: -time.Hour},
	} {
		w.refused(rule, of(few, "k"), of(rule, "k"))
	}
	equal(w, "passed under the other", w.fill(of(few, "k")), few.N)
}

func takeOnce(w *world) {
	w.passes(of(once, "solution"))
	for range 10 {
		w.refused(once, of(once, "solution"))
		w.passes(of(once, w.now.String()))
		w.after(once.Window / 10)
	}
	w.passes(of(once, "solution"))
}

func takeApart(w *world) {
	w.fill(of(few, "k"))
	for _, c := range []limit.Count{
		of(few, "l"), of(few, ""), of(few, "K"), of(few, "k "), of(other, "k"),
		of(limit.Rule{Name: "fe", N: 5, Window: time.Hour}, "wk"),
	} {
		equal(w, "passed under "+c.Rule.Name+" "+c.Key, w.fill(c), 5)
	}
	equal(w, "passed under a large one", w.fill(of(large, "k")), large.N)
}

func takeAllOrNothing(w *world) {
	w.fill(of(few, "full"))
	for range 50 {
		w.refused(few, of(other, "k"), of(few, "full"), of(large, "k"), of(most, "k"))
	}
	equal(w, "passed before the full one", w.fill(of(other, "k")), other.N)
	equal(w, "passed behind it", w.fill(of(most, "k")), most.N)
	equal(w, "passed under the large one", w.fill(of(large, "k")), large.N)
	w.refused(few, of(few, "full"), of(other, "l"))
	equal(w, "passed where the full one came first", w.fill(of(other, "l")), other.N)
}

func takeFullest(w *world) {
	w.fill(of(few, "k"))
	w.after(20 * time.Minute)
	w.fill(of(other, "k"))
	wait := w.refused(other, of(few, "k"), of(other, "k"))
	equal(w, "wait", wait, time.Hour)
	equal(w, "wait, the other way round", w.refused(other, of(other, "k"), of(few, "k")), time.Hour)
}

func takeTwice(w *world) {
	twice := []limit.Count{of(few, "k"), of(few, "k")}
	w.passes(twice...)
	w.passes(twice...)
	w.refused(few, twice...) // 4 of 5
	w.passes(of(few, "k"))
	w.refused(few, of(few, "k"))
}

// What concurrent callers get.
func parallels(s suite) {
	s.shows("C37 exactly N of 500 pass", parallelFew)
	s.shows("several counts are one step", parallelAllOrNothing)
	s.shows("no tally is lost", parallelTally)
}

func (w *world) together(n int, counts func(i int) []limit.Count) int64 {
	var passed atomic.Int64
	atOnce(n, func(i int) {
		d, err := w.engine.Take(w.ctx, w.now, counts(i)...)
		switch {
		case err != nil:
			w.Errorf("Take: %v", err)
		case d.Refused == "":
			passed.Add(1)
		}
	})
	return passed.Load()
}

func parallelFew(w *world) {
	for _, rule := range []limit.Rule{once, few, most, {Name: "400", N: 400, Window: time.Hour}} {
		passed := w.together(500, func(int) []limit.Count { return []limit.Count{of(rule, "k")} })
		equal(w, "passed under "+rule.Name, passed, int64(rule.N))
	}
}

// Half of them name the counts the other way round, and each has one of its own
// behind the shared ones.
func parallelAllOrNothing(w *world) {
	a, b := of(few, "a"), of(other, "b")
	own := func(i int) limit.Count { return of(once, time.Duration(i).String()) }
	passed := w.together(200, func(i int) []limit.Count {
		if i%2 == 0 {
			return []limit.Count{a, b, own(i)}
		}
		return []limit.Count{b, a, own(i)}
	})
	equal(w, "passed", passed, int64(few.N))
	fresh := int64(0)
	for i := range 200 {
		if w.take(own(i)).Refused == "" {
			fresh++
		}
	}
	equal(w, "not counted", fresh, 200-passed)
}

func parallelTally(w *world) {
	tally := limit.Tally{Key: "k", Window: time.Hour, Add: 3}
	atOnce(200, func(int) {
		if _, err := w.engine.Tally(w.ctx, w.now, tally, limit.Tally{Key: "l", Window: time.Hour}); err != nil {
			w.Errorf("Tally: %v", err)
		}
	})
	tally.Add = 0
	equal(w, "sum", w.tally(tally)[0].Sum, 600)
}
