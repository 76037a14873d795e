package limittest

import (
	"time"

	"github.com/countersign/countersign/internal/limit"
)

// slots is how many slots a tally's window has.
const slots = 24

// What tallies add up.
func tallies(s suite) {
	s.shows("they add up, and zero only reads", tallyAdds)
	s.shows("several are told in their order", tallySeveral)
	s.shows("the current slot and the one before it are not settled", tallySettles)
	s.shows("a sum lapses a slot after its window", tallyLapses)
	s.shows("a slot lapses without the others", tallySlides)
	s.shows("a caller whose time is a slot behind still adds", tallyBehind)
	s.shows("names and keys are tallied each for itself", tallyNames)
	s.shows("tallies and limits know nothing of one another", tallyApart)
}

func hourly(key string, add int64) limit.Tally {
	return limit.Tally{Key: key, Window: time.Hour, Add: add}
}

func tallyAdds(w *world) {
	for i := range int64(4) {
		equal(w, "sum", w.tally(hourly("k", 10))[0].Sum, 10*(i+1))
		equal(w, "sum as read", w.tally(hourly("k", 0))[0].Sum, 10*(i+1))
		w.after(time.Minute)
	}
	equal(w, "another's", w.tally(hourly("l", 0))[0], limit.Tallied{})
}

func tallySeveral(w *world) {
	w.tally(hourly("b", 2), hourly("a", 1))
	got := w.tally(hourly("a", 10), hourly("none", 0), hourly("b", 20), hourly("a", 100))
	equal(w, "answers", len(got), 4)
	for i, want := range []int64{11, 0, 22, 111} {
		equal(w, "sum", got[i].Sum, want)
	}
	equal(w, "answers to nothing", len(w.tally()), 0)
}

func tallySettles(w *world) {
	slot := time.Hour / slots
	w.tally(hourly("k", 7))
	w.after(2*slot - time.Millisecond)
	equal(w, "in the second slot", w.tally(hourly("k", 1))[0], limit.Tallied{Sum: 8})
	w.after(time.Millisecond)
	equal(w, "in the third", w.tally(hourly("k", 0))[0], limit.Tallied{Sum: 8, Settled: 7})
	w.after(slot)
	equal(w, "in the fourth", w.tally(hourly("k", 1))[0], limit.Tallied{Sum: 9, Settled: 8})
}

func tallyLapses(w *world) {
	slot := time.Hour / slots
	w.tally(hourly("k", 7))
	w.now = noon.Add(time.Hour + slot - time.Millisecond)
	equal(w, "to its end", w.tally(hourly("k", 0))[0], limit.Tallied{Sum: 7, Settled: 7})
	w.after(time.Millisecond)
	equal(w, "then", w.tally(hourly("k", 0))[0], limit.Tallied{})
	equal(w, "and anew", w.tally(hourly("k", 1))[0], limit.Tallied{Sum: 1})
	w.after(100 * time.Hour)
	equal(w, "long after", w.tally(hourly("k", 0))[0], limit.Tallied{})
}

// A steady stream of one a slot is 25 from when the first slots lapse.
func tallySlides(w *world) {
	for i := range int64(100) {
		got := w.tally(hourly("k", 1))[0]
		equal(w, "sum", got.Sum, min(i+1, slots+1))
		equal(w, "settled", got.Settled, max(0, min(i+1, slots+1)-2))
		w.after(time.Hour / slots)
	}
}

func tallyBehind(w *world) {
	slot := time.Hour / slots
	w.tally(hourly("k", 1))
	w.after(3 * slot)
	w.tally(hourly("k", 1))
	w.after(-slot)
	equal(w, "sum, what came later included", w.tally(hourly("k", 1))[0].Sum, 3)
	w.after(slot)
	equal(w, "sum", w.tally(hourly("k", 0))[0].Sum, 3)
}

func tallyNames(w *world) {
	w.tally(hourly("k", 7))
	for _, other := range []limit.Tally{
		{Name: "n", Key: "k", Window: time.Hour}, {Name: "nk", Window: time.Hour}, {Name: "k", Window: time.Hour},
	} {
		equal(w, "of another name", w.tally(other)[0], limit.Tallied{})
		other.Add = 2
		equal(w, "and with its own", w.tally(other)[0].Sum, 2)
	}
	equal(w, "sum", w.tally(hourly("k", 0))[0].Sum, 7)
}

func tallyApart(w *world) {
	w.tally(hourly("k", 1000))
	equal(w, "passed", w.fill(of(few, "k")), few.N)
	unnamed := limit.Rule{N: 5, Window: time.Hour}
	for range unnamed.N {
		w.passes(of(unnamed, "k"))
	}
	equal(w, "sum", w.tally(hourly("k", 0))[0].Sum, 1000)
}
