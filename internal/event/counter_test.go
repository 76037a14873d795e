package event

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestC79CounterCountsByMinuteAndSeries(t *testing.T) {
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.TimeOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	now := at("10:02:30")
	c := NewCounter(func() time.Time { return now }, nil)
	wrong := Event{Name: FailedLogin, Outcome: Failure, Method: "password", Reason: "wrong_password"}
	in := func(id, s string, e Event) Event {
		e.ID, e.Time = id, at(s)
		return e
	}
	write(t, c,
		in("a", "10:00:00", wrong), in("b", "10:00:59", wrong), in("b", "10:00:59", wrong), in("c", "10:01:00", wrong),
		in("d", "10:01:00", Event{Name: TokenRefreshed, Outcome: Success}),
		in("e", "10:59:00", Event{Name: RateLimited, Outcome: Failure, Reason: "send_prefix"}), // of a clock that is ahead
		Event{ID: "f", Name: Logout, Outcome: Success, Reason: "because I could"},
	)
	taken := c.Take()
	slices.SortFunc(taken, func(a, b Rollup) int {
		if order := a.Minute.Compare(b.Minute); order != 0 {
			return order
		}
		return strings.Compare(string(a.Series.Name), string(b.Series.Name))
	})
	want := []Rollup{
		{at("10:00:00"), SeriesOf(wrong, nil), 2},
		{at("10:01:00"), SeriesOf(wrong, nil), 1},
		{at("10:01:00"), Series{Name: TokenRefreshed, Outcome: Success}, 1},
		{at("10:02:00"), Series{Name: Logout, Outcome: Success, Reason: OtherReason}, 1},
		{at("10:02:00"), Series{Name: RateLimited, Outcome: Failure, Reason: "send_prefix"}, 1},
	}
	if diff := cmp.Diff(want, taken); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if again := c.Take(); len(again) != 0 {
		t.Errorf("taken twice: %+v", again)
	}
	write(t, c, in("a", "10:00:00", wrong))
	if again := c.Take(); len(again) != 0 {
		t.Errorf("an event that came again after a Take was counted: %+v", again)
	}
}

// refusing is a sink that takes nothing.
type refusing struct{ err error }

func (refusing) Name() string                                   { return "refusing" }
func (r refusing) Write(context.Context, []Event) (Head, error) { return Head{File: "x"}, r.err }
func (r refusing) Close() error                                 { return r.err }

func TestTeeGivesAllToAll(t *testing.T) {
	clock := func() time.Time { return time.Date(2026, 11, 24, 7, 20, 31, 0, time.UTC) }
	first, last, broken := NewCounter(clock, nil), NewCounter(clock, nil), errors.New("broken")
	both := Tee("watch", first, refusing{broken}, last)
	if both.Name() != "watch" {
		t.Errorf("its name is %q", both.Name())
	}
	batch := []Event{{ID: "a", Name: Logout}, {ID: "b", Name: Logout}}
	head, err := both.Write(t.Context(), batch)
	if !errors.Is(err, broken) || head != (Head{}) {
		t.Errorf("Write gave %+v, %v", head, err)
	}
	for i, c := range []*Counter{first, last} {
		if taken := c.Take(); len(taken) != 1 || taken[0].N != 2 {
			t.Errorf("counter %d has %+v", i, taken)
		}
	}
	if err := both.Close(); !errors.Is(err, broken) {
		t.Errorf("Close gave %v", err)
	}
	write(t, Tee("watch", first, last), batch...)
}

func TestRecentForgetsTheOldest(t *testing.T) {
	var r recent
	id := func(n int) string { return string(rune('a'+n%26)) + time.Duration(n).String() }
	for n := range 3 * recentIDs {
		if r.again(id(n)) {
			t.Fatalf("%d is new", n)
		}
	}
	if len(r.seen) > recentIDs {
		t.Errorf("it remembers %d", len(r.seen))
	}
	if !r.again(id(2 * recentIDs)) {
		t.Error("one of the last ids was forgotten")
	}
	if r.again(id(2*recentIDs - 1)) {
		t.Error("one too many is remembered")
	}
}
