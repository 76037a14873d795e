package limit_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
)

func tally(t *testing.T, m *limit.Memory, now time.Time, ask limit.Tally) limit.Tallied {
	t.Helper()
	got, err := m.Tally(t.Context(), now, ask)
	if err != nil {
		t.Fatal(err)
	}
	return got[0]
}

// Known devices, sessions and the like count on while strangers' keys fill all
// the memory that strangers' keys may have.
func TestC46NoFloodOfStrangersReachesWhatIsReserved(t *testing.T) {
	m := limit.NewMemory(limit.MemoryOptions{Bytes: 4 << 20})
	flood(t, m, start, five, 60_000)
	full := m.Stats()
	if full.Shared == 0 {
		t.Fatalf("%+v: not full", full)
	}
	device := limit.Rule{Name: "device", N: 5, Window: time.Hour, Reserved: true}
	for i := range 5000 {
		if n := fill(t, m, start, device, strconv.Itoa(i)); n != device.N {
			t.Fatalf("device %d: %d pass, want %d", i, n, device.N)
		}
	}
	wrong := limit.Tally{Name: "wrong codes", Window: time.Hour, Add: 9, Reserved: true}
	if got := tally(t, m, start, wrong); got != (limit.Tallied{Sum: 9}) {
		t.Errorf("%+v", got)
	}
	if s := m.Stats(); s.Shared != full.Shared || s.Bytes > 4<<20 {
		t.Errorf("%+v, before them %+v", s, full)
	}
}

// Nor do those fill what strangers have.
func TestC46WhatIsReservedTakesNothingFromStrangers(t *testing.T) {
	m := limit.NewSmall(1)
	flood(t, m, start, limit.Rule{Name: "device", N: 5, Window: time.Hour, Reserved: true}, 3000)
	before := m.Stats().Shared
	if before == 0 {
		t.Fatal("not full")
	}
	for i := range 400 {
		if n := fill(t, m, start, five, strconv.Itoa(i)); n != five.N {
			t.Fatalf("stranger %d: %d pass, want %d", i, n, five.N)
		}
	}
	if got := m.Stats().Shared; got != before {
		t.Errorf("%d times a shared counter was asked", got-before)
	}
}

// Where tallies have to share, they do so with their like.
func TestC46TalliesOfDifferentNamesNeverMix(t *testing.T) {
	m := limit.NewSmall(1)
	flood(t, m, start, five, 3000)
	for i := range 1000 {
		tally(t, m, start, limit.Tally{Name: "sent", Key: strconv.Itoa(i), Window: time.Hour, Add: 1})
	}
	for i := range 1000 {
		if got := tally(t, m, start, limit.Tally{Name: "paused", Key: strconv.Itoa(i), Window: time.Hour}); got.Sum != 0 {
			t.Fatalf("%d was never paused: %+v", i, got)
		}
	}
}

// Who judges by a sum knows whose it is: also where a tally began as a copy of a
// shared one, until what it copied has lapsed.
func TestC46ASumSaysThatItIsShared(t *testing.T) {
	m := limit.NewSmall(1)
	short := limit.Rule{Name: "short", N: 5, Window: time.Minute}
	sent := func(key string, add int64) limit.Tally {
		return limit.Tally{Name: "sent", Key: key, Window: time.Hour, Add: add}
	}
	tally(t, m, start, sent("held", 3))
	flood(t, m, start, short, 3000)
	for i := range 500 {
		tally(t, m, start, sent(strconv.Itoa(i), 1))
	}
	if got := tally(t, m, start, sent("fresh", 0)); !got.Shared || got.Sum == 0 {
		t.Errorf("full: %+v", got)
	}
	if got := tally(t, m, start, sent("held", 1)); got != (limit.Tallied{Sum: 4}) {
		t.Errorf("held: %+v", got)
	}

	now := start.Add(5 * time.Minute)
	flood(t, m, now, short, 500) // sweeps: there is room again
	for _, add := range []int64{0, 1, 1} {
		if got := tally(t, m, now, sent("fresh", add)); !got.Shared || got.Sum < 2 {
			t.Errorf("adding %d to a copy: %+v", add, got)
		}
	}
	now = start.Add(time.Hour + 4*time.Minute) // what was shared has lapsed, what was added since has not
	if got := tally(t, m, now, sent("fresh", 1)); got != (limit.Tallied{Sum: 3, Settled: 2}) {
		t.Errorf("when the copied part has lapsed: %+v", got)
	}
}
