package outbox

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/phone"
)

// named is a provider that only has a name.
type named struct {
	name    string
	channel gateway.Channel
}

func (n named) Name() string             { return n.name }
func (n named) Kind() string             { return "named" }
func (n named) Channel() gateway.Channel { return n.channel }
func (n named) Close() error             { return nil }

func (n named) Check(context.Context) []gateway.Finding { return nil }

func (n named) Receipts(context.Context, gateway.Callback) ([]gateway.Receipt, error) {
	return nil, gateway.ErrNoReceipts
}

func (n named) Send(context.Context, gateway.Message) (gateway.Sent, error) {
	panic("a router sends nothing")
}

func by(name string, more ...func(*Route)) Route {
	r := Route{Sender: named{name, gateway.SMS}, Weight: 1}
	for _, f := range more {
		f(&r)
	}
	return r
}

func in(countries ...string) func(*Route) { return func(r *Route) { r.Countries = countries } }
func of(prefixes ...string) func(*Route)  { return func(r *Route) { r.Prefixes = prefixes } }
func weighs(n int) func(*Route)           { return func(r *Route) { r.Weight = n } }
func costs(m core.Money) func(*Route) {
	return func(r *Route) { r.Prices = core.Prices{"*": m} }
}

func over(c gateway.Channel) func(*Route) {
	return func(r *Route) { r.Sender = named{r.Sender.Name(), c} }
}

// message is one to Germany, at noon.
func message(t *testing.T, more ...func(*want)) want {
	t.Helper()
	to, err := phone.FromE164("+4915112345678")
	if err != nil {
		t.Fatal(err)
	}
	w := want{id: "message-1", channel: core.ChannelSMS, country: "DE", to: to, prefixKey: "key", segments: 1, now: noon}
	for _, f := range more {
		f(&w)
	}
	return w
}

func tried(provider string, class gateway.Class) func(*want) {
	return func(w *want) {
		w.attempts = append(w.attempts, core.Attempt{Provider: provider, BeganAt: noon, EndedAt: noon, Failure: string(class)})
	}
}

func lost(provider string) func(*want) {
	return func(w *want) { w.attempts = append(w.attempts, core.Attempt{Provider: provider, BeganAt: noon}) }
}

// failedBeforeAnswer is a try whose receipt came while the provider's answer was
// waited for.
func failedBeforeAnswer(provider string) func(*want) {
	return func(w *want) {
		w.attempts = append(w.attempts, core.Attempt{
			Provider: provider, BeganAt: noon, States: []core.AttemptState{{State: core.DeliveryUndelivered, At: noon}},
		})
	}
}

func after(providers ...string) func(*want) { return func(w *want) { w.before = providers } }

// shuts opens the circuit of a provider to Germany.
func shuts(r *router, provider string, times int) {
	for range circuitFails {
		r.circuits.ended(way{provider, "DE"}, noon, noon, true)
	}
	for range times - 1 {
		c := r.circuits.at(way{provider, "DE"})
		c.end(c.until, c.until, true)
	}
}

