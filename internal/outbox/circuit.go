package outbox

import (
	"cmp"
	"slices"
	"time"
)

const (
	circuitLast    = 10 // outcomes that a circuit looks back on
	circuitFails   = 5  // failures among them that open it
	circuitPause   = 30 * time.Second
	circuitLongest = 10 * time.Minute
	circuitSettles = time.Minute // closed for so long, it is restored
	probeBound     = 30 * time.Second
)

// CircuitState is a way that is or was shut: by failures, or because the provider
// asked for a pause.
type CircuitState struct {
	Provider string
	Country  string // "": all countries
	Open     bool
	Until    time.Time // of an open one: no message goes by it before then, while there is another
}

// circuit keeps messages from a way that fails: open after circuitFails failures
// of the last circuitLast outcomes. From until on, one message at a time tries
// it: taken, it closes; else it stays open for twice as long.
type circuit struct {
	failed [circuitLast]bool // a ring of the last outcomes
	seen   int

	open   bool
	opened time.Time
	until  time.Time
	pause  time.Duration // of the last opening; zero once it is restored
	probe  time.Time     // when a message went out whose end is not known; zero: none

	lost     bool // it was told that it opened, and not yet that it closed
	closedAt time.Time
}

// opens is when a message may go; zero: at once.
func (c *circuit) opens(now time.Time) time.Time {
	switch {
	case !c.open:
		return time.Time{}
	case now.Before(c.until):
		return c.until
	case !c.probe.IsZero() && now.Before(c.probe.Add(probeBound)):
		return c.probe.Add(probeBound)
	}
	return time.Time{}
}

// begin notes that a message goes by it.
func (c *circuit) begin(now time.Time) {
	if c.open && !now.Before(c.until) {
		c.probe = now
	}
}

// end notes how a message went that began then. Of what began before it opened
// nothing is learnt any more. It tells whether it opened.
func (c *circuit) end(began, now time.Time, failed bool) bool {
	switch {
	case !c.open:
		c.failed[c.seen%circuitLast] = failed
		c.seen++
		if failed && c.fails() >= circuitFails {
			return c.shut(now)
		}
	case began.Before(c.opened):
	case !failed:
		c.open, c.probe, c.closedAt = false, time.Time{}, now
		c.failed, c.seen = [circuitLast]bool{}, 0
	case !now.Before(c.until):
		return c.shut(now)
	}
	return false
}

func (c *circuit) fails() (n int) {
	for _, failed := range c.failed {
		if failed {
			n++
		}
	}
	return n
}

// shut opens it, for twice as long as the last time unless it was restored since.
// It tells whether that is news.
func (c *circuit) shut(now time.Time) bool {
	c.open, c.opened, c.probe = true, now, time.Time{}
	c.pause = min(circuitLongest, max(circuitPause, 2*c.pause))
	c.until = now.Add(c.pause)
	news := !c.lost
	c.lost = true
	return news
}

// restored tells, once, that it has been closed for long enough to be trusted.
func (c *circuit) restored(now time.Time) bool {
	if c.open || !c.lost || now.Sub(c.closedAt) < circuitSettles {
		return false
	}
	c.lost, c.pause = false, 0
	return true
}

// way names a circuit.
type way struct {
	provider string
	country  string // "": all of the provider's; nowhere: numbers of no country
}

// nowhere stands for the country of numbers that have none.
const nowhere = "ZZ"

// circuits are those of all providers, each by country and as a whole; and until
// when a provider asked to be left alone. There are no more than providers times
// countries.
type circuits struct {
	of        map[way]*circuit
	throttled map[string]time.Time
}

func newCircuits() circuits {
	return circuits{of: map[way]*circuit{}, throttled: map[string]time.Time{}}
}

func (c circuits) at(w way) *circuit {
	if c.of[w] == nil {
		c.of[w] = &circuit{}
	}
	return c.of[w]
}

// opens is when a message may go that way, as its circuits say; zero: at once.
func (c circuits) opens(w way, now time.Time) time.Time {
	one, all := c.at(w).opens(now), c.at(way{provider: w.provider}).opens(now)
	if all.After(one) {
		return all
	}
	return one
}

// pauses is until when the provider asked to be left alone; zero: it did not.
func (c circuits) pauses(provider string, now time.Time) time.Time {
	if until := c.throttled[provider]; now.Before(until) {
		return until
	}
	return time.Time{}
}

func (c circuits) begin(w way, now time.Time) {
	c.at(w).begin(now)
	c.at(way{provider: w.provider}).begin(now)
}

// ended notes how a message went. It gives the circuit that opened, if it is news.
func (c circuits) ended(w way, began, now time.Time, failed bool) (opened []way) {
	if c.at(w).end(began, now, failed) {
		opened = append(opened, w)
	}
	if all := c.at(way{provider: w.provider}); all.open {
		all.end(began, now, failed)
	}
	return opened
}

// alarm shuts a provider for all countries: an operator has to act.
func (c circuits) alarm(provider string, began, now time.Time) (opened []way) {
	w := way{provider: provider}
	if all := c.at(w); !all.open || !began.Before(all.opened) && !now.Before(all.until) {
		if all.shut(now) {
			opened = append(opened, w)
		}
	}
	return opened
}

// restored gives the ways that are open again for good, each once.
func (c circuits) restored(now time.Time) (all []way) {
	for w, each := range c.of {
		if each.restored(now) {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, way.compare)
	return all
}

// states gives what is not as it should be, and what was and is told as lost.
func (c circuits) states(now time.Time) (all []CircuitState) {
	for w, each := range c.of {
		if each.open || each.lost {
			all = append(all, CircuitState{Provider: w.provider, Country: w.country, Open: each.open, Until: each.until})
		}
	}
	for provider, until := range c.throttled {
		if now.Before(until) && !c.at(way{provider: provider}).lost {
			all = append(all, CircuitState{Provider: provider, Open: true, Until: until})
		}
	}
	slices.SortFunc(all, func(a, b CircuitState) int {
		return way{a.Provider, a.Country}.compare(way{b.Provider, b.Country})
	})
	return all
}

func (w way) compare(o way) int {
	return cmp.Or(cmp.Compare(w.provider, o.provider), cmp.Compare(w.country, o.country))
}
