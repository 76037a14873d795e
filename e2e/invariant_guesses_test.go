package e2e

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// Invariant 2: a code is redeemed at most once, and no challenge ever evaluates
// more guesses than it allows (5), whatever the concurrency and the number of
// instances.
func TestInvariant02(t *testing.T) {
	t.Parallel()
	onEveryEngine(t, fiveGuesses)
}

func fiveGuesses(t *testing.T, on engine) {
	p := newPair(t, on, func(s *core.Settings) { s.LimitsDisabled = true })
	p.mustSignUp(number(1), goodPassword)
	begins := map[string]func() string{
		"signup": func() string {
			ch, err := p.one().Signup(context.Background(), stranger(), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: number(0)}})
			if err != nil {
				t.Fatal(err)
			}
			return ch.ID
		},
		"login": func() string { return p.begin(number(1), "") },
		"reset": func() string {
			ch, err := p.one().ResetPassword(context.Background(), stranger(), core.BeginIn{PhoneNumber: number(1)})
			if err != nil {
				t.Fatal(err)
			}
			return ch.ID
		},
	}
	for purpose, begin := range begins {
		// How many of 32 guesses at once are right: none, one, some, all.
		for _, right := range []int{0, 1, 8, 32} {
			t.Run(fmt.Sprintf("%s with %d right guesses", purpose, right), func(t *testing.T) {
				guessTogether(t, p, begin(), purpose == "reset", 32, right)
			})
		}
	}
	t.Run("200 wrong guesses, then the right one", func(t *testing.T) { // C-03
		guessTogether(t, p, begins["login"](), false, 200, 0)
	})
}

// guessTogether sends n guesses at once over both instances, some of them right.
func guessTogether(t *testing.T, p *pair, challenge string, reset bool, n, right int) {
	code := p.code(challenge)
	in := core.VerifyIn{ChallengeID: challenge, Code: code}
	if reset {
		fresh := keyring.Secret("a new lamp for every window " + challenge)
		in.NewPassword = &fresh
	}
	var redeemed, wrong, spent atomic.Int64
	judge := func(in core.VerifyIn) {
		switch _, err := p.one().Verify(context.Background(), stranger(), in); codeOf(err) {
		case "":
			redeemed.Add(1)
		case core.CodeInvalidCode:
			wrong.Add(1)
		case core.CodeChallengeSpent:
			spent.Add(1)
		default:
			t.Errorf("a guess: %v", err)
		}
	}
	together(n, func(i int) {
		guess := in
		if i >= right {
			guess.Code = keyring.Secret(wrongCode(code.Reveal()))
		}
		judge(guess)
	})
	judge(in) // the right one again, when all is over
	if redeemed.Load() > 1 || redeemed.Load()+wrong.Load() > core.MaxGuesses {
		t.Errorf("%d redeemed and %d judged wrong of one challenge, want 1 and %d in all at most",
			redeemed.Load(), wrong.Load(), core.MaxGuesses)
	}
	if redeemed.Load() == 0 && wrong.Load() != core.MaxGuesses {
		t.Errorf("%d judged wrong and none redeemed, want all %d guesses", wrong.Load(), core.MaxGuesses)
	}
	if spent.Load() == 0 {
		t.Error("the last guess was not told that the challenge is spent")
	}
}

// Invariant 3: every failed guess and failed password is counted: no lost update.
func TestInvariant03(t *testing.T) {
	t.Parallel()
	t.Run("codes", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, codesCounted)
	})
	t.Run("passwords", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, passwordsCounted)
	})
}

// codesCounted guesses at 20 challenges of one number at once: 30 are counted,
// told and judged, and not one more (C-40, C-43).
func codesCounted(t *testing.T, on engine) {
	p := newPair(t, on)
	user := p.mustSignUp(number(0), "").User.ID
	challenges := make([]string, 20)
	for i := range challenges {
		challenges[i] = p.begin(number(0), "")
	}
	var wrong, limited atomic.Int64
	together(len(challenges)*core.MaxGuesses, func(i int) {
		id := challenges[i%len(challenges)]
		switch _, err := p.verify(stranger(), id, "000000"); codeOf(err) {
		case core.CodeInvalidCode:
			wrong.Add(1)
		case core.CodeRateLimited:
			limited.Add(1)
		default:
			t.Errorf("a guess: %v", err)
		}
	})
	state, err := p.stores[0].Number(context.Background(), p.ring.Pseudonym(number(0)), "")
	if err != nil {
		t.Fatal(err)
	}
	told := p.userEvents(user, event.CodeFailed)
	if wrong.Load() != 30 || limited.Load() != 70 || state.CodeFailures != 30 || told != 30 {
		t.Errorf("%d judged wrong, %d refused, %d counted, %d told of; want 30, 70, 30, 30",
			wrong.Load(), limited.Load(), state.CodeFailures, told)
	}
}

// passwordsCounted tries 100 wrong passwords at once where nothing locks, and
// looks at the count by the next try.
func passwordsCounted(t *testing.T, on engine) {
	p := newPair(t, on, func(s *core.Settings) { s.LimitsDisabled = true })
	user := p.mustSignUp(number(0), goodPassword).User.ID
	together(100, func(int) {
		if _, err := p.login(number(0), "wrong", ""); codeOf(err) != core.CodeInvalidCredentials {
			t.Errorf("a wrong password: %v", err)
		}
	})
	tried, err := p.stores[1].TryPassword(context.Background(), core.TryPassword{
		PhoneKey: p.ring.Pseudonym(number(0)), Now: p.clock.read(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if told := p.userEvents(user, event.FailedLogin); tried.Failures != 101 || told != 100 {
		t.Errorf("%d failures counted before this try, %d told of; want 100 each", tried.Failures-1, told)
	}
}

// userEvents counts a user's events of a name.
func (p *pair) userEvents(user string, name event.Name) int {
	p.t.Helper()
	events, err := p.stores[0].UserEvents(context.Background(), user, core.Page{Limit: 10000})
	if err != nil {
		p.t.Fatal(err)
	}
	n := 0
	for _, e := range events {
		if e.Name == name {
			n++
		}
	}
	return n
}
