package e2e

import (
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// Invariant 10: a limit of N lets through at most N in its window, over all
// instances together. Here are those that guard an account and are counted in
// the store: failed codes and failed passwords of a number.
func TestInvariant10(t *testing.T) {
	t.Parallel()
	t.Run("failed codes", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, codesLimited)
	})
	t.Run("failed passwords", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, passwordsLimited)
	})
	t.Run("a hundred failed passwords close a number to strangers", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, closedToStrangers)
	})
}

// window is a sliding limit: at most most in any span of the length.
type window struct {
	most   int
	length time.Duration
	passed []time.Time
}

func (w *window) free(now time.Time) int {
	free := w.most
	for _, at := range w.passed {
		if now.Sub(at) < w.length {
			free--
		}
	}
	return free
}

// pass notes n that were let through, and wants no span to hold more than most.
func (w *window) pass(t *rapid.T, now time.Time, n int) {
	for range n {
		w.passed = append(w.passed, now)
	}
	for i := w.most; i < len(w.passed); i++ {
		if w.passed[i].Sub(w.passed[i-w.most]) < w.length {
			t.Fatalf("%d let through within %v", w.most+1, w.length)
		}
	}
}

var waits = []time.Duration{
	time.Second, 2 * time.Second, time.Minute, 15 * time.Minute, time.Hour - time.Millisecond, time.Hour, 11 * time.Hour, 24 * time.Hour,
}

// codesLimited guesses in bursts at random times, over new challenges whenever
// one is spent: strangers get 30 in any 24 hours (C-40), a known device 10 in
// any hour (C-42), and neither costs the other anything.
func codesLimited(t *testing.T, on engine) {
	p := newPair(t, on)
	p.shareStore()
	n := 0
	on.check(t, func(rt *rapid.T) {
		n++
		set := p.mustSignUp(number(n), "")
		strangers, device := &window{most: 30, length: 24 * time.Hour}, &window{most: 10, length: time.Hour}
		guess := func(w *window, token keyring.Secret) func(*rapid.T) {
			return func(rt *rapid.T) {
				burst := rapid.IntRange(1, 12).Draw(rt, "guesses")
				now := p.clock.read()
				want := min(burst, w.free(now))
				if got := p.guessWrong(number(n), token, burst); got != want {
					rt.Fatalf("%d of %d guesses were judged, want %d", got, burst, want)
				}
				w.pass(rt, now, want)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"strangers guess": guess(strangers, ""),
			"the device does": guess(device, set.DeviceToken),
			"wait":            func(rt *rapid.T) { p.clock.pass(rapid.SampledFrom(waits).Draw(rt, "time")) },
		})
	})
}

// guessWrong sends n wrong guesses at once and tells how many were judged.
func (p *pair) guessWrong(number string, device keyring.Secret, n int) int {
	ids := make([]string, (n+core.MaxGuesses-1)/core.MaxGuesses)
	for i := range ids {
		ids[i] = p.begin(number, device)
	}
	var judged atomic.Int64
	together(n, func(i int) {
		id := ids[i%len(ids)]
		switch _, err := p.verify(stranger(), id, keyring.Secret(wrongCode(p.code(id).Reveal()))); codeOf(err) {
		case core.CodeInvalidCode:
			judged.Add(1)
		case core.CodeRateLimited:
		default:
			p.t.Errorf("a wrong code: %v", err)
		}
	})
	return int(judged.Load())
}

// delays are the waits of C-41: none for two failures in a row, then 1, 2, 4 …
// 900 s.
type delays struct {
	inRow int
	until time.Time
}

func (d *delays) fail(now time.Time) {
	if d.inRow++; d.inRow >= 3 {
		d.until = now.Add(min(time.Second<<min(d.inRow-3, 10), 900*time.Second))
	}
}