func TestCandidates(t *testing.T) {
	a, b, c := by("a"), by("b"), by("c")
	for name, test := range map[string]struct {
		routes []Route
		want   []func(*want)
		before func(*router)
		chosen string
		why    string
	}{
		"the first": {routes: []Route{a, b}, chosen: "a", why: "fixed order"},
		"another channel": {
			routes: []Route{by("a", over(gateway.Voice)), b}, chosen: "b", why: "only one for sms to DE",
		},
		"another country":       {routes: []Route{by("a", in("FR", "IT")), by("b", in("AT", "DE"))}, chosen: "b", why: "only one for sms to DE"},
		"another prefix":        {routes: []Route{by("a", of("+49152", "+4930")), b}, chosen: "b", why: "only one"},
		"the longest prefix":    {routes: []Route{a, by("b", of("+49")), by("c", of("+4915"))}, chosen: "c", why: "only one"},
		"prefix within country": {routes: []Route{by("a", in("FR"), of("+4915")), b}, chosen: "b", why: "only one"},
		"none":                  {routes: []Route{by("a", in("FR"))}, why: "none for sms to DE"},
		"weight 0 is for want of better": {
			routes: []Route{by("a", weighs(0)), b}, chosen: "b", why: "only one",
		},
		"weight 0 for want of better": {
			routes: []Route{by("a", weighs(0)), b}, want: []func(*want){tried("b", gateway.Failover)}, chosen: "a", why: "only one",
		},
		"refused for good": {routes: []Route{a}, want: []func(*want){tried("a", gateway.Failover)}, why: "none"},
		"refused for good, and tried since": {
			routes: []Route{a, b}, want: []func(*want){tried("a", gateway.Failover), tried("b", gateway.Retry)}, chosen: "b", why: "still, b did not take it before",
		},
		"another after a failure": {
			routes: []Route{a, b}, want: []func(*want){tried("a", gateway.Retry)}, chosen: "b", why: "a did not take it before",
		},
		"another after an unclear end": {
			routes: []Route{a, b}, want: []func(*want){tried("a", gateway.Ambiguous)}, chosen: "b", why: "a did not take it before",
		},
		"the same where there is no other": {routes: []Route{a}, want: []func(*want){tried("a", gateway.Retry)}, chosen: "a", why: "still"},
		"another at a resend": {
			routes: []Route{a, b}, want: []func(*want){after("a")}, chosen: "b", why: "an earlier message of it went by a",
		},
		"the same at a resend where there is no other": {routes: []Route{a}, want: []func(*want){after("a")}, chosen: "a", why: "still"},
		"rather that of an earlier message than what failed": {
			routes: []Route{a, b}, want: []func(*want){after("b"), tried("a", gateway.Retry)}, chosen: "b", why: "",
		},
		"the same after a crash": {
			routes: []Route{a, b, c}, want: []func(*want){lost("b")}, chosen: "b", why: "again, since a crash cut its last try off",
		},
		"another after a crash where its circuit is open": {
			routes: []Route{a, b}, want: []func(*want){lost("a")}, before: func(r *router) { shuts(r, "a", 1) }, chosen: "b", why: "circuit of a open for DE",
		},
		"one that was lost long ago is no crash": {
			routes: []Route{a, b}, want: []func(*want){lost("a"), tried("b", gateway.Failover)}, chosen: "a", why: "",
		},
		"another where a receipt said, before any answer, that it failed": {
			routes: []Route{a, b}, want: []func(*want){failedBeforeAnswer("a")}, chosen: "b", why: "a did not take it before",
		},
		"an open circuit": {
			routes: []Route{a, b}, before: func(r *router) { shuts(r, "a", 1) }, chosen: "b",
			why: "only one for sms to DE; circuit of a open for DE until 12:00:30",
		},
		"all open: what opens first": {
			routes: []Route{a, b, c}, before: func(r *router) { shuts(r, "a", 3); shuts(r, "b", 1); shuts(r, "c", 2) }, chosen: "b", why: "still, circuit of b",
		},
		"rather one that failed than an open circuit": {
			routes: []Route{a, b}, want: []func(*want){tried("b", gateway.Retry)}, before: func(r *router) { shuts(r, "a", 1) }, chosen: "b", why: "",
		},
		"one that asked for a pause": {
			routes: []Route{a, b}, before: func(r *router) { r.circuits.throttled["a"] = at(7) }, chosen: "b", why: "a asked for a pause until 12:00:07",
		},
		"one that has its hands full": {
			routes: []Route{a, b}, before: func(r *router) { r.inHand["a"] = r.most }, chosen: "b", why: "a has all that it can take at a time",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(test.routes, Fixed, 4)
			if test.before != nil {
				test.before(r)
			}
			got := r.choose(message(t, test.want...))
			name := ""
			if got.route != nil {
				name = got.route.Sender.Name()
			}
			if name != test.chosen || !strings.Contains(got.why, test.why) {
				t.Errorf("chose %q: %s", name, got.why)
			}
		})
	}
}

// What is chosen tells what has to be known of it: that it may have to rest.
func TestChoiceTellsWhatToWaitFor(t *testing.T) {
	r := newRouter([]Route{by("a")}, Learn, 4)
	if got := r.choose(message(t, tried("a", gateway.Retry))); !got.failed || !got.opens.IsZero() || got.full {
		t.Errorf("%+v", got)
	}
	shuts(r, "a", 1)
	r.circuits.throttled["a"], r.inHand["a"] = at(5), 4
	if got := r.choose(message(t)); got.failed || !got.opens.Equal(at(30)) || !got.pauses.Equal(at(5)) || !got.full {
		t.Errorf("%+v", got)
	}
	if got := r.rests(noon); !got.Equal(at(5)) {
		t.Errorf("rests until %v", got)
	}
	r.routes = append(r.routes, by("b"))
	if got := r.rests(noon); !got.IsZero() {
		t.Errorf("rests until %v, though there is another", got)
	}
}

func TestAnswersMoveCircuits(t *testing.T) {
	retry := &gateway.SendError{Class: gateway.Retry}
	for name, test := range map[string]struct {
		failure *gateway.SendError
		opens   bool
		pauses  bool
	}{
		"taken":       {nil, false, false},
		"final":       {&gateway.SendError{Class: gateway.Final}, false, false},
		"retry":       {retry, true, false},
		"ambiguous":   {&gateway.SendError{Class: gateway.Ambiguous}, true, false},
		"failover":    {&gateway.SendError{Class: gateway.Failover}, true, false},
		"credentials": {&gateway.SendError{Class: gateway.Failover, Alarm: true}, true, false},
		"throttled":   {&gateway.SendError{Class: gateway.Retry, RetryAfter: 20 * time.Second}, false, true},
	} {
		r := newRouter([]Route{by("a")}, Learn, 100)
		w, told := message(t), 0
		for range 10 {
			r.begin(w, "a")
			told += len(r.end(w, "a", test.failure, noon))
		}
		got := r.choose(w)
		if got.opens.IsZero() == test.opens || got.pauses.IsZero() == test.pauses || r.inHand["a"] != 0 {
			t.Errorf("%s: %+v, %d in hand", name, got, r.inHand["a"])
		}
		if (told == 1) != test.opens {
			t.Errorf("%s: told %d times", name, told)
		}
	}
	r := newRouter([]Route{by("a")}, Learn, 100)
	for range circuitFails {
		r.receipt("a", "DE", true, noon)
		r.receipt("stranger", "DE", true, noon)
	}
	if got := r.states(noon); fmt.Sprint(got) != fmt.Sprint([]CircuitState{{Provider: "a", Country: "DE", Open: true, Until: at(30)}}) {
		t.Errorf("after receipts: %v", got)
	}
}
