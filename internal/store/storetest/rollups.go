package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What AddRollups and Stats mean, and Sweep of what they count.
func rollups(f flow) {
	f.shows("counts by minute, ten minutes and hour", statsSlots)
	f.shows("adds up times and instances", statsAddsUp)
	f.shows("keeps series apart by every member", statsSeries)
	f.shows("rounds both ends down to a slot", statsEnds)
	f.shows("tells only the names asked for", statsNames)
	f.shows("sums over the whole where no slots are asked", statsSums)
	f.shows("sums by slots of the window's length", statsByLength)
	f.shows("sums by the finest slots that reach back", statsFinest)
	f.shows("knows three lengths of slots", statsUnknown)
	f.shows("drops counts after 2, 8 and 90 days", statsSwept)
	f.shows("drops so many counts at a time", statsSweptSome)
	f.shows("32 instances at once, no count lost", raceRollups)
}

// midnight is where these cases begin: on the edge of every slot.
var midnight = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

var (
	succeeded = event.Series{Name: event.SuccessfulLogin, Method: "sms", Outcome: event.Success}
	denied    = event.Series{Name: event.FailedLogin, Method: "password", Outcome: event.Failure, Reason: "wrong_password"}
	smsSent   = event.Series{Name: event.SMSSent, Outcome: event.Success, Country: "DE", Provider: "acme"}
)

func count(minute time.Time, of event.Series, n int64) event.Rollup {
	return event.Rollup{Minute: minute, Series: of, N: n}
}

func (w *world) addRollups(instance string, all ...event.Rollup) {
	w.t.Helper()
	if err := w.store.AddRollups(w.ctx, core.AddRollups{Instance: instance, Rollups: all}); err != nil {
		w.t.Fatalf("adding rollups: %v", err)
	}
}

// stats asks for counts, and gives them in one order.
func (w *world) stats(since, until time.Time, by time.Duration, names ...event.Name) []event.Rollup {
	w.t.Helper()
	got := do(w, w.store.Stats, core.StatsQuery{Since: since, Until: until, By: by, Names: names})
	w.holds("the oldest slot comes first", slices.IsSortedFunc(got, func(a, b event.Rollup) int { return a.Minute.Compare(b.Minute) }))
	slices.SortFunc(got, func(a, b event.Rollup) int {
		return cmp.Or(a.Minute.Compare(b.Minute), cmp.Compare(a.Series.Name, b.Series.Name), cmp.Compare(a.Series.Country, b.Series.Country))
	})
	return got
}

func statsSlots(w *world) {
	at := midnight.Add(9*time.Hour + 59*time.Minute)
	equal(w, "stats before any", len(w.stats(midnight, midnight.Add(day), time.Minute)), 0)
	w.addRollups("a", count(at, succeeded, 2), count(at.Add(time.Minute), succeeded, 3), count(at.Add(2*time.Minute), succeeded, 4))
	for by, want := range map[time.Duration][]event.Rollup{
		time.Minute:      {count(at, succeeded, 2), count(at.Add(time.Minute), succeeded, 3), count(at.Add(2*time.Minute), succeeded, 4)},
		10 * time.Minute: {count(at.Add(-9*time.Minute), succeeded, 2), count(at.Add(time.Minute), succeeded, 7)},
		time.Hour:        {count(at.Add(-59*time.Minute), succeeded, 2), count(at.Add(time.Minute), succeeded, 7)},
	} {
		equal(w, "stats by "+by.String(), w.stats(midnight, midnight.Add(day), by), want)
	}
}

func statsAddsUp(w *world) {
	w.addRollups("a", count(midnight, succeeded, 1), count(midnight, denied, 10))
	w.addRollups("b", count(midnight, succeeded, 2))
	w.addRollups("a", count(midnight, succeeded, 4), count(midnight, succeeded, 8))
	w.addRollups("a")
	for _, by := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour} {
		equal(w, "stats by "+by.String(), w.stats(midnight, midnight.Add(time.Hour), by),
			[]event.Rollup{count(midnight, denied, 10), count(midnight, succeeded, 15)})
	}
}