// passwordsLimited tries wrong passwords in bursts, and right ones, at random
// times. What is tried during a wait is not judged, even where it is right.
func passwordsLimited(t *testing.T, on engine) {
	p := newPair(t, on)
	p.shareStore()
	n := 0
	on.check(t, func(rt *rapid.T) {
		n++
		set := p.mustSignUp(number(n), goodPassword)
		counters := map[keyring.Secret]*delays{"": {}, set.DeviceToken: {}}
		device := &window{most: 10, length: time.Hour}
		free := func(token keyring.Secret, now time.Time) bool {
			return !now.Before(counters[token].until) && (token == "" || device.free(now) > 0)
		}
		try := func(token keyring.Secret) func(*rapid.T) {
			return func(rt *rapid.T) {
				burst := rapid.IntRange(1, 6).Draw(rt, "tries")
				now := p.clock.read()
				want := 0
				for ; want < burst && free(token, now); want++ {
					counters[token].fail(now)
					if token != "" {
						device.pass(rt, now, 1)
					}
				}
				if got := p.tryWrong(number(n), token, burst); got != want {
					rt.Fatalf("%d of %d tries were judged, want %d", got, burst, want)
				}
			}
		}
		right := func(token keyring.Secret) func(*rapid.T) {
			return func(rt *rapid.T) {
				_, err := p.login(number(n), goodPassword, token)
				if want := free(token, p.clock.read()); (err == nil) != want || err != nil && codeOf(err) != core.CodeRateLimited {
					rt.Fatalf("the right password: %v, want it judged: %v", err, want)
				}
				if err == nil {
					*counters[token] = delays{}
					if token != "" {
						device.passed = nil
					}
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"strangers try":             try(""),
			"the device tries":          try(set.DeviceToken),
			"a stranger knows it":       right(""),
			"the device's owner enters": right(set.DeviceToken),
			"wait":                      func(rt *rapid.T) { p.clock.pass(rapid.SampledFrom(waits).Draw(rt, "time")) },
		})
	})
}

// tryWrong sends n wrong passwords at once and tells how many were judged.
func (p *pair) tryWrong(number string, device keyring.Secret, n int) int {
	var judged atomic.Int64
	together(n, func(int) {
		switch _, err := p.login(number, "not the password", device); codeOf(err) {
		case core.CodeInvalidCredentials:
			judged.Add(1)
		case core.CodeRateLimited:
		default:
			p.t.Errorf("a wrong password: %v", err)
		}
	})
	return int(judged.Load())
}

// closedToStrangers tries again as soon as each wait is over: a hundred take 22
// hours at least, and then no wait helps; a code does (C-41, C-42).
func closedToStrangers(t *testing.T, on engine) {
	p := newPair(t, on)
	set := p.mustSignUp(number(0), goodPassword)
	began, d := p.clock.read(), delays{}
	for range 100 {
		if judged := p.tryWrong(number(0), "", 1); judged != 1 {
			t.Fatalf("try %d was not judged", d.inRow+1)
		}
		d.fail(p.clock.read())
		if wait := d.until.Sub(p.clock.read()); wait > 0 {
			p.clock.pass(wait)
		}
	}
	if took := p.clock.read().Sub(began); took < 22*time.Hour {
		t.Errorf("a hundred tries took %v", took)
	}
	p.clock.pass(365 * 24 * time.Hour)
	if _, err := p.login(number(0), goodPassword, ""); codeOf(err) != core.CodeRateLimited {
		t.Errorf("a stranger's try after a hundred failures: %v", err)
	}
	if _, err := p.login(number(0), goodPassword, set.DeviceToken); err != nil {
		t.Errorf("the known device: %v", err)
	}
	id := p.begin(number(0), "")
	if _, err := p.verify(stranger(), id, p.code(id)); err != nil {
		t.Fatalf("a code: %v", err)
	}
	if _, err := p.login(number(0), goodPassword, ""); err != nil {
		t.Errorf("a password after the code: %v", err)
	}
}
