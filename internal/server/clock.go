package server

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// clockJitter is what no clock is put right for: networks and processes that
	// wait their turn make as much.
	clockJitter = 50 * time.Millisecond

	// clockWrong is what an operator is told of.
	clockWrong = time.Second
)

// clock is the time of an instance: its machine's and, over a shared database, what
// that lacks of the database's. So leases, waits and expiries mean the same time to
// all instances, whatever their machines' clocks say.
//
// A correction is made at once, backwards too, as where a machine's own clock is
// set: to go on slowly until it is right would keep wrong what two instances decide.
// The first one comes before an instance serves, and the machines' clocks drift by
// less than clockJitter between two looks; later ones come where a machine's clock
// was set, and then lead back to the time that went before. What stays in order
// whatever the clock does has a count for it: sessions, positions of events, ids of
// one millisecond.
type clock struct {
	machine func() time.Time
	given   bool // the machine's is right
	log     *slog.Logger

	mu    sync.Mutex
	lacks time.Duration
	told  bool // that it is wrong
}

// now is the time.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.machine().Add(c.lacks)
}

// learn puts the clock right by the database's, which was read between two times of
// the machine's, and tells whether that changed it. Where in between is not known:
// a difference that half of it explains is none.
func (c *clock) learn(before, after, database time.Time) (changed bool) {
	if c.given || database.IsZero() {
		return false
	}
	half := after.Sub(before) / 2
	lacks := database.Sub(before.Add(half))
	c.mu.Lock()
	defer c.mu.Unlock()
	if (lacks - c.lacks).Abs() > max(half, clockJitter) {
		c.lacks, changed = lacks, true
	}
	wrong := c.lacks.Abs() > clockWrong
	if wrong && !c.told {
		c.log.Warn("this machine's clock differs from the database's, whose time is taken: run NTP on both", "differs", c.lacks.Round(time.Millisecond))
	}
	c.told = wrong
	return changed
}

// warning tells that the machine's clock is wrong; "" where it is not.
func (c *clock) warning() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lacks.Abs() <= clockWrong {
		return ""
	}
	return fmt.Sprintf("this machine's clock differs from the database's by %v", c.lacks.Abs().Round(time.Second))
}
