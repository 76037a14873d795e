package outbox

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/gateway"
)

// router chooses routes. It keeps no time of its own and starts nothing: the same
// calls give the same choices.
//
// The candidates of a message are the routes of its channel whose countries and
// prefixes fit its number and which have not refused it for good. Those count that
// are best by, in this order: the circuit is closed, it has not failed for this
// message, no earlier message of the challenge went by it, it is not full, its
// prefix fits longest, its weight is not 0. Among these the order of the list
// decides, or what was learnt.
type router struct {
	routing Routing
	routes  []Route
	most    int // messages that one provider may have in hand

	mu       sync.Mutex // guards what follows
	circuits circuits
	shares   shares
	inHand   map[string]int // by provider
	widths   map[string]int // of those that asked for a pause: how many they may have, growing with each that is taken
}

func newRouter(routes []Route, routing Routing, most int) *router {
	return &router{
		routing: cmp.Or(routing, Learn), routes: routes, most: most,
		circuits: newCircuits(), shares: shares{}, inHand: map[string]int{}, widths: map[string]int{},
	}
}

// width is how many messages a provider may have in hand.
func (r *router) width(provider string) int {
	if width, ok := r.widths[provider]; ok {
		return width
	}
	return r.most
}

// choose finds the route for a message's next try.
func (r *router) choose(w want) choice {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.candidates(w)
	if len(all) == 0 {
		return choice{why: "none for " + w.place()}
	}
	if c, ok := cutOff(all, w); ok {
		return c.chosen("again, since a crash cut its last try off")
	}
	slices.SortStableFunc(all, candidate.compare)
	leading := 1
	for leading < len(all) && all[leading].compare(all[0]) == 0 {
		leading++
	}
	best, why := r.pick(all[:leading], w)
	return best.chosen(why + against(all, best, w))
}

// candidates are the routes for a message but those that refused it for good.
func (r *router) candidates(w want) (all []candidate) {
	for i := range r.routes {
		route := &r.routes[i]
		fits, ok := route.fits(w)
		if !ok {
			continue
		}
		c := candidate{route: route, place: i, name: route.Sender.Name(), price: route.price(w), fits: fits}
		if c.failed, ok = lookBack(c.name, w.attempts); !ok {
			continue
		}
		c.before = slices.Contains(w.before, c.name)
		c.full = r.inHand[c.name] >= r.width(c.name)
		c.opens = r.circuits.opens(w.way(c.name), w.now)
		c.pauses = r.circuits.pauses(c.name, w.now)
		if r.routing == Learn {
			c.share = r.shares.of(c.name, w)
		}
		all = append(all, c)
	}
	return all
}

// begin notes that a message goes by a provider, until end.
func (r *router) begin(w want, provider string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inHand[provider]++
	r.circuits.begin(w.way(provider), w.now)
}

// letGo takes back that a message goes by a provider.
func (r *router) letGo(provider string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inHand[provider]--
}

// end notes how a message went that began at w.now: failure is nil for one that
// was taken. It gives the ways that are shut from now on, each of them once.
func (r *router) end(w want, provider string, failure *gateway.SendError, now time.Time) (shut []way) {
	r.mu.Lock()
	defer r.mu.Unlock()
	width, had := r.width(provider), r.inHand[provider]
	r.inHand[provider]--
	if failure == nil {
		r.widths[provider] = min(r.most, width+1)
		return r.circuits.ended(w.way(provider), w.now, now, false)
	}
	switch {
	case failure.Class == gateway.Final: // the number's fault: it says nothing of the provider
		return r.circuits.ended(w.way(provider), w.now, now, false)
	case failure.Class == gateway.Retry && failure.RetryAfter > 0:
		if r.circuits.pauses(provider, now).IsZero() { // the first to be told
			r.widths[provider] = max(1, min(width, had)/2)
		}
		r.circuits.throttled[provider] = now.Add(failure.RetryAfter)
		return nil
	case failure.Class == gateway.Failover && failure.Alarm:
		return r.circuits.alarm(provider, w.now, now)
	}
	return r.circuits.ended(w.way(provider), w.now, now, true)
}

// receipt notes what a provider told of a message that it took.
func (r *router) receipt(provider, country string, failed bool, now time.Time) (shut []way) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.routes, func(route Route) bool { return route.Sender.Name() == provider }) {
		return nil
	}
	w := way{provider: provider, country: cmp.Or(country, nowhere)}
	if c := r.circuits.at(w); c.open { // of what went before
		return nil
	}
	return r.circuits.ended(w, now, now, failed)
}

// rests is until when every provider asked to be left alone; zero: not all did.
func (r *router) rests(now time.Time) (first time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, route := range r.routes {
		until := r.circuits.pauses(route.Sender.Name(), now)
		if until.IsZero() {
			return time.Time{}
		}
		if first.IsZero() || until.Before(first) {
			first = until
		}
	}
	return first
}

// room is how many more messages the providers take now, all together.
func (r *router) room() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.routes) == 0 {
		return r.most // to be told that there is none
	}
	for _, route := range r.routes {
		name := route.Sender.Name()
		n += max(0, r.width(name)-r.inHand[name])
	}
	return n
}

// learns tells whether anything is to be learnt: with one route there is no choice.
func (r *router) learns() bool { return r.routing == Learn && len(r.routes) > 1 }

// learnt replaces what is known of the providers.
func (r *router) learnt(s shares) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shares = s
}

// restored gives the ways that are open again for good, each of them once.
func (r *router) restored(now time.Time) []way {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.circuits.restored(now)
}

// states gives the circuits that are or were open, and who asked for a pause.
func (r *router) states(now time.Time) []CircuitState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.circuits.states(now)
}
