package outbox_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/outbox"
)

// two gives the bench two providers, a before b.
func (b *bench) two() (first, second *sender) {
	first, second = &sender{name: "a"}, &sender{name: "b"}
	b.routes = []outbox.Route{{Sender: first, Weight: 1}, {Sender: second, Weight: 1}}
	b.fixed = outbox.Fixed
	return first, second
}

func fails(class gateway.Class) func(gateway.Message) error {
	return func(gateway.Message) error {
		return &gateway.SendError{Class: class, Code: "30008", Cause: errors.New("as the test has it")}
	}
}

// What one provider does not take goes to another at once; what none can deliver
// goes nowhere else.
func TestWhatOneProviderDoesNotTakeAnotherMay(t *testing.T) {
	for class, test := range map[gateway.Class]struct{ went, told string }{
		gateway.Retry:     {"a retry, b taken", "provider_unavailable"},
		gateway.Failover:  {"a failover, b taken", "refused"},
		gateway.Ambiguous: {"a ambiguous, b taken", "ambiguous"},
		gateway.Final:     {"a final", "refused"},
	} {
		inBubble(t, func(b *bench) {
			sink := &memory{name: "memory"}
			b.sinks, b.poll = []event.Sink{sink}, time.Hour
			first, second := b.two()
			first.answers(fails(class))
			b.run()
			start := time.Now()
			b.begin(10*time.Minute, "")
			if got := b.went(); got != test.went || time.Since(start) != 0 {
				t.Errorf("%s: went by %s, in %v", class, got, time.Since(start))
			}
			if got := sink.seen(event.SMSSendFailed); got != test.told {
				t.Errorf("%s: told %s", class, got)
			}
			for _, e := range sink.got {
				if e.Name == event.SMSSendFailed && (e.Attributes["provider"] != "a" || e.Attributes["code"] != "30008" || e.Attributes["will_retry"] != (class != gateway.Final)) {
					t.Errorf("%s: told %s", class, event.Encode(e))
				}
			}
			if m := b.newest(); m.Attempts[0].Why != "fixed order" || m.Attempts[0].Code != "30008" {
				t.Errorf("%s: kept %+v", class, m.Attempts)
			}
			if class != gateway.Final && (len(second.sent) != 1 || second.sent[0].ID != first.sent[0].ID) {
				t.Errorf("%s: the other got %v", class, second.sent)
			}
		})
	}
}

// C-51: in all, not of each provider.
func TestC51ThreeTriesAtSeveralProviders(t *testing.T) {
	for classes, want := range map[[2]gateway.Class]string{
		{gateway.Retry, gateway.Ambiguous}:    "a retry, b ambiguous, a retry",
		{gateway.Failover, gateway.Retry}:     "a failover, b retry, b retry",
		{gateway.Failover, gateway.Failover}:  "a failover, b failover",
		{gateway.Ambiguous, gateway.Failover}: "a ambiguous, b failover, a ambiguous",
	} {
		inBubble(t, func(b *bench) {
			first, second := b.two()
			first.answers(fails(classes[0]))
			second.answers(fails(classes[1]))
			b.run()
			b.begin(10*time.Minute, "")
			later(time.Minute)
			if got := b.went(); got != want || b.states() != "failed" {
				t.Errorf("%v: went by %s; %s", classes, got, b.states())
			}
		})
	}
}

// Its provider may drop a repeat by its id; another would send a second code.
func TestAfterACrashTheSameProviderIsTakenAgain(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		first, second := b.two()
		first.answers(fails(gateway.Retry)) // so that the second try is b's
		b.run()
		b.store.set(nil, false)
		second.answers(func(gateway.Message) error { b.store.set(nil, true); return nil })
		b.begin(10*time.Minute, "")
		b.end()
		b.store.set(nil, false)
		second.answers(nil)
		b.run()
		later(time.Minute)
		if got := b.went(); got != "a retry, b lost, b taken" || b.states() != "sent" {
			t.Errorf("went by %s; %s", got, b.states())
		}
		if why := b.newest().Attempts[2].Why; why != "again, since a crash cut its last try off" {
			t.Errorf("why: %s", why)
		}
		if got := sink.seen(event.SMSSendFailed); !strings.HasPrefix(got, "provider_unavailable lost") {
			t.Errorf("told: %s", got)
		}
	})
}

