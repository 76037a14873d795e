package outbox

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/phone"
)

// Route is a provider, and for whom it may be used.
type Route struct {
	Sender    gateway.Sender
	Countries []string // ISO 3166-1 alpha-2; none: all
	Prefixes  []string // beginnings of numbers ("+49151"), within Countries; none: all

	// Weight shares out messages among routes of equal worth and price. Zero: only
	// where no other route is usable.
	Weight int
	Prices core.Prices // of a segment; nil: not known, what is reserved for a message counts
}

// Routing is how a route is chosen.
type Routing string

// The ways to choose.
const (
	Learn Routing = "learn" // by the share of codes entered, then by price
	Fixed Routing = "fixed" // by the order of the list
)

const (
	equalWithin  = 0.05 // shares so near to the best are as good
	exploreOne   = 20   // one message of so many tries another provider than the chosen one
	exploreWorst = 200  // and one of so many also one that is known to be bad
	worstBelow   = 0.5  // of the best share: bad
	worstKnown   = 20   // messages that make it known
)

// want is a message that looks for its way.
type want struct {
	id        string
	channel   core.Channel
	country   string
	to        phone.Number
	prefixKey string
	segments  int
	reserved  core.Money // for one try
	attempts  []core.Attempt
	before    []string
	now       time.Time
}

// choice is what the router found.
type choice struct {
	route *Route // nil: no provider is left for this message
	price core.Money
	why   string // for operators; without personal data

	failed bool      // this message has failed by it before: it needs a rest
	opens  time.Time // when its circuit lets messages through; zero: it does
	pauses time.Time // until when it asked to be left alone; zero: it did not
	full   bool      // it has as many messages in hand as it may have
}

// candidate is a route that may take a message, and what speaks against it.
type candidate struct {
	route  *Route
	place  int // in the list
	name   string
	price  core.Money
	share  share
	opens  time.Time // of its circuit
	pauses time.Time
	failed bool
	before bool
	full   bool
	fits   int // length of the prefix that fits
}

// fits tells whether a route is for such messages, and by how long a prefix.
func (r *Route) fits(w want) (longest int, ok bool) {
	if core.Channel(r.Sender.Channel()) != w.channel || len(r.Countries) > 0 && !slices.Contains(r.Countries, w.country) {
		return 0, false
	}
	for _, prefix := range r.Prefixes {
		if strings.HasPrefix(w.to.E164(), prefix) {
			longest = max(longest, len(prefix))
		}
	}
	return longest, longest > 0 || len(r.Prefixes) == 0
}

// price is what a message costs by a route.
func (r *Route) price(w want) core.Money {
	if r.Prices == nil {
		return w.reserved
	}
	return core.Money(w.segments) * r.Prices.Segment(w.to, w.country)
}

// lookBack tells whether a message has failed by a provider before, and whether
// that leaves it usable.
func lookBack(provider string, attempts []core.Attempt) (failed, usable bool) {
	for _, a := range attempts {
		if a.Provider != provider {
			continue
		}
		switch gateway.Class(a.Failure) {
		case gateway.Failover, gateway.Final:
			return true, false
		}
		failed = true // it did not take it, or lost it: else it would not be sent again
	}
	return failed, true
}

// cutOff finds the provider by which a message was being sent when a crash cut
// that off: if it drops repeats by their id, nobody gets the code twice.
func cutOff(all []candidate, w want) (candidate, bool) {
	if !isLost(w.attempts) {
		return candidate{}, false
	}
	last := w.attempts[len(w.attempts)-1].Provider
	i := slices.IndexFunc(all, func(c candidate) bool { return c.name == last })
	if i < 0 || !all[i].closed() {
		return candidate{}, false
	}
	return all[i], true
}

// isLost tells that the end of a message's last try is not known: no answer came,
// and no receipt said that it failed.
func isLost(attempts []core.Attempt) bool {
	return len(attempts) > 0 && attempts[len(attempts)-1].Lost()
}

// closed tells that nothing keeps messages from it.
func (c candidate) closed() bool { return c.opens.IsZero() && c.pauses.IsZero() }

// compare puts the more usable first; of those that are shut, what opens first.
func (c candidate) compare(o candidate) int {
	return cmp.Or(
		c.shut().Compare(o.shut()), down(o.failed, c.failed), down(o.before, c.before), down(o.full, c.full),
		-cmp.Compare(c.fits, o.fits), down(o.route.Weight == 0, c.route.Weight == 0),
	)
}

// shut is until when it is; zero: not at all.
func (c candidate) shut() time.Time {
	if c.pauses.After(c.opens) {
		return c.pauses
	}
	return c.opens
}

// down is -1 where only the first is.
func down(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (c candidate) chosen(why string) choice {
	return choice{route: c.route, price: c.price, why: why, failed: c.failed, opens: c.opens, pauses: c.pauses, full: c.full}
}

// way names the circuit that a message takes.
func (w want) way(provider string) way {
	return way{provider: provider, country: cmp.Or(w.country, nowhere)}
}

// place says for whom a message is.
func (w want) place() string {
	return string(w.channel) + " to " + cmp.Or(w.country, "no known country")
}

// chance is a number made of a message's id and a word: the same for the same
// message, evenly spread over all.
func (w want) chance(word string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(word))
	h.Write([]byte(w.id))
	x := h.Sum64() // its low bits hardly mix
	x ^= x >> 32
	x *= 0x9e3779b97f4a7c15
	return x ^ x>>29
}
