package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// intruder guesses wrong on all instances, as fast as they answer.
type intruder struct {
	*load
	challenges map[string]*guessed
	numbers    map[string]*guessed
	password   guessed
}

// guessed is what became of the guesses of one challenge, number or password.
type guessed struct {
	wrong   int  // acknowledged to be wrong
	doubt   int  // not answered, and asked again: they may be counted
	refused bool // a lock has closed it
}

func newIntruder(l *load) *intruder {
	return &intruder{load: l, challenges: map[string]*guessed{}, numbers: map[string]*guessed{}}
}

const (
	guessesOfChallenge = 5  // C-03
	guessesOfNumber    = 30 // C-40
)

// guessCodes guesses the codes of numbers, one after the other until each is
// closed to strangers.
func (g *intruder) guessCodes() {
	for !g.stopping.Load() {
		victim := number(int(800_000 + g.load.numbers.Add(1)))
		of := &guessed{}
		g.numbers[victim] = of
		for !g.stopping.Load() && !of.refused {
			got, doubt := g.post("/v1/signup", ask{body: members{"phone_number": victim}, header: forwarded(victim)})
			if got.status == http.StatusTooManyRequests {
				break // of the address
			}
			if got.status != http.StatusAccepted {
				g.t.Errorf("an intruder's begin (%d times in doubt): %d %s", doubt, got.status, got.raw)
				return
			}
			g.guessChallenge(got.text("challenge_id"), victim, of)
		}
	}
	for victim, of := range g.numbers { // what was closed stays closed
		if of.refused {
			got, _ := g.post("/v1/signup", ask{body: members{"phone_number": victim}, header: forwarded(victim)})
			if got.status == http.StatusAccepted {
				g.guessChallenge(got.text("challenge_id"), victim, of)
			}
		}
	}
}

// guessChallenge guesses until a challenge is spent, or its number closed.
func (g *intruder) guessChallenge(challenge, victim string, number *guessed) {
	code := g.codeFor(challenge, victim)
	if code == "" {
		return // its message was lost with an instance
	}
	of := &guessed{}
	g.challenges[challenge] = of
	left := guessesOfChallenge
	for {
		got, doubt := g.post("/v1/challenges/"+challenge+"/verify", ask{body: members{"code": wrongCode(code)}, header: forwarded(victim)})
		of.doubt, number.doubt = of.doubt+doubt, number.doubt+doubt
		switch got.status {
		case http.StatusUnauthorized:
			of.wrong, number.wrong = of.wrong+1, number.wrong+1
			now, err := strconv.Atoi(got.text("attempts_left"))
			if err != nil || now >= left || doubt == 0 && now != left-1 {
				g.t.Errorf("a wrong guess of %s (%d times in doubt) leaves %d of %d: %s", challenge, doubt, now, left, got.raw)
			}
			left = now
			if number.refused {
				g.t.Errorf("number %s was closed, and a guess is judged", victim)
			}
		case http.StatusTooManyRequests:
			number.refused = true
			return
		case http.StatusGone:
			return
		default:
			g.t.Errorf("a wrong guess: %d %s", got.status, got.raw)
			return
		}
	}
}

// guessPasswords guesses one number's password. After three in a row it waits
// 1, 2, 4 … s, whatever the number of instances (C-41).
func (g *intruder) guessPasswords() {
	victim := number(900_000)
	var asked time.Time // of the last that was judged
	for n := 0; !g.stopping.Load(); n++ {
		body := members{"phone_number": victim, "password": fmt.Sprint("wrong guess ", n)}
		began := time.Now()
		got, doubt := g.post("/v1/login/password", ask{body: body, header: forwarded(victim)})
		g.password.doubt += doubt
		switch got.status {
		case http.StatusUnauthorized:
			if g.password.wrong >= 3 {
				wait := time.Second << (g.password.wrong - 3)
				if passed := time.Since(asked) + g.skew + 10*time.Millisecond; passed < wait {
					g.t.Errorf("a wrong password is judged %s after the %dth, which is to wait %s", passed, g.password.wrong, wait)
				}
			}
			g.password.wrong, asked = g.password.wrong+1, began
		case http.StatusTooManyRequests:
			<-time.After(2 * moment)
		default:
			g.t.Errorf("a wrong password: %d %s", got.status, got.raw)
			return
		}
	}
}