// What is sent before the store knows of it is not known after a crash.
func TestTheStoreKnowsBeforeAProviderDoes(t *testing.T) {
	inBubble(t, func(b *bench) {
		known := ""
		b.sender.answers(func(gateway.Message) error { known = b.went(); return nil })
		b.run()
		b.begin(10*time.Minute, "")
		if known != "fake lost" {
			t.Errorf("as it is sent the store knows %q", known)
		}
		b.store.begins(errors.New("disk is full"))
		b.begin(10*time.Minute, "")
		later(10 * time.Second)
		if n := b.sender.count(); n != 1 {
			t.Errorf("sent %d, of which the store knows 1", n)
		}
		if err := b.box.Health(); err == nil || !strings.Contains(err.Error(), "disk is full") {
			t.Errorf("health: %v", err)
		}
		b.store.begins(nil)
		later(time.Minute)
		if n := b.sender.count(); n != 2 || b.states() != "sent sent" {
			t.Errorf("sent %d; %s", n, b.states())
		}
	})
}

func TestNoProviderForACountryIsTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		b.routes = []outbox.Route{{Sender: b.sender, Weight: 1, Countries: []string{"FR"}}}
		b.run()
		b.begin(10*time.Minute, "")
		if got := sink.seen(event.SMSSendFailed); got != "no_provider" || b.states() != "failed" || b.sender.count() != 0 {
			t.Errorf("told %s; %s", got, b.states())
		}
	})
}

// C-60: a decoy's message takes the same steps.
func TestC60AWithheldMessageIsRoutedAndBegun(t *testing.T) {
	inBubble(t, func(b *bench) {
		b.two()
		b.run()
		b.beginIn(core.MessageWithheld, 10*time.Minute, "")
		m := b.newest()
		if len(m.Attempts) != 1 || m.Attempts[0].Provider != "a" || m.Attempts[0].Why != "fixed order" || m.State != core.MessageWithheld {
			t.Errorf("%+v", m)
		}
	})
}

// A provider that takes one message a second and says so: nobody loses a code by
// a burst, since no try is spent on what would be refused.
func TestAThrottlingProviderLosesNothing(t *testing.T) {
	inBubble(t, func(b *bench) {
		var next time.Time
		taken := 0
		b.sender.answers(func(gateway.Message) error {
			b.sender.mu.Lock()
			defer b.sender.mu.Unlock()
			if now := time.Now(); now.Before(next) {
				return &gateway.SendError{Class: gateway.Retry, Code: "429", RetryAfter: time.Until(next)}
			}
			if taken++; taken%20 == 0 {
				next = time.Now().Add(5 * time.Second)
			}
			return nil
		})
		b.run()
		for range 100 {
			b.begin(10*time.Minute, "")
		}
		later(2 * time.Minute)
		if got := strings.Count(b.states(), "sent"); got != 100 {
			t.Errorf("%d of 100 sent: %s", got, b.states())
		}
		if got := b.box.Circuits(); len(got) > 0 {
			t.Errorf("a pause is no failure: %v", got)
		}
	})
}

// A provider that answers slowly does not keep the others from their messages.
func TestASlowProviderHoldsUpNoOther(t *testing.T) {
	inBubble(t, func(b *bench) {
		slow, fast := b.two()
		b.routes[0].Countries, b.routes[1].Countries = []string{"DE"}, []string{"FR"}
		slow.answers(func(gateway.Message) error { time.Sleep(9 * time.Second); return nil })
		b.run()
		for range 200 {
			b.begin(10*time.Minute, "")
		}
		b.beginTo("+33612345678", core.MessageQueued, 10*time.Minute, "")
		if n := fast.count(); n != 1 {
			t.Errorf("the other provider sent %d", n)
		}
		if n := slow.count(); n < 50 || n > 64 {
			t.Errorf("the slow one has %d in hand", n)
		}
		later(5 * time.Minute)
		if got := strings.Count(b.states(), "sent"); got != 100 { // as many as are shown
			t.Errorf("%d sent", got)
		}
		if n := slow.count(); n != 200 {
			t.Errorf("the slow one got %d", n)
		}
	})
}

