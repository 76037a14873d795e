package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/limit"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// attack is one row of the arithmetic: an attacker let loose for a while, for whom
// captchas cost nothing.
type attack struct {
	name  string
	short time.Duration // under the race detector
	long  time.Duration
	more  func(*core.Settings)
	let   func(*siege, *ledger) []func() time.Duration // the attackers
	daily int                                          // guesses that any 24 h allow; 0: all that there are
	six   int                                          // guesses at 6 digits in all; 0: any
	scale int                                          // what was scaled down by; 0 is 1
	after func(*testing.T, *siege, *ledger)
}

// The arithmetic of limits (C-07, C-11, C-40, C-41, C-44, C-45): greedy
// attackers against the real core and its real database, who do as much as the
// answers let them, for a week of a simulated clock. What was evaluated is
// counted from the answers, and is no more than the limits allow.
//
// The weeks take a minute; under the race detector they are days and hours, and
// docs/limits.md is not compared.
func TestArithmetic(t *testing.T) {
	attacks := arithmetic()
	rows := make([][]string, len(attacks))
	t.Run("attacks", func(t *testing.T) {
		for i, a := range attacks {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				rows[i] = a.play(t)
			})
		}
	})
	made := table([]string{
		"attacker", "simulated", "evaluated", "most in 24 h", "allowed in 24 h", "at 6 digits", "at 8 digits", "expected break-ins, first day", "each day after",
	}, rows)
	t.Log("\n" + made)
	if !raced && whole(rows) {
		onPage(t, "arithmetic", made)
	}
}

func (a attack) play(t *testing.T) []string {
	var change []func(*core.Settings)
	if a.more != nil {
		change = append(change, a.more)
	}
	s := newSiege(t, newGivenAway, change...)
	length := a.long
	if raced {
		length = a.short
	}
	l := &ledger{began: s.clock.read()}
	actors := a.let(s, l)
	s.run(l.began.Add(length), actors...)
	most := l.most(day)
	if a.daily > 0 && most > a.daily {
		t.Errorf("%d guesses evaluated in 24 h, %d are allowed", most, a.daily)
	}
	if a.daily > 0 && length >= day && most < a.daily*9/10 {
		t.Errorf("%d guesses evaluated in 24 h of the %d that are allowed: this attacker is not greedy", most, a.daily)
	}
	if a.six > 0 && l.of(6) > a.six {
		t.Errorf("%d guesses evaluated at six digits, %d are allowed", l.of(6), a.six)
	}
	if a.after != nil {
		a.after(t, s, l)
	}
	return a.row(l, length, most)
}

func (a attack) row(l *ledger, length time.Duration, most int) []string {
	scale := max(1, a.scale)
	allowed := thousands(a.daily * scale)
	if a.daily == 0 {
		allowed = "-"
	}
	simulated := span(length)
	switch length {
	case week:
		simulated = "a week"
	case day:
		simulated = "a day"
	}
	if scale > 1 {
		simulated += fmt.Sprintf(", 1 : %d", scale)
	}
	first, later := "-", "-"
	if l.of(0) > 0 && l.judged[0].digits > 0 {
		first = fmt.Sprintf("%.1e", l.expected(0)*float64(scale))
		if length > day {
			later = fmt.Sprintf("%.1e", l.expected(1)*float64(scale))
		}
	}
	return []string{
		a.name, simulated, thousands(l.of(0) * scale), thousands(most * scale), allowed,
		thousands(l.of(6) * scale), thousands(l.of(8) * scale), first, later,
	}
}

// guessers are so many who share where they come from and whom they guess at.
func guessers(n int, caller func() core.Caller, number func() string) func(*siege, *ledger) []func() time.Duration {
	return func(s *siege, l *ledger) []func() time.Duration {
		actors := make([]func() time.Duration, n)
		for i := range actors {
			actors[i] = (&guesser{siege: s, ledger: l, caller: caller, number: number}).act
		}
		return actors
	}
}

func only(number string) func() string { return func() string { return number } }

