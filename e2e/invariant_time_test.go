//go:build !race

package e2e

import (
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/password"
)

const (
	timedCalls  = 300 // of each kind (C-60)
	timedRounds = 8
	timedGap    = 0.05
)

// Invariant 9, by the clock (C-60): over 300 calls each, the medians of known
// and unknown numbers lie less than 5 % apart. A noisy machine may need another
// round; a real difference shows in every one.
//
// It is not parallel, so that it has the machine for itself; and it is no part of
// the tests under the race detector, which slows Go down and not the disk.
func TestInvariant09Time(t *testing.T) {
	const people = 8
	h := startHouse(t)
	for i := range people {
		h.signUp(t, number(i), goodPassword)
	}
	w := &stopwatch{client: h.client, clock: h.clock, t: t, people: people, rand: chance(t)}
	w.compare("a sign-in by code", w.signIn)
	w.compare("a signup", w.begin("/v1/signup"))
	w.compare("a reset", w.begin("/v1/password/reset"))

	// Hashing takes so long that it would hide all else: here it takes a little.
	p := newPair(t, onSQLite())
	p.hash = password.Params{MemoryKiB: 1024, Time: 1, Threads: 1}
	p.shareStore()
	for i := range people {
		p.mustSignUp(number(i), goodPassword)
	}
	w.client, w.clock = newClient(p.serve()), p.clock
	w.compare("a password", w.password)
}

// stopwatch times calls about the first people, who have accounts, and about as
// many numbers that nobody has.
type stopwatch struct {
	*client
	clock  *clock
	t      *testing.T
	people int
	rand   *mathrand.Rand
}

// compare wants known and unknown numbers to take the same time at every call
// of a flow, in one round at least.
func (w *stopwatch) compare(what string, flow func(number string) []time.Duration) {
	w.t.Helper()
	alike := map[int]bool{}
	for range timedRounds {
		known, unknown := w.race(flow)
		for call := range known {
			gap := float64(known[call]-unknown[call]) / float64(min(known[call], unknown[call]))
			w.t.Logf("%s, call %d: known %v, unknown %v: %+.1f %%", what, call, known[call], unknown[call], 100*gap)
			if max(gap, -gap) < timedGap {
				alike[call] = true
			}
		}
		if len(alike) == len(known) {
			return
		}
	}
	w.t.Errorf("%s: known and unknown numbers lay 5 %% apart in each of %d rounds", what, timedRounds)
}

// race mixes the flows so that neither kind always follows the other, and gives
// the medians of each call.
func (w *stopwatch) race(flow func(number string) []time.Duration) (known, unknown []time.Duration) {
	w.t.Helper()
	order := make([]bool, 0, 2*timedCalls)
	for range timedCalls {
		order = append(order, true, false)
	}
	w.rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	times := map[bool][][]time.Duration{}
	for _, isKnown := range order {
		n := w.rand.IntN(w.people)
		if !isKnown {
			n += 1000
		}
		w.clock.pass(15*time.Minute + time.Second) // waits and windows are over
		times[isKnown] = append(times[isKnown], flow(number(n)))
	}
	return medians(times[true]), medians(times[false])
}

// medians gives that of each call, of many flows.
func medians(flows [][]time.Duration) []time.Duration {
	var all []time.Duration
	for call := range flows[0] {
		times := make([]time.Duration, len(flows))
		for i, flow := range flows {
			times[i] = flow[call]
		}
		slices.Sort(times)
		all = append(all, times[len(times)/2])
	}
	return all
}

// timed calls, wants the status given, and tells how long that took.
func (w *stopwatch) timed(status int, path string, body members) (answer, time.Duration) {
	w.t.Helper()
	began := time.Now()
	got := w.must(w.t, status, http.MethodPost, path, ask{body: body})
	return got, time.Since(began)
}

func (w *stopwatch) begin(path string) func(string) []time.Duration {
	return func(number string) []time.Duration {
		_, took := w.timed(http.StatusAccepted, path, members{"phone_number": number})
		return []time.Duration{took}
	}
}

// signIn begins, resends and guesses wrong.
func (w *stopwatch) signIn(number string) []time.Duration {
	begun, beginning := w.timed(http.StatusAccepted, "/v1/login/sms", members{"phone_number": number})
	challenge := "/v1/challenges/" + begun.text("challenge_id")
	code := "000000"
	if begun.text("code_length") == "8" {
		code = "00000000"
	}
	w.clock.pass(31 * time.Second)
	_, resending := w.timed(http.StatusAccepted, challenge+"/resend", members{})
	_, guessing := w.timed(http.StatusUnauthorized, challenge+"/verify", members{"code": code})
	return []time.Duration{beginning, resending, guessing}
}

func (w *stopwatch) password(number string) []time.Duration {
	_, took := w.timed(http.StatusUnauthorized, "/v1/login/password", members{"phone_number": number, "password": "not the password"})
	return []time.Duration{took}
}
