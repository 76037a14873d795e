package event

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A window holds all that happened within its length, and nothing older than a
// sixtieth more.
func TestC80WindowMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.IntRange(1, 3600).Draw(t, "seconds")) * time.Second
		at := time.UnixMilli(rapid.Int64Range(1e12, 2e12).Draw(t, "begin"))
		var w window
		var seen []time.Time
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			at = at.Add(time.Duration(rapid.Int64Range(0, 2*length.Milliseconds()/10).Draw(t, "pause")) * time.Millisecond)
			seen = append(seen, at)
			sum := w.add(at, length)
			var within, nearly int64
			for _, s := range seen {
				if age := at.Sub(s); age < length {
					within++
				} else if age < (windowSlots+1)*(length/windowSlots+time.Millisecond) {
					nearly++
				}
			}
			if sum < within || sum > within+nearly {
				t.Fatalf("the window holds %d, want %d to %d", sum, within, within+nearly)
			}
		}
	})
}

func TestC80WindowEdge(t *testing.T) {
	begin := time.Date(2026, 11, 24, 7, 20, 30, 0, time.UTC)
	for _, c := range []struct {
		after time.Duration
		want  int64
	}{
		{0, 2}, {5*time.Minute - time.Millisecond, 2}, {5*time.Minute + 5*time.Second, 1}, {time.Hour, 1}, {1e6 * time.Hour, 1},
	} {
		var w window
		w.add(begin, 5*time.Minute)
		if got := w.add(begin.Add(c.after), 5*time.Minute); got != c.want {
			t.Errorf("%v later it holds %d, want %d", c.after, got, c.want)
		}
	}
	var w window
	w.add(begin, time.Minute)
	if got := w.add(begin.Add(-30*time.Second), time.Minute); got != 2 {
		t.Errorf("with one that came late it holds %d", got)
	}
	if got := w.add(begin.Add(-time.Hour), time.Minute); got != 2 {
		t.Errorf("with one that came too late it holds %d", got)
	}
	if got := new(window).add(time.Unix(-30, 0), time.Minute); got != 1 {
		t.Errorf("with one of a clock that was never set it holds %d", got)
	}
	if got := w.sum(begin.Add(time.Hour), time.Minute); got != 0 {
		t.Errorf("an hour later it holds %d", got)
	}
}

// A flood of addresses takes no more memory than the table, and takes nothing
// from alerts that watch everybody.
func TestC80FloodOfSubjectsIsBounded(t *testing.T) {
	w := watch(t, nil)
	w.see(4, denied)
	w.see(19, wrongPassword)
	for n := range 3 * maxSubjects {
		e := wrongPassword
		e.IPAddress = fmt.Sprintf("10.%d.%d.1", n/256, n%256)
		w.see(1, e)
		lock := Event{Name: AccountLocked, Outcome: Failure, PhonePseudonym: fmt.Sprint(n)}
		w.see(1, lock)
	}
	for name, s := range w.subjects {
		if len(s.byKey) > maxSubjects || s.seen.Len() != len(s.byKey) {
			t.Errorf("%s watches %d", name, len(s.byKey))
		}
	}
	w.heard()
	w.see(1, denied)
	w.hears("admin_denials")
	w.see(1, wrongPassword) // forgotten by now
	w.hears("")
	w.see(19, wrongPassword)
	w.hears("failures_per_address 203.0.113.7")
}