func arithmetic() []attack {
	return []attack{
		{
			name: "one phone's code, from everywhere", short: week, long: week, daily: 30, six: 10,
			let: guessers(1, newHost(), only(number(1))),
		},
		{
			name: "the same, hoarding challenges while they have 6 digits", short: week, long: week, daily: 30, six: 25,
			let: func(s *siege, l *ledger) []func() time.Duration {
				return []func() time.Duration{(&guesser{siege: s, ledger: l, caller: newHost(), number: only(number(1)), most: 5}).act}
			},
		},
		{
			name: "one phone's password, from everywhere", short: week, long: week,
			let: func(s *siege, l *ledger) []func() time.Duration {
				return []func() time.Duration{(&passwords{siege: s, ledger: l, caller: newHost(), number: only(number(1))}).act}
			},
			after: aHundredPasswords,
		},
		{
			name: "one IPv4 address, codes", short: day, long: week, daily: 1440,
			let: guessers(1, sameHost("192.0.2.7"), newNumber()),
		},
		{
			name: "one IPv6 /64, codes", short: day, long: week, daily: 1440,
			let: guessers(1, sameNetwork64("2001:db8:1:2::"), newNumber()),
		},
		{
			name: "one IPv4 address, passwords", short: day, long: week, daily: 720,
			let: func(s *siege, l *ledger) []func() time.Duration {
				return []func() time.Duration{(&passwords{siege: s, ledger: l, caller: sameHost("192.0.2.7"), number: newNumber()}).act}
			},
		},
		{
			name: "a /24, codes", short: 3 * time.Hour, long: week, daily: 5760,
			let: guessers(48, sameNetwork("192.0.2.0/24"), newNumber()),
		},
		{
			name: "a /48, codes", short: 3 * time.Hour, long: week, daily: 5760,
			let: guessers(48, sameNetwork("2001:db8:1::/48"), newNumber()),
		},
		{
			name: "everyone, 100,000 addresses, below the alarm", short: time.Hour, long: day, daily: 43_200,
			let: paced, after: nobodyNoticed,
		},
		{
			name: "everyone, 100,000 addresses, all messages of a day at once", short: time.Hour, long: day, scale: floodScale,
			more: fewerSends, let: flood, daily: 50_000/floodScale + 300, // each one, once the alarm is on
		},
		{
			name: "the same under the alarm", short: 10 * time.Minute, long: 10 * time.Minute, scale: floodScale,
			more: fewerSends,
			let: func(s *siege, l *ledger) []func() time.Duration {
				setOff(s)
				return flood(s, l)
			},
			after: func(t *testing.T, _ *siege, l *ledger) {
				if n := l.of(6); n > 0 || l.of(8) == 0 {
					t.Errorf("%d guesses at six digits under the alarm, %d at eight", n, l.of(8))
				}
			},
		},
	}
}

// paced are guesses just below the alarm: the last ten minutes, and the slot that
// the oldest of them lie in, hold 300 at most.
func paced(s *siege, l *ledger) []func() time.Duration {
	const slot = 10 * time.Minute / 24
	actors := make([]func() time.Duration, 12)
	caller, number := newHost(), newNumber()
	for i := range actors {
		g := &guesser{siege: s, ledger: l, caller: caller, number: number, once: true}
		actors[i] = func() time.Duration {
			if wait := g.act(); wait > 0 {
				s.t.Errorf("a refusal: wait %v", wait)
			}
			return slot
		}
	}
	return actors
}

func nobodyNoticed(t *testing.T, s *siege, l *ledger) {
	if l.of(8) > 0 || s.refusedBy("captcha_required") > 0 {
		t.Error("the alarm went off")
	}
	// One more in the same slot is too many.
	g := &guesser{siege: s, ledger: &ledger{}, caller: newHost(), number: newNumber(), once: true}
	s.clock.pass(-time.Second)
	g.act()
	if _, err := s.LoginSMS(context.Background(), stranger(), core.BeginIn{PhoneNumber: number(1)}); codeOf(err) != core.CodeCaptchaRequired {
		t.Errorf("one more guess: %v", err)
	}
}

// A flood is told at a fraction of its size: so many fewer messages go out a day,
// and so many fewer guesses are made.
func fewerSends(s *core.Settings) {
	s.Limits = map[string]limit.Rule{"send_total": {N: 50_000 / floodScale, Window: day}}
}

// flood begins all challenges that the limits let everybody begin, before
// anybody guesses, and then guesses at all of them.
func flood(s *siege, l *ledger) []func() time.Duration {
	return []func() time.Duration{(&horde{siege: s, ledger: l, caller: newHost(), number: newNumber()}).act}
}

// setOff sets the alarm of C-45 off.
func setOff(s *siege) {
	g := &guesser{siege: s, ledger: &ledger{}, caller: newHost(), number: newNumber(), once: true}
	for range 301 {
		g.act()
	}
}

// aHundredPasswords took 22 hours at least; then codes are open, and open the
// number again.
func aHundredPasswords(t *testing.T, s *siege, l *ledger) {
	if l.of(0) != core.CloseAt {
		t.Fatalf("%d passwords evaluated", l.of(0))
	}
	if took := l.judged[core.CloseAt-1].at.Sub(l.judged[0].at); took < 22*time.Hour {
		t.Errorf("a hundred passwords took %v", took)
	}
	s.signUp(stranger(), number(1), goodPassword)
	if _, err := s.LoginPassword(context.Background(), stranger(), core.LoginPasswordIn{PhoneNumber: number(1), Password: goodPassword}); err != nil {
		t.Errorf("a password after a code: %v", err)
	}
}
