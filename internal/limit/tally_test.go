package limit

import (
	"slices"
	"testing"
	"time"
)

// daily has slots of an hour, so that what they hold reads easily.
func daily(add int64) Tally { return Tally{Key: "k", Window: slots * time.Hour, Add: add} }

func hours(n int64) int64 { return n * int64(time.Hour) }

func TestTallyKeepsItsSlotsInOrder(t *testing.T) {
	var s state
	for _, hour := range []int64{100, 102, 100, 102, 101, 100} {
		s = daily(1).add(s, hours(hour))
	}
	if want := []int64{200, 3, 202, 1, 204, 2}; !slices.Equal(s.words, want) {
		t.Errorf("%v, want %v", s.words, want)
	}
	if got := daily(0).until(s); got < hours(102+slots+1) {
		t.Errorf("gone at hour %d", got/hours(1))
	}
}

// A caller whose time is a slot behind reads what has just lapsed for others.
func TestTallyKeepsASlotMore(t *testing.T) {
	s := daily(1).add(daily(7).add(state{}, hours(100)), hours(100+slots+1))
	if got := daily(0).sum(s, hours(100+slots)).Sum; got != 8 {
		t.Errorf("%d, want 8", got)
	}
	s = daily(1).add(s, hours(100+slots+2))
	if want := []int64{250, 1, 252, 1}; !slices.Equal(s.words, want) {
		t.Errorf("%v, want %v", s.words, want)
	}
}

func TestTallyFoldedLosesNothing(t *testing.T) {
	var s state
	for hour := range int64(10) {
		s = daily(10).add(s, hours(100+hour))
	}
	s = daily(0).fold(s)
	if want := []int64{216, 90, 218, 10}; !slices.Equal(s.words, want) {
		t.Errorf("%v, want %v", s.words, want)
	}
}

// Folded, what is shared stays known as that, and what is not does not become so.
func TestTallyFoldedKeepsItsMarks(t *testing.T) {
	var s state
	for hour := range int64(5) {
		if s = daily(10).add(s, hours(100+hour)); hour == 1 {
			mix(s)
		}
	}
	s = daily(0).fold(s)
	if want := []int64{207, 40, 208, 10}; !slices.Equal(s.words, want) {
		t.Errorf("%v, want %v", s.words, want)
	}
	if got := daily(0).sum(s, hours(104+slots)); got != (Tallied{Sum: 10, Settled: 10}) {
		t.Errorf("the newest alone: %+v", got)
	}
}

func TestReadingATallyHoldsNothing(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	if _, err := m.Tally(t.Context(), time.Unix(0, 0), daily(0)); err != nil {
		t.Fatal(err)
	}
	if got := m.Stats().Keys; got != 0 {
		t.Errorf("%d keys", got)
	}
}
