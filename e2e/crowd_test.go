package e2e

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/captcha/captchatest"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// nat is the address that many share.
var nat = from(netip.MustParseAddr("192.0.2.7"))

// C-42: strangers attack from the owner's own address and from everywhere, until
// every limit of the number, the address, the network, the prefix, the country
// and everybody, the guard and the budget have refused them. All the while the
// owner signs in on a known device, by code and by password.
func TestC42TheOwnerEntersWhileStrangersBurnAll(t *testing.T) {
	t.Parallel()
	s := newSiege(t, newGivenAway, func(s *core.Settings) {
		s.Prices = core.RoughPrices()
		s.Budgets = core.Budgets{Total: core.Budget{Hour: 2_025_000}, StrangerPct: 80} // strangers: 18 messages to Spain
		// The only ones not as they come: twenty thousand messages take their time.
		s.Limits = map[string]limit.Rule{"send_country": {N: 300, Window: day}, "send_total": {N: 1200, Window: day}}
	})
	s.orderly = true // who comes first to a limit that two burn is told the same each time
	owner := &owner{siege: s, number: inLand(homeLand, 700*9000)}
	owner.device = s.signUp(nat, owner.number, goodPassword).DeviceToken

	// A day at the number alone: its codes, its messages, a hundred passwords.
	l := &ledger{began: s.clock.read()}
	number := only(owner.number)
	s.run(l.began.Add(day),
		(&guesser{siege: s, ledger: l, caller: newHost(), number: number}).act,
		(&passwords{siege: s, ledger: l, caller: newHost(), number: number}).act,
		later(15*time.Minute+30*time.Second, func() time.Duration { s.hammer(newHost(), number)(); return 0 }),
		later(20*time.Hour, s.hammer(newHost(), number)))
	owner.enter()

	// Three hours at all around it.
	neighbours, others := counter(), counter()
	neighbour := func() string { return inLand(homeLand, 700*(1+neighbours())) } // of the same prefix
	countrymen := func() string { return inLand(homeLand, 1+others()) }
	abroad := counter()
	foreigners := func() string { i := abroad(); return inLand(1+i%(len(lands)-1), 20_000+i/(len(lands)-1)) }
	actors := []func() time.Duration{
		later(90*time.Minute, (&horde{siege: s, ledger: l, caller: newHost(), number: countrymen}).act),
		later(110*time.Minute, (&horde{siege: s, ledger: l, caller: newHost(), number: foreigners}).act),
		(&guesser{siege: s, ledger: l, caller: func() core.Caller { return nat }, number: newNumber()}).act,
		(&passwords{siege: s, ledger: l, caller: func() core.Caller { return nat }, number: newNumber()}).act,
		s.hammer(func() core.Caller { return nat }, newNumber()),
		s.hammer(sameNetwork("192.0.2.128/25"), newNumber()),
		s.hammer(newHost(), neighbour),
		owner.act,
	}
	for range 8 {
		actors = append(actors, (&guesser{siege: s, ledger: l, caller: sameNetwork("192.0.2.128/25"), number: newNumber()}).act,
			(&passwords{siege: s, ledger: l, caller: sameNetwork("192.0.2.128/25"), number: newNumber()}).act)
	}
	s.run(s.clock.read().Add(3*time.Hour), actors...)
	if owner.entered != 7 {
		t.Errorf("the owner entered %d times", owner.entered)
	}

	// And then the money.
	s.clock.pass(day)
	for i := range 40 {
		_ = solving(func(solved captcha.Solution) error {
			in := core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: inLand(pumpedLand, 9000+i), Captcha: solved}}
			_, err := s.Signup(context.Background(), from(botnet(90_000+i)), in)
			return err
		})
		s.deliver()
		if _, err := s.ReviewBudgets(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	owner.enter()
	for _, name := range []string{
		"send_number_hour", "send_number_day", "code_failures_number", "failed_passwords", "begin_address", "begin_network",
		"code_failures_address", "code_failures_network", "password_failures_address", "password_failures_network",
		"send_prefix", "send_country", "send_total", "guard_country", "captcha_required", "sms_budget",
	} {
		if s.refusedBy(name) == 0 {
			t.Errorf("%s refused no stranger", name)
		}
	}
}

