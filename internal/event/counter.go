package event

import (
	"context"
	"sync"
	"time"
)

// Counter counts events by minute and series until somebody takes the counts:
// the sink "counter". What is not taken is lost with the process.
type Counter struct {
	now       func() time.Time
	providers Providers
	mu        sync.Mutex
	recent    recent
	counts    map[slot]int64
}

type slot struct {
	minute time.Time
	series Series
}

// NewCounter makes a counter that has counted nothing.
func NewCounter(now func() time.Time, providers Providers) *Counter {
	return &Counter{now: now, providers: providers, counts: map[slot]int64{}}
}

// Name is "counter".
func (c *Counter) Name() string { return "counter" }

// Write counts the events, each in the minute in which it happened. It never
// errs.
func (c *Counter) Write(_ context.Context, events []Event) (Head, error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range events {
		if !c.recent.again(e.ID) {
			c.counts[slot{happened(e, now).UTC().Truncate(time.Minute), SeriesOf(e, c.providers)}]++
		}
	}
	return Head{}, nil
}

// Take gives what was counted since the last Take, in no order, and forgets it.
func (c *Counter) Take() []Rollup {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := make([]Rollup, 0, len(c.counts))
	for s, n := range c.counts {
		taken = append(taken, Rollup{Minute: s.minute, Series: s.series, N: n})
	}
	clear(c.counts)
	return taken
}

// Close does nothing.
func (c *Counter) Close() error { return nil }

// happened is when an event was, never later than now: another instance's
// clock may be ahead.
func happened(e Event, now time.Time) time.Time {
	if e.Time.IsZero() || e.Time.After(now) {
		return now
	}
	return e.Time
}
