package storetest

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// The limits of these histories, which are short.
func fewCodes() core.CodeLimits {
	return core.CodeLimits{Strangers: 6, StrangersWindow: 24 * time.Hour, Device: 6, DeviceWindow: time.Hour}
}

func fewPasswords() core.PasswordLimits {
	return core.PasswordLimits{
		Free: 2, FirstDelay: time.Second, MaxDelay: 900 * time.Second, Close: 5, Device: 6, DeviceWindow: time.Hour,
	}
}

// failureAct is what a client does at a number.
type failureAct struct {
	what   string // try, fail, pass, unlock, wrong, right or read
	device bool   // on the device that is known
	after  time.Duration
}

// failureTold is what it is told.
type failureTold struct {
	outcome  core.Outcome
	failures int           // in a row
	retry    time.Duration // of a stranger that is locked
}

func (t failureTold) ended() core.Outcome { return t.outcome }

// passwordCount is one counter of passwords.
type passwordCount struct {
	inRow int
	until time.Duration
}

// failuresOf are a number's counters.
type failuresOf struct {
	strangers, device passwordCount
	codes             int // strangers' in the window
	codesInRow        int
}

// try counts a failure ahead, where the counter does not wait.
func (c passwordCount) try(in failureAct) (failureTold, passwordCount) {
	limits := fewPasswords()
	switch {
	case !in.device && c.inRow >= limits.Close:
		return failureTold{outcome: core.Locked, retry: in.after + limits.MaxDelay}, c
	case in.after < c.until && in.device:
		return failureTold{outcome: core.Locked}, c
	case in.after < c.until:
		return failureTold{outcome: core.Locked, retry: c.until}, c
	case in.device && c.inRow >= limits.Device: // all of them within the window
		return failureTold{outcome: core.Locked}, c
	}
	c.inRow, c.until = c.inRow+1, 0
	if c.inRow >= limits.Free {
		c.until = in.after + limits.FirstDelay<<(c.inRow-limits.Free)
	}
	return failureTold{outcome: core.Done, failures: c.inRow}, c
}

// failureOracle is invariants 3 and 10 for one number.
func failureOracle() oracle[failuresOf, failureAct, failureTold] {
	return oracle[failuresOf, failureAct, failureTold]{step: func(s failuresOf, in failureAct) (failureTold, failuresOf) {
		counter := &s.strangers // of this copy
		if in.device {
			counter = &s.device
		}
		told := failureTold{outcome: core.Done}
		switch in.what {
		case "try":
			told, *counter = counter.try(in)
		case "pass":
			*counter = passwordCount{}
		case "unlock":
			s = failuresOf{}
		case "read":
			told.failures = s.codesInRow
		case "wrong", "right":
			if s.codes >= fewCodes().Strangers {
				told.outcome = core.Locked
				break
			}
			if in.what == "wrong" {
				s.codes, s.codesInRow, told.outcome = s.codes+1, s.codesInRow+1, core.Wrong
				break
			}
			if s.codesInRow = 0; s.strangers.inRow >= fewPasswords().Close {
				s.strangers = passwordCount{}
			}
		}
		return told, s
	}}
}

// failureClients try passwords and codes at a number, rightly and wrongly, from
// a known device and as strangers, and unlock it.
func failureClients(w *world, r *rand.Rand) [][]act[failureAct, failureTold] {
	owner := w.account()
	unlock := core.UnlockNumber{PhoneKey: owner.Phone.Key, Now: w.now}
	often := func() act[failureAct, failureTold] {
		switch n := r.IntN(12); {
		case n < 6:
			return tryAct(w, r, owner)
		case n < 9:
			return codeGuess(w, owner, wrong)
		case n == 9:
			return codeGuess(w, owner, right)
		case n == 10:
			return always(failureAct{what: "read"}, func(s core.Store, _ failureAct) (failureTold, error) {
				got, err := s.Number(context.Background(), owner.Phone.Key, "")
				return failureTold{outcome: core.Done, failures: got.CodeFailures}, err
			})
		default:
			failed := core.FailPassword{Now: w.now, OnFailed: w.newEvent(event.FailedLogin)}
			return always(failureAct{what: "fail"}, func(s core.Store, _ failureAct) (failureTold, error) {
				return failureTold{outcome: core.Done}, s.FailPassword(context.Background(), failed)
			})
		}
	}
	late := func() act[failureAct, failureTold] {
		if r.IntN(3) == 0 {
			return always(failureAct{what: "unlock"}, func(s core.Store, _ failureAct) (failureTold, error) {
				return failureTold{outcome: core.Done}, s.UnlockNumber(context.Background(), unlock)
			})
		}
		passed := core.TriedPassword{PhoneKey: owner.Phone.Key}
		if r.IntN(2) == 0 {
			passed.DeviceID, passed.KnownDevice = owner.session.DeviceID, true
		}
		return always(failureAct{what: "pass", device: passed.KnownDevice}, func(s core.Store, _ failureAct) (failureTold, error) {
			return failureTold{outcome: core.Done}, s.PassPassword(context.Background(), passed)
		})
	}
	var programs [][]act[failureAct, failureTold]
	for range linearClients {
		programs = append(programs, shuffled(r, often, late))
	}
	return programs
}

func tryAct(w *world, r *rand.Rand, owner account) act[failureAct, failureTold] {
	asked := failureAct{what: "try", device: r.IntN(3) == 0}
	asked.after = []time.Duration{0, time.Second, 3 * time.Second, 20 * time.Second}[r.IntN(4)]
	in := core.TryPassword{PhoneKey: owner.Phone.Key, Limits: fewPasswords(), Now: w.now.Add(asked.after)}
	if asked.device {
		in.DeviceID = owner.session.DeviceID
	}
	began := w.now
	return always(asked, func(s core.Store, _ failureAct) (failureTold, error) {
		got, err := s.TryPassword(context.Background(), in)
		told := failureTold{outcome: got.Outcome}
		if got.Outcome == core.Done {
			told.failures = got.Failures
		} else if !asked.device {
			told.retry = got.RetryAt.Sub(began)
		}
		return told, err
	})
}

// codeGuess guesses at a challenge of its own, so that the number alone counts.
func codeGuess(w *world, owner account, code string) act[failureAct, failureTold] {
	c := w.beginFor(owner, core.PurposeLogin)
	in := w.redeemLogin(c)
	in.Guess = w.guess(c, code)
	in.Limits, in.CloseAt = fewCodes(), fewPasswords().Close
	return always(failureAct{what: code}, func(s core.Store, _ failureAct) (failureTold, error) {
		got, err := s.RedeemLogin(context.Background(), in)
		return failureTold{outcome: got.Outcome}, err
	})
}