func statsSeries(w *world) {
	apart := []event.Series{
		smsSent,
		{Name: event.SMSSendFailed, Outcome: event.Success, Country: "DE", Provider: "acme"},
		{Name: event.SMSSent, Method: "sms", Outcome: event.Success, Country: "DE", Provider: "acme"},
		{Name: event.SMSSent, Outcome: event.Failure, Country: "DE", Provider: "acme"},
		{Name: event.SMSSent, Outcome: event.Success, Reason: "late", Country: "DE", Provider: "acme"},
		{Name: event.SMSSent, Outcome: event.Success, Country: "AT", Provider: "acme"},
		{Name: event.SMSSent, Outcome: event.Success, Country: "DE", Provider: "other"},
	}
	for i, each := range apart {
		w.addRollups("a", count(midnight, each, int64(1)<<i))
	}
	for _, by := range []time.Duration{0, time.Minute} {
		got := w.stats(midnight, midnight.Add(time.Hour), by)
		equal(w, "series", len(got), len(apart))
		for _, each := range got {
			equal(w, "its count", each.N, int64(1)<<slices.Index(apart, each.Series))
		}
	}
}

func statsEnds(w *world) {
	for i := range 6 {
		w.addRollups("a", count(midnight.Add(time.Duration(i)*10*time.Minute), succeeded, int64(1)<<i))
	}
	ns := func(since, until, by time.Duration) []int64 {
		w.t.Helper()
		var ns []int64
		for _, each := range w.stats(midnight.Add(since), midnight.Add(until), by) {
			ns = append(ns, each.N)
		}
		return ns
	}
	const ten, moment = 10 * time.Minute, time.Millisecond
	equal(w, "from a slot to a slot", ns(ten, 3*ten, ten), []int64{2, 4})
	equal(w, "from within a slot", ns(2*ten-moment, 3*ten, ten), []int64{2, 4})
	equal(w, "to within a slot", ns(ten, 4*ten-moment, ten), []int64{2, 4})
	equal(w, "within one slot", ns(ten, 2*ten-moment, ten), nil)
	equal(w, "by hours, to within one", ns(0, 6*ten-moment, time.Hour), nil)
	equal(w, "by hours", ns(3*ten, 6*ten, time.Hour), []int64{63})
	equal(w, "the sum, to within a minute", ns(ten, 3*ten+time.Minute-moment, 0), []int64{6})
	equal(w, "the sum, to the next minute", ns(ten, 3*ten+time.Minute, 0), []int64{14})
}

func statsNames(w *world) {
	w.addRollups("a", count(midnight, succeeded, 1), count(midnight, denied, 2), count(midnight, smsSent, 4),
		count(midnight, event.Series{Name: "sms"}, 8)) // a part of another's name
	for by, at := range map[time.Duration]time.Time{time.Minute: midnight, 0: {}} {
		equal(w, "one name", w.stats(midnight, midnight.Add(time.Hour), by, event.SMSSent), []event.Rollup{count(at, smsSent, 4)})
		equal(w, "two names", w.stats(midnight, midnight.Add(time.Hour), by, event.SuccessfulLogin, event.FailedLogin),
			[]event.Rollup{count(at, denied, 2), count(at, succeeded, 1)})
		equal(w, "a name that nothing has", len(w.stats(midnight, midnight.Add(time.Hour), by, event.Logout)), 0)
	}
}

func statsSums(w *world) {
	w.addRollups("a", count(midnight, succeeded, 1), count(midnight.Add(3*time.Hour), succeeded, 2), count(midnight.Add(time.Minute), denied, 4))
	w.addRollups("b", count(midnight.Add(3*time.Hour), succeeded, 8))
	equal(w, "the sums", w.stats(midnight, midnight.Add(day), 0), []event.Rollup{count(time.Time{}, denied, 4), count(time.Time{}, succeeded, 11)})
}

// ages are how long counts are kept, by the length of their slots.
func ages() map[time.Duration]time.Duration {
	return map[time.Duration]time.Duration{time.Minute: 2 * day, 10 * time.Minute: 8 * day, time.Hour: 90 * day}
}

