package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// What Attend means.
func instances(f flow) {
	f.shows("C-104: who was seen lately counts, once", instancesCount)
	f.shows("C-104: who leaves counts no more", instancesLeave)
	f.shows("the database's clock is told as it is, whatever the instance's says", instancesClock)
}

func instancesCount(w *world) {
	a, b := w.id(), w.id()
	equal(w, "alone", w.attend(a), 1)
	equal(w, "again", w.attend(a), 1)
	equal(w, "a second", w.attend(b), 2)
	w.advance(20 * time.Second)
	equal(w, "the second again", w.attend(b), 2)
	w.advance(20 * time.Second)
	equal(w, "the first is not seen any more", w.attend(b), 1)
	equal(w, "and comes back", w.attend(a), 2)
	w.advance(time.Hour)
	equal(w, "alone after an hour", w.attend(b), 1)
}

func instancesLeave(w *world) {
	a, b := w.id(), w.id()
	w.attend(a)
	w.attend(b)
	equal(w, "left", do(w, w.store.Attend, core.Attend{Instance: a, Leaving: true, Now: w.now, Within: attendWithin}).Instances, 1)
	equal(w, "the other", w.attend(b), 1)
	equal(w, "left again", do(w, w.store.Attend, core.Attend{Instance: a, Leaving: true, Now: w.now, Within: attendWithin}).Instances, 1)
}

// The tests' own clock is the database's: it runs on the same machine.
func instancesClock(w *world) {
	w.advance(-time.Hour)
	before := time.Now().Truncate(time.Millisecond)
	told := do(w, w.store.Attend, core.Attend{Instance: w.id(), Now: w.now, Within: attendWithin}).Clock
	if after := time.Now().Add(time.Millisecond); !told.IsZero() && (told.Before(before) || told.After(after)) {
		w.t.Errorf("the database says that it is %v, between %v and %v", told, before, after)
	}
}

const attendWithin = 30 * time.Second

func (w *world) attend(instance string) int {
	w.t.Helper()
	return do(w, w.store.Attend, core.Attend{Instance: instance, Now: w.now, Within: attendWithin}).Instances
}
