package e2e

import (
	"context"
	"net/netip"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
)

const (
	homeLand   = 0 // United States: honest people elsewhere
	pumpedLand = 1 // Spain: pumped messages, and honest people
)

// campaign is somebody who gets paid for messages that we pay for.
type campaign struct {
	name    string
	long    time.Duration
	short   time.Duration // under the race detector
	tick    time.Duration // how often it asks
	each    int           // how many messages it asks for then
	monitor bool          // the guard only tells
	quiet   bool          // it stays below what the guard pauses
	lifts   bool          // the operator named a captcha; the campaign solves none, honest people do
	prepare func(*pump)
	ask     func(p *pump, i int) error // for the i-th message
}

// pump is a campaign under way.
type pump struct {
	*siege
	campaign
	asked  int
	mine   map[string]bool  // challenges whose messages are pumped
	open   []core.Challenge // to be resent
	owned  int              // accounts of its own
	caller func(i int) core.Caller
}

func (p *pump) act() time.Duration {
	for range p.each {
		_ = p.ask(p, p.asked) // refused or not, it goes on
		p.asked++
	}
	return p.tick
}

// signUp asks for the message of a signup, which any number gets.
func (p *pump) signUp(i int, number string) error {
	return p.solving(func(solved captcha.Solution) error {
		ch, err := p.Signup(context.Background(), p.caller(i), core.SignupIn{
			BeginIn: core.BeginIn{PhoneNumber: number, Captcha: solved},
		})
		return p.pumped(ch, err)
	})
}

func (p *pump) solving(f func(captcha.Solution) error) error {
	if p.lifts {
		return f(captcha.Solution{})
	}
	return solving(f)
}

func (p *pump) pumped(ch core.Challenge, err error) error {
	if err == nil {
		p.mine[ch.ID] = true
	}
	return err
}

// resend asks for the messages of those begun before, as soon as each is due,
// and else begins another.
func (p *pump) resend(i int) error {
	now := p.clock.read()
	for len(p.open) > 0 && (p.open[0].ResendAt.IsZero() || !now.Before(p.open[0].ExpiresAt)) {
		p.open = p.open[1:]
	}
	for n, ch := range p.open {
		if ch.ResendAt.IsZero() || now.Before(ch.ResendAt) {
			continue
		}
		return p.solving(func(solved captcha.Solution) error {
			again, err := p.Resend(context.Background(), p.caller(i), core.ResendIn{ChallengeID: ch.ID, Captcha: solved})
			if err == nil {
				p.open[n] = again
			}
			return p.pumped(again, err)
		})
	}
	return p.solving(func(solved captcha.Solution) error {
		ch, err := p.Signup(context.Background(), p.caller(i), core.SignupIn{
			BeginIn: core.BeginIn{PhoneNumber: inLand(pumpedLand, i), Captcha: solved},
		})
		if err == nil {
			p.open = append(p.open, ch)
		}
		return p.pumped(ch, err)
	})
}

// reset asks for the message of a reset, which numbers with accounts get.
func (p *pump) reset(i int) error {
	return p.solving(func(solved captcha.Solution) error {
		ch, err := p.ResetPassword(context.Background(), p.caller(i), core.BeginIn{
			PhoneNumber: inLand(pumpedLand, i%p.owned), Captcha: solved,
		})
		return p.pumped(ch, err)
	})
}

// accounts makes so many accounts to be reset later.
func accounts(n int) func(*pump) {
	return func(p *pump) {
		for i := range n {
			p.siege.signUp(from(botnet(50_000+i)), inLand(pumpedLand, i), "")
			p.clock.pass(5 * time.Minute)
		}
		p.owned = n
		p.clock.pass(day)
	}
}

func campaigns() []campaign {
	fast := campaign{long: 6 * time.Hour, short: time.Hour, tick: 10 * time.Second, each: 4}
	with := func(c campaign, name string, ask func(*pump, int) error) campaign {
		c.name, c.ask = name, ask
		return c
	}
	everyPrefix := func(p *pump, i int) error { return p.signUp(i, inLand(pumpedLand, i)) }
	all := []campaign{
		with(fast, "one prefix, from everywhere", func(p *pump, i int) error {
			return p.signUp(i, inLand(pumpedLand, 700*i))
		}),
		with(fast, "many prefixes of one country, from everywhere", everyPrefix),
		with(fast, "the same, the guard only watching", everyPrefix),
		with(fast, "the same, a captcha named, which it does not solve", everyPrefix),
		with(fast, "many prefixes, from one address", func(p *pump, i int) error {
			p.caller = func(int) core.Caller { return from(netip.MustParseAddr("192.0.2.7")) }
			return p.signUp(i, inLand(pumpedLand, i))
		}),
		with(fast, "through resend, from everywhere", (*pump).resend),
		with(fast, "through reset, 100 accounts of its own, from everywhere", (*pump).reset),
		with(campaign{long: 3 * day, short: 3 * time.Hour, tick: 3 * time.Minute, each: 1, quiet: true},
			"slow drip, 20 an hour, many prefixes, from everywhere", everyPrefix),
	}
	all[2].monitor, all[3].lifts, all[4].quiet = true, true, true
	all[6].prepare = accounts(100)
	return all
}

// crowd is honest people of a country who sign in, one every so often: seven in
// ten type the code that they get.
type crowd struct {
	*siege
	land  int
	every time.Duration

	came, served int // who asked, and who got a code within the time
	last         core.Challenge
	caller       core.Caller
}

func (c *crowd) act() time.Duration {
	if c.last.ID != "" {
		code := c.code(c.last.ID)
		if code != "" {
			c.served++
		}
		if code != "" && c.came%10 < 7 {
			if _, err := c.Verify(context.Background(), c.caller, core.VerifyIn{ChallengeID: c.last.ID, Code: code}); err != nil {
				c.t.Errorf("an honest code: %v", err)
			}
		}
	}
	c.came++
	c.last = core.Challenge{}
	c.caller = from(netip.AddrFrom4([4]byte{byte(210 + c.land), byte(c.came >> 8), byte(c.came), 9}))
	_ = solving(func(solved captcha.Solution) error {
		ch, err := c.Signup(context.Background(), c.caller, core.SignupIn{BeginIn: core.BeginIn{
			PhoneNumber: inLand(c.land, 700*5000+c.came), Captcha: solved,
		}})
		if err == nil {
			c.last = ch
		}
		return err
	})
	return c.every
}

// share is how many of a hundred got a code; the last one is still waiting.
func (c *crowd) share() float64 { return 100 * float64(c.served) / float64(max(1, c.came-1)) }