// An operator reads once that a provider fails, and once that it is back.
func TestAFailingProviderIsTold(t *testing.T) {
	inBubble(t, func(b *bench) {
		sink := &memory{name: "memory"}
		b.sinks = []event.Sink{sink}
		first, second := b.two()
		first.answers(fails(gateway.Retry))
		b.run()
		for range 20 {
			b.begin(10*time.Minute, "")
		}
		if n := first.count(); n != 5 || second.count() != 20 {
			t.Errorf("tried %d times, the other %d", n, second.count())
		}
		if got := b.box.Circuits(); len(got) != 1 || got[0].Provider != "a" || got[0].Country != "DE" || !got[0].Open {
			t.Errorf("circuits: %v", got)
		}
		first.answers(nil)
		later(time.Minute)
		b.begin(10*time.Minute, "")
		later(2 * time.Minute)
		b.begin(10*time.Minute, "")
		if n := first.count(); n != 7 {
			t.Errorf("tried %d times", n)
		}
		var told []string
		for _, e := range sink.got {
			if e.Attributes["part"] == "provider" {
				told = append(told, fmt.Sprint(e.Name, e.Attributes["provider"], e.Attributes["country"]))
			}
		}
		if got := strings.Join(told, " "); got != "dependency_lostaDE dependency_restoredaDE" {
			t.Errorf("told: %s", got)
		}
		if err := b.box.Health(); err != nil {
			t.Error(err)
		}
	})
}

func TestReceiptsMoveTheCircuit(t *testing.T) {
	inBubble(t, func(b *bench) {
		first, second := b.two()
		b.run()
		for range 5 {
			b.box.Receipt("a", "DE", true)
		}
		b.begin(10*time.Minute, "")
		if first.count() != 0 || second.count() != 1 {
			t.Errorf("a got %d, b %d", first.count(), second.count())
		}
	})
}

// What a message costs: as the provider tells in our currency, else by the
// route's prices; nothing where none took it; what was reserved where nobody knows.
func TestWhatATryCosts(t *testing.T) {
	for name, test := range map[string]struct {
		price  *gateway.Price
		parts  int
		prices core.Prices
		answer func(gateway.Message) error
		spent  core.Money
	}{
		"as told":                 {price: &gateway.Price{Amount: 70, Currency: "EUR"}, prices: core.Prices{"*": 50}, spent: 70},
		"told in dollars":         {price: &gateway.Price{Amount: 70, Currency: "USD"}, prices: core.Prices{"*": 50}, spent: 50},
		"told in parts":           {parts: 3, prices: core.Prices{"*": 50}, spent: 150},
		"in more than there are":  {parts: math.MaxInt / 25, prices: core.Prices{"*": 50}, spent: 50},
		"not told":                {prices: core.Prices{"*": 50}, spent: 50},
		"not told and not priced": {spent: 100},
		"refused":                 {prices: core.Prices{"*": 50}, answer: fails(gateway.Final), spent: 0},
		"unclear":                 {prices: core.Prices{"*": 50}, answer: fails(gateway.Ambiguous), spent: 300},
	} {
		inBubble(t, func(b *bench) {
			b.price = 100
			b.sender.price, b.sender.parts = test.price, test.parts
			b.sender.answers(test.answer)
			b.routes = []outbox.Route{{Sender: b.sender, Weight: 1, Prices: test.prices}}
			b.run()
			b.begin(10*time.Minute, "")
			later(time.Minute)
			spent, err := b.store.Spending(b.t.Context(), now())
			var sum core.Money
			for _, each := range spent {
				if each.Country == "DE" {
					sum += each.Hour
				}
			}
			if err != nil || sum != test.spent {
				t.Errorf("%s: spent %d, %v", name, sum, err)
			}
		})
	}
}

// While the store does not answer, what was learnt stays; routes are learnt from
// codes that people entered.
func TestRoutesAreLearntFromTheStore(t *testing.T) {
	inBubble(t, func(b *bench) {
		first, second := b.two()
		b.fixed = outbox.Learn
		b.run()
		for range 200 { // of which none is entered
			b.begin(10*time.Minute, "")
			later(3 * time.Second)
		}
		if n := first.count(); n < 50 || n > 150 {
			t.Errorf("of equals one got %d of 200", n)
		}
		synctest.Wait()
		if why := b.newest().Attempts[0].Why; !strings.Contains(why, "codes entered here") {
			t.Errorf("why: %s", why)
		}
		if first.count()+second.count() != 200 {
			t.Errorf("sent %d", first.count()+second.count())
		}
	})
}
