package outbox

import (
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

var toGermany = way{provider: "a", country: "DE"}

// failing gives circuits of which that to Germany has just opened, at noon.
func failing(t *testing.T) circuits {
	t.Helper()
	c := newCircuits()
	for i := range circuitFails {
		if opened := c.ended(toGermany, noon, noon, true); (len(opened) == 1) != (i == circuitFails-1) {
			t.Fatalf("failure %d opened %v", i+1, opened)
		}
	}
	return c
}

func TestCircuitOpensForACountryAfterFiveFailuresOfTen(t *testing.T) {
	c := newCircuits()
	for i := range 40 { // two of five
		if opened := c.ended(toGermany, noon, noon, i%5 < 2); len(opened) > 0 {
			t.Fatalf("opened after %d: %v", i, opened)
		}
	}
	c = failing(t)
	if got := c.opens(toGermany, noon); !got.Equal(at(30)) {
		t.Errorf("open until %v", got)
	}
	if got := c.opens(way{"a", "FR"}, noon); !got.IsZero() {
		t.Errorf("another country is shut until %v", got)
	}
	if got := c.opens(way{"b", "DE"}, noon); !got.IsZero() {
		t.Errorf("another provider is shut until %v", got)
	}
}

func TestCircuitLetsOneProbeThroughAndWaitsTwiceAsLong(t *testing.T) {
	c := failing(t)
	now := at(30)
	for _, pause := range []int{60, 120, 240, 480, 600, 600} {
		if got := c.opens(toGermany, now); !got.IsZero() {
			t.Fatalf("at %v: no probe before %v", now, got)
		}
		c.begin(toGermany, now)
		if c.opens(toGermany, now).IsZero() {
			t.Fatal("two probes at a time")
		}
		if opened := c.ended(toGermany, now, now, true); len(opened) > 0 {
			t.Errorf("told again: %v", opened)
		}
		now = now.Add(time.Duration(pause) * time.Second)
		if got := c.opens(toGermany, now.Add(-time.Millisecond)); !got.Equal(now) {
			t.Fatalf("open until %v, want %v", got, now)
		}
	}
	c.begin(toGermany, now)
	c.ended(toGermany, now, now, false)
	if got := c.opens(toGermany, now); !got.IsZero() {
		t.Errorf("still open until %v", got)
	}
}

// A probe whose instance hangs must not keep the way shut for ever.
func TestALostProbeMakesRoomForAnother(t *testing.T) {
	c := failing(t)
	c.begin(toGermany, at(30))
	if got := c.opens(toGermany, at(40)); !got.Equal(at(60)) {
		t.Errorf("the next probe at %v", got)
	}
	if got := c.opens(toGermany, at(60)); !got.IsZero() {
		t.Errorf("the next probe at %v", got)
	}
}

func TestWhatBeganBeforeItOpenedSaysNothing(t *testing.T) {
	c := failing(t)
	c.ended(toGermany, at(-5), at(3), false)
	if got := c.opens(toGermany, at(3)); !got.Equal(at(30)) {
		t.Errorf("closed by an old success: %v", got)
	}
	c.ended(toGermany, at(-5), at(31), true)
	if got := c.opens(toGermany, at(31)); !got.IsZero() {
		t.Errorf("shut for longer by an old failure: %v", got)
	}
}

// An operator reads of a provider that fails and recovers every minute once that
// it is lost, not all day.
func TestCircuitIsToldOnceWhileItFlaps(t *testing.T) {
	c := failing(t)
	for range 5 {
		now := c.opens(toGermany, noon)
		c.begin(toGermany, now)
		c.ended(toGermany, now, now, false)
		for range circuitFails {
			if opened := c.ended(toGermany, now, now, true); len(opened) > 0 {
				t.Fatalf("told again: %v", opened)
			}
		}
		if got := c.restored(now.Add(time.Hour)); len(got) > 0 {
			t.Fatalf("restored though open: %v", got)
		}
	}
	now := c.opens(toGermany, noon)
	if pause := now.Sub(c.at(toGermany).opened); pause != circuitLongest {
		t.Errorf("the pause is %v: it does not grow while it flaps", pause)
	}
	c.begin(toGermany, now)
	c.ended(toGermany, now, now, false)
	if got := c.restored(now.Add(circuitSettles - 1)); len(got) > 0 {
		t.Errorf("restored at once: %v", got)
	}
	if got := c.restored(now.Add(circuitSettles)); !slices.Equal(got, []way{toGermany}) {
		t.Errorf("restored: %v", got)
	}
	if got := c.restored(now.Add(time.Hour)); len(got) > 0 {
		t.Errorf("restored twice: %v", got)
	}
	for range circuitFails {
		c.ended(toGermany, now, now, true)
	}
	if got := c.opens(toGermany, now); got.Sub(now) != circuitPause {
		t.Errorf("once restored it opens for %v", got.Sub(now))
	}
}

func TestAnAlarmShutsAProviderForAllCountries(t *testing.T) {
	c := newCircuits()
	if opened := c.alarm("a", noon, noon); !slices.Equal(opened, []way{{provider: "a"}}) {
		t.Errorf("opened %v", opened)
	}
	if opened := c.alarm("a", at(-1), at(1)); len(opened) > 0 {
		t.Errorf("told again: %v", opened)
	}
	for _, country := range []string{"DE", "FR", nowhere} {
		if got := c.opens(way{"a", country}, at(1)); !got.Equal(at(30)) {
			t.Errorf("%s is open until %v", country, got)
		}
	}
	c.begin(way{"a", "FR"}, at(30))
	if c.opens(toGermany, at(30)).IsZero() {
		t.Error("two probes of a provider at a time")
	}
	c.ended(way{"a", "FR"}, at(30), at(31), false)
	if got := c.opens(toGermany, at(31)); !got.IsZero() {
		t.Errorf("still open until %v", got)
	}
}

func TestCircuitStatesAreBounded(t *testing.T) {
	c := failing(t)
	c.alarm("b", noon, noon)
	c.throttled["c"] = at(9)
	want := []CircuitState{
		{Provider: "a", Country: "DE", Open: true, Until: at(30)}, {Provider: "b", Open: true, Until: at(30)},
		{Provider: "c", Open: true, Until: at(9)},
	}
	if got := c.states(at(1)); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	c.opens(way{"d", "IT"}, noon)
	if got := c.states(at(10)); !slices.Equal(got, want[:2]) {
		t.Errorf("got %v", got)
	}
}