// hammer begins challenges whatever it is answered: five a minute.
func (s *siege) hammer(caller func() core.Caller, number func() string) func() time.Duration {
	return func() time.Duration {
		for range 5 {
			s.begin(caller(), number())
		}
		return time.Minute
	}
}

// later acts only after a while.
func later(wait time.Duration, act func() time.Duration) func() time.Duration {
	began := false
	return func() time.Duration {
		if !began {
			began = true
			return wait
		}
		return act()
	}
}

// owner is somebody at the shared address with a known device.
type owner struct {
	*siege
	number  string
	device  keyring.Secret
	entered int
}

func (o *owner) act() time.Duration {
	o.enter()
	return 30 * time.Minute
}

// enter signs in by code, and by password.
func (o *owner) enter() {
	o.t.Helper()
	device := core.DeviceIn{Token: o.device}
	ch, err := o.LoginSMS(context.Background(), nat, core.BeginIn{PhoneNumber: o.number, Device: device})
	if err != nil {
		o.t.Errorf("the owner asks for a code: %v", err)
		return
	}
	o.redeem(nat, ch)
	_, err = o.LoginPassword(context.Background(), nat, core.LoginPasswordIn{
		PhoneNumber: o.number, Password: goodPassword, Device: device,
	})
	if err != nil {
		o.t.Errorf("the owner's password: %v", err)
		return
	}
	o.entered++
}

// C-42, C-44: five hundred people of one address sign in within an hour on
// devices that they signed in on before, and none of them waits. Of those who
// are new there sixty get a code; after them a new device waits, or, where the
// operator named a captcha, works for its code.
func TestC44AHouseOfFiveHundredSignsIn(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{false, true} {
		t.Run(map[bool]string{false: "no captcha named", true: "a captcha named"}[named], func(t *testing.T) {
			t.Parallel()
			people := 500
			if raced {
				people = 100
			}
			s := newSiege(t, work, func(s *core.Settings) { s.CaptchaLifts = named })
			s.orderly = true
			var all []owner
			for i := range people {
				o := owner{siege: s, number: anywhere(i)}
				o.device = s.signUp(from(botnet(i)), o.number, goodPassword).DeviceToken
				all = append(all, o)
				s.clock.pass(time.Second)
			}
			s.clock.pass(day)
			began, next, newcomers := s.clock.read(), counter(), counter()
			s.run(began.Add(time.Hour),
				func() time.Duration {
					if i := next(); i < people {
						all[i].enter()
					}
					return time.Hour / time.Duration(people)
				},
				func() time.Duration { // sixty new ones, early
					if i := newcomers(); i < 60 {
						s.signUp(nat, anywhere(10_000+i), "")
					}
					return 30 * time.Second
				},
				later(45*time.Minute, func() time.Duration { s.newcomer(named); return 0 }))
			for i, o := range all {
				if o.entered != 1 {
					t.Errorf("person %d did not enter", i)
				}
			}
		})
	}
}

// newcomer is the sixty-first new person of an hour behind one address.
func (s *siege) newcomer(named bool) {
	s.t.Helper()
	in := core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: anywhere(20_000)}}
	_, err := s.Signup(context.Background(), nat, in)
	r := refusalOf(err)
	switch {
	case r == nil:
		s.t.Errorf("the sixty-first new person: %v", err)
		return
	case !named:
		if r.Code != core.CodeRateLimited || r.RetryAfter > time.Hour {
			s.t.Errorf("without a captcha: %v, retry after %v", err, r.RetryAfter)
		}
		s.clock.pass(r.RetryAfter) // as told
	case r.Code != core.CodeCaptchaRequired:
		s.t.Errorf("with a captcha: %v", err)
		return
	default:
		if in.Captcha, err = captchatest.Solve(*r.Captcha); err != nil {
			s.t.Fatal(err)
		}
	}
	ch, err := s.Signup(context.Background(), nat, in)
	if err != nil {
		s.t.Errorf("the new person again: %v", err)
		return
	}
	s.redeem(nat, ch)
}
