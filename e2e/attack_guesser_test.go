package e2e

import (
	"context"
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// ledger is what was evaluated of all that was guessed: when, and of how many
// digits; passwords have none.
type ledger struct {
	mu     sync.Mutex
	began  time.Time
	judged []judged
}

type judged struct {
	at     time.Time
	digits int
}

func (l *ledger) note(at time.Time, digits int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.judged = append(l.judged, judged{at, digits})
}

// of is how many of so many digits were evaluated in all; 0 is any.
func (l *ledger) of(digits int) int {
	n := 0
	for _, j := range l.judged {
		if digits == 0 || j.digits == digits {
			n++
		}
	}
	return n
}

// most is the most that any window of the length held.
func (l *ledger) most(window time.Duration) int {
	most, first := 0, 0
	for i, j := range l.judged {
		for j.at.Sub(l.judged[first].at) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// expected is how many of the guesses on a day, counted from 0, open an account
// on average.
func (l *ledger) expected(day int) float64 {
	sum := 0.0
	for _, j := range l.judged {
		if int(j.at.Sub(l.began)/(24*time.Hour)) == day {
			sum += math.Pow10(-j.digits)
		}
	}
	return sum
}

// guesser guesses codes as fast as the answers let it: it waits exactly as long
// as each refusal says, and not at all where none says anything.
type guesser struct {
	*siege
	*ledger
	caller func() core.Caller // of each request
	number func() string      // of each challenge
	most   int                // how many challenges it begins at most before it guesses; 0 is one
	once   bool               // it makes one guess at a time

	begun []core.Challenge // whose guesses are not used up, the oldest first
}

// act guesses until it is told to wait, or once.
func (g *guesser) act() time.Duration {
	for {
		for len(g.begun) < max(1, g.most) {
			ch, wait := g.begin(g.caller(), g.number())
			if wait == 0 {
				g.begun = append(g.begun, ch)
				continue
			}
			if len(g.begun) == 0 || g.clock.read().Add(wait).Before(g.begun[0].ExpiresAt) {
				return wait
			}
			break // to wait for more would lose the first
		}
		for len(g.begun) > 0 {
			left, wait := g.guess(g.ledger, g.caller(), g.begun[0])
			if left == 0 {
				g.begun = g.begun[1:]
			}
			if wait > 0 || g.once {
				return wait
			}
		}
	}
}

// begin begins a challenge to guess at, or tells how long to wait. Captchas are
// those that cost nothing.
func (s *siege) begin(caller core.Caller, number string) (core.Challenge, time.Duration) {
	var ch core.Challenge
	err := solving(func(solved captcha.Solution) (err error) {
		ch, err = s.LoginSMS(context.Background(), caller, core.BeginIn{PhoneNumber: number, Captcha: solved})
		return err
	})
	if err == nil {
		return ch, 0
	}
	if r := refusalOf(err); r != nil && r.RetryAfter > 0 {
		return core.Challenge{}, r.RetryAfter
	}
	s.t.Errorf("beginning a challenge: %v", err)
	return core.Challenge{}, time.Hour
}

// guess makes a guess, which is wrong, and tells how many are left, or how long
// to wait.
func (s *siege) guess(l *ledger, caller core.Caller, ch core.Challenge) (left int, wait time.Duration) {
	_, err := s.Verify(context.Background(), caller, core.VerifyIn{
		ChallengeID: ch.ID, Code: keyring.Secret(strings.Repeat("0", ch.CodeLength)),
	})
	switch r := refusalOf(err); {
	case r != nil && r.Code == core.CodeInvalidCode:
		l.note(s.clock.read(), ch.CodeLength)
		return *r.AttemptsLeft, 0
	case r != nil && r.Code == core.CodeRateLimited:
		return core.MaxGuesses, r.RetryAfter
	case r != nil && (r.Code == core.CodeChallengeExpired || r.Code == core.CodeChallengeSpent):
		return 0, 0
	}
	s.t.Errorf("guessing a code: %v", err)
	return 0, time.Hour
}

// horde begins all challenges that it gets at one time, and then guesses at all
// of them.
type horde struct {
	*siege
	*ledger
	caller func() core.Caller
	number func() string
}

func (h *horde) act() time.Duration {
	var mu sync.Mutex
	var begun []core.Challenge
	var wait time.Duration
	for wait == 0 {
		together(16, func(int) {
			ch, w := h.begin(h.caller(), h.number())
			mu.Lock()
			defer mu.Unlock()
			if w == 0 {
				begun = append(begun, ch)
			}
			wait = max(wait, w)
		})
	}
	// One guess after another: how many come before the alarm is told the same
	// each time.
	for _, ch := range begun {
		for left := core.MaxGuesses; left > 0; {
			var w time.Duration
			if left, w = h.guess(h.ledger, h.caller(), ch); w > 0 {
				h.t.Errorf("a guess of the horde: wait %v", w)
				break
			}
		}
	}
	return wait
}

// passwords tries wrong passwords of one number after another as fast as the
// answers let it.
type passwords struct {
	*siege
	*ledger
	caller func() core.Caller
	number func() string
}

func (p *passwords) act() time.Duration {
	for {
		caller, number := p.caller(), p.number()
		err := solving(func(solved captcha.Solution) error {
			_, err := p.LoginPassword(context.Background(), caller, core.LoginPasswordIn{
				PhoneNumber: number, Password: "not the password", Captcha: solved,
			})
			return err
		})
		switch r := refusalOf(err); {
		case r != nil && r.Code == core.CodeInvalidCredentials:
			p.note(p.clock.read(), 0)
		case r != nil && r.Code == core.CodeRateLimited:
			return r.RetryAfter
		default:
			p.t.Errorf("trying a password: %v", err)
			return time.Hour
		}
	}
}

// counter gives 0, 1, 2 …
func counter() func() int {
	var mu sync.Mutex
	next := -1
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next
	}
}

// givenAway is a captcha that costs whoever is asked nothing: as for attackers
// who have others solve them.
type givenAway struct{ next func() int }

func newGivenAway(*keyring.Ring) captcha.Verifier { return givenAway{counter()} }

func (g givenAway) Ask(time.Time, string, captcha.Hardness) (captcha.Ask, error) {
	plain, err := json.Marshal(strconv.Itoa(g.next()))
	return captcha.Ask{Type: captcha.TypeALTCHA, Challenge: plain}, err
}

func (g givenAway) Verify(_ context.Context, _ time.Time, _ string, _ captcha.Hardness, s captcha.Solution) (captcha.Spent, error) {
	return captcha.Spent{Key: s.Token.Reveal()}, nil
}

// sameHost and sameNetwork are callers at one address, and at those of a /24 (or
// less) or a /48 in turns.
func sameHost(address string) func() core.Caller {
	caller := from(netip.MustParseAddr(address))
	return func() core.Caller { return caller }
}

func sameNetwork(prefix string) func() core.Caller {
	network, next := netip.MustParsePrefix(prefix), counter()
	return func() core.Caller {
		n := next()
		if network.Addr().Is4() {
			four := network.Addr().As4()
			four[3] += byte(n % (1 << (32 - network.Bits())))
			return from(netip.AddrFrom4(four))
		}
		sixteen := network.Addr().As16()
		sixteen[6], sixteen[7], sixteen[15] = byte(n>>8), byte(n), byte(n)
		return from(netip.AddrFrom16(sixteen))
	}
}

// sameNetwork64 are callers at the addresses of a /64 in turns.
func sameNetwork64(first string) func() core.Caller {
	base, next := netip.MustParseAddr(first), counter()
	return func() core.Caller {
		sixteen := base.As16()
		n := next()
		sixteen[8], sixteen[14], sixteen[15] = byte(n>>16), byte(n>>8), byte(n)
		return from(netip.AddrFrom16(sixteen))
	}
}

// newHost are callers at a hundred thousand addresses in turns.
func newHost() func() core.Caller {
	next := counter()
	return func() core.Caller { return from(botnet(next() % 100_000)) }
}

func newNumber() func() string {
	next := counter()
	return func() string { return anywhere(next()) }
}
