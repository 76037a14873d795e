package outbox_test

import (
	"context"
	"errors"
	mathrand "math/rand/v2"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/gateway"
)

// verdict is what becomes of a message that is offered to a simulated provider.
type verdict struct {
	fails *gateway.SendError // it is not taken
	hangs bool               // no answer comes; it goes out all the same where reaches
	after time.Duration      // until the answer

	reaches time.Duration // until the phone has it; 0: never

	receipt  time.Duration // until it is told how it went; 0: never
	denied   bool          // the receipt says that it failed
	again    bool          // the receipt comes twice
	disorder bool          // "sent" comes behind the end
}

// script is how a provider behaves at a moment of the day, from 0 to 1.
type script struct {
	name  string
	price core.Money
	told  string // for the page
	plays func(p *played, day float64, country string, chance *mathrand.Rand) verdict
}

// good is a day without trouble: so many reach the phone, within so long.
func good(chance *mathrand.Rand, share float64, soonest, latest time.Duration) verdict {
	v := verdict{after: 300 * time.Millisecond, receipt: 2 * time.Second}
	if chance.Float64() < share {
		v.reaches = soonest + time.Duration(chance.Int64N(int64(latest-soonest)))
	} else if chance.IntN(2) == 0 {
		v.denied = true
	} else {
		v.receipt = 0
	}
	return v
}

func within(day, from, to float64) bool { return from <= day && day < to }

func failing(class gateway.Class, alarm bool) verdict {
	return verdict{after: 300 * time.Millisecond, fails: &gateway.SendError{Class: class, Alarm: alarm, Code: "simulated", Cause: errors.New("as the script has it")}}
}

// weak is the share that comes through in the country that a provider is weak in.
const weak = 0.5

// to is a share by country.
func to(country, weakIn string, share float64) float64 {
	if country == weakIn {
		return weak
	}
	return share
}

// scripts are the five providers, in the order of their prices. No one of them is
// good everywhere and all day.
func scripts() []script {
	return []script{
		{
			name: "alpha", price: 30_000, told: "loses half of what goes to India; from 25% to 40% of the day it takes everything and delivers nothing",
			plays: func(_ *played, day float64, country string, chance *mathrand.Rand) verdict {
				v := good(chance, to(country, "IN", 0.95), 2*time.Second, 8*time.Second)
				if within(day, 0.25, 0.40) {
					v.reaches, v.receipt = 0, 0
				}
				return v
			},
		},
		{
			name: "bravo", price: 40_000, told: "loses half of what goes to the US; drops repeats by their id; receipts come twice and in disorder; from 10% to 20% it answers nothing but errors",
			plays: func(_ *played, day float64, country string, chance *mathrand.Rand) verdict {
				if within(day, 0.10, 0.20) {
					return failing(gateway.Retry, false)
				}
				v := good(chance, to(country, "US", 0.955), 2*time.Second, 8*time.Second)
				v.again, v.disorder = chance.IntN(4) == 0, chance.IntN(4) == 0
				return v
			},
		},
		{
			name: "charlie", price: 50_000, told: "loses half of what goes to France; receipts come after two minutes; from 45% to 52% it answers nothing, and half of that arrives all the same",
			plays: func(_ *played, day float64, country string, chance *mathrand.Rand) verdict {
				v := good(chance, to(country, "FR", 0.97), 2*time.Second, 7*time.Second)
				if v.receipt > 0 {
					v.receipt = 2 * time.Minute
				}
				if within(day, 0.45, 0.52) {
					v.hangs, v.receipt = true, 0
					if chance.IntN(2) == 0 {
						v.reaches = 0
					}
				}
				return v
			},
		},
		{
			name: "delta", price: 62_000, told: "loses half of what goes to Brazil; takes about half of a rush and asks for a pause then",
			plays: func(p *played, _ float64, country string, chance *mathrand.Rand) verdict {
				if left, ok := p.throttles(); !ok {
					v := failing(gateway.Retry, false)
					v.fails.RetryAfter = left
					return v
				}
				return good(chance, to(country, "BR", 0.975), 2*time.Second, 7*time.Second)
			},
		},
		{
			name: "echo", price: 80_000, told: "loses half of what goes to Germany; takes 5 to 25 seconds to arrive; its credit is used up from 70% to 80%",
			plays: func(_ *played, day float64, country string, chance *mathrand.Rand) verdict {
				if within(day, 0.70, 0.80) {
					return failing(gateway.Failover, true)
				}
				return good(chance, to(country, "DE", 0.98), 5*time.Second, 25*time.Second)
			},
		},
	}
}

// played is a script on the stage.
type played struct {
	script
	world *simulation

	mu    sync.Mutex
	seen  map[string]int // by message: how often it was offered
	since time.Time      // of the throttle's window
	count int
}

func (p *played) Name() string             { return p.name }
func (p *played) Kind() string             { return "simulated" }
func (p *played) Channel() gateway.Channel { return gateway.SMS }
func (p *played) Close() error             { return nil }

func (p *played) Check(context.Context) []gateway.Finding { return nil }

func (p *played) Receipts(context.Context, gateway.Callback) ([]gateway.Receipt, error) {
	return nil, gateway.ErrNoReceipts
}

// throttles tells whether there is room for one more message, or how long it takes
// until there is: for half of what comes in a tick.
func (p *played) throttles() (left time.Duration, ok bool) {
	const window = tick / 2
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.since) >= window {
		p.since, p.count = now, 0
	}
	p.count++
	return window - now.Sub(p.since), p.count <= max(1, p.world.rush/2)
}

// Send plays the script for a message.
func (p *played) Send(ctx context.Context, m gateway.Message) (gateway.Sent, error) {
	began := time.Now()
	p.mu.Lock()
	times := p.seen[m.ID]
	p.seen[m.ID]++
	p.mu.Unlock()
	p.world.offered(m, began)
	chance := p.world.chance(m.ID, p.name, times)
	v := p.plays(p, p.world.day(began), m.Country, chance)
	if v.hangs {
		if v.reaches > 0 {
			p.world.goesOut(p, m, began, v)
		}
		<-ctx.Done()
		return gateway.Sent{}, &gateway.SendError{Class: gateway.Ambiguous, Cause: ctx.Err()}
	}
	time.Sleep(v.after)
	if v.fails != nil {
		return gateway.Sent{}, v.fails
	}
	if p.name == "bravo" && times > 0 {
		return gateway.Sent{ProviderRef: m.ID}, nil
	}
	p.world.goesOut(p, m, began, v)
	return gateway.Sent{ProviderRef: m.ID}, nil
}