func statsByLength(w *world) {
	end := midnight.Add(3 * day)
	for i := range 61 { // one in each of the last minutes
		w.addRollups("a", count(end.Add(-time.Duration(i)*time.Minute), succeeded, 1))
	}
	until := end.Add(-5*time.Minute + time.Minute)
	for _, each := range []struct {
		window time.Duration
		slot   time.Duration // in which the end lies
	}{
		{time.Hour, time.Minute}, {2 * time.Hour, time.Minute}, {2*time.Hour + time.Minute, time.Minute},
		{2*time.Hour + 2*time.Minute, 10 * time.Minute}, {2 * day, 10 * time.Minute}, {2*day + 10*time.Minute, 10 * time.Minute},
		{2*day + 11*time.Minute, time.Hour}, {3 * day, time.Hour},
	} {
		since, last := until.Add(-each.window).Truncate(each.slot), until.Truncate(each.slot)
		var want int64
		for i := range 61 {
			if at := end.Add(-time.Duration(i) * time.Minute); !at.Before(since) && at.Before(last) {
				want++
			}
		}
		var got int64
		for _, r := range w.stats(until.Add(-each.window), until, 0) {
			got += r.N
		}
		equal(w, "the sum over "+each.window.String(), got, want)
	}
}

func statsFinest(w *world) {
	now := midnight.Add(12*time.Hour + 34*time.Minute)
	for by, kept := range ages() { // one shortly before the end of its time, one shortly after it
		w.addRollups("a", count(now.Add(-kept).Add(by), succeeded, 1), count(now.Add(-kept).Add(-by), succeeded, 1))
	}
	w.addRollups("a", count(now.Add(-2*time.Minute), succeeded, 100))
	w.sweepAt(now)
	sum := func(back, until time.Duration) (n int64) {
		w.t.Helper()
		for _, each := range w.stats(now.Add(-back), now.Add(-until), 0) {
			n += each.N
		}
		return n
	}
	equal(w, "two days, to ten minutes", sum(2*day, -6*time.Minute), int64(102))         // until 12:40
	equal(w, "an hour, two days ago", sum(2*day, 2*day-time.Hour), int64(1))             // by minutes
	equal(w, "an hour, longer ago", sum(2*day+6*time.Minute, 2*day-time.Hour), int64(2)) // by ten minutes
	equal(w, "ten hours, eight days ago", sum(8*day, 8*day-10*time.Hour), int64(1))
	equal(w, "ten hours, longer ago", sum(8*day+time.Hour, 8*day-10*time.Hour), int64(2)) // by hours
	equal(w, "three days, to the hour", sum(3*day, -26*time.Minute), int64(102))          // until 13:00
	equal(w, "a hundred days, as far as they are kept", sum(100*day, -26*time.Minute), int64(105))
}

func statsUnknown(w *world) {
	_, err := w.store.Stats(w.ctx, core.StatsQuery{Since: midnight, Until: midnight.Add(day), By: 5 * time.Minute})
	w.holds("counts by five minutes are refused", err != nil)
}

func statsSwept(w *world) {
	for _, by := range []time.Duration{time.Minute, 10 * time.Minute, time.Hour} {
		w.addRollups("a", count(midnight, succeeded, 1))
		w.aroundEnd(midnight.Add(by).Add(ages()[by]), func() {
			equal(w, "slots of "+by.String(), len(w.stats(midnight, midnight.Add(day), by)), 1)
		}, func() {
			equal(w, "slots of "+by.String(), len(w.stats(midnight, midnight.Add(day), by)), 0)
		})
	}
}

func statsSweptSome(w *world) {
	for i := range 5 {
		w.addRollups("a", count(midnight.Add(time.Duration(i)*time.Minute), succeeded, 1))
	}
	w.setClock(midnight.Add(3 * day))
	in := w.sweep()
	in.Limit = 2
	w.holds("there is more", do(w, w.store.Sweep, in))
	equal(w, "minutes left", len(w.stats(midnight, midnight.Add(day), time.Minute)), 3)
	w.sweepAt(w.now)
	equal(w, "minutes left in the end", len(w.stats(midnight, midnight.Add(day), time.Minute)), 0)
	equal(w, "ten minutes left", w.stats(midnight, midnight.Add(day), 10*time.Minute), []event.Rollup{count(midnight, succeeded, 5)})
}

func raceRollups(w *world) {
	ins := many(32, func(i int) core.AddRollups {
		return core.AddRollups{Instance: string(rune('a' + i%4)), Rollups: []event.Rollup{count(midnight, succeeded, 1), count(midnight, denied, 2)}}
	})
	doAtOnce(w, func(ctx context.Context, in core.AddRollups) (struct{}, error) {
		return struct{}{}, w.store.AddRollups(ctx, in)
	}, ins)
	equal(w, "counts", w.stats(midnight, midnight.Add(day), time.Hour), []event.Rollup{count(midnight, denied, 64), count(midnight, succeeded, 32)})
}
