package e2e

import (
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	timedCalls  = 300 // of each kind (C-60)
	timedRounds = 4
	timedGap    = 0.05
)

// Invariant 9, by the clock (C-60): over 300 calls each, the medians of known
// and unknown numbers lie less than 5 % apart. A noisy machine may need another
// round; a real difference shows in every one.
//
// It is not parallel, so that it has the machine for itself.
func TestInvariant09Time(t *testing.T) {
	h := startHouse(t)
	const people = 8
	for i := range people {
		h.signUp(t, number(i), goodPassword)
	}
	w := &stopwatch{house: h, t: t, people: people, rand: chance(t)}
	calls := map[string]func(number string) time.Duration{
		"login by code": w.begin("/v1/login/sms"),
		"reset":         w.begin("/v1/password/reset"),
		"signup":        w.begin("/v1/signup"),
		"resend":        w.resend,
		"verify":        w.verify,
		"password":      w.password,
	}
	for what, call := range calls {
		t.Run(what, func(t *testing.T) {
			for range timedRounds {
				known, unknown := w.race(call)
				gap := float64(known-unknown) / float64(min(known, unknown))
				t.Logf("known %v, unknown %v: %+.1f %%", known, unknown, 100*gap)
				if max(gap, -gap) < timedGap {
					return
				}
			}
			t.Errorf("known and unknown numbers lay 5 %% apart %d times", timedRounds)
		})
	}
}

// stopwatch times calls about the first people, who have accounts, and about as
// many numbers that nobody has.
type stopwatch struct {
	*house
	t      *testing.T
	people int
	rand   *mathrand.Rand
}

// race mixes the calls so that neither kind always follows the other, and gives
// the medians.
func (w *stopwatch) race(call func(number string) time.Duration) (known, unknown time.Duration) {
	w.t.Helper()
	order := make([]bool, 0, 2*timedCalls)
	for range timedCalls {
		order = append(order, true, false)
	}
	w.rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	times := map[bool][]time.Duration{}
	for _, isKnown := range order {
		n := w.rand.IntN(w.people)
		if !isKnown {
			n += 1000
		}
		w.clock.pass(15*time.Minute + time.Second) // waits and windows are over
		times[isKnown] = append(times[isKnown], call(number(n)))
	}
	return median(times[true]), median(times[false])
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// timed calls, wants the status given, and tells how long that took.
func (w *stopwatch) timed(status int, path string, body members) (answer, time.Duration) {
	w.t.Helper()
	began := time.Now()
	got := w.must(w.t, status, http.MethodPost, path, ask{body: body})
	return got, time.Since(began)
}

func (w *stopwatch) begin(path string) func(string) time.Duration {
	return func(number string) time.Duration {
		_, took := w.timed(http.StatusAccepted, path, members{"phone_number": number})
		return took
	}
}

func (w *stopwatch) resend(number string) time.Duration {
	begun, _ := w.timed(http.StatusAccepted, "/v1/login/sms", members{"phone_number": number})
	w.clock.pass(31 * time.Second)
	_, took := w.timed(http.StatusAccepted, "/v1/challenges/"+begun.text("challenge_id")+"/resend", members{})
	return took
}

func (w *stopwatch) verify(number string) time.Duration {
	begun, _ := w.timed(http.StatusAccepted, "/v1/login/sms", members{"phone_number": number})
	code := strings.Repeat("0", 6)
	if begun.text("code_length") == "8" {
		code = strings.Repeat("0", 8)
	}
	_, took := w.timed(http.StatusUnauthorized, "/v1/challenges/"+begun.text("challenge_id")+"/verify", members{"code": code})
	return took
}

func (w *stopwatch) password(number string) time.Duration {
	_, took := w.timed(http.StatusUnauthorized, "/v1/login/password", members{"phone_number": number, "password": "not the password"})
	return took
}
