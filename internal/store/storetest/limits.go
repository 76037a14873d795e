package storetest

import (
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// How failed codes are counted and bounded: steps 4 to 6 of core.Guess.
func limits(f flow) {
	f.shows("C40 strangers have 30 failures in any 24 hours", limitOfStrangers)
	f.shows("C62 a locked number judges and counts nothing", lockedJudgesNothing)
	f.shows("C07 no new challenge resets the count", limitOverChallenges)
	f.shows("C42 a known device has 10 failures an hour of its own", limitOfDevice)
	f.shows("C33 only the user's own device counts apart", limitOfOtherDevice)
	f.shows("C11 a stranger's success sets the count back, not the window", successSetsBack)
	f.shows("a device's success leaves the strangers' count", deviceSuccess)
	f.shows("C36 without limits failures count and never lock", limitZero)
	f.shows("a spent or expired challenge is told before a lock", lockComesLater)
	f.shows("C41 a code reopens a number closed for passwords", codeReopens)
	f.shows("C42 a code leaves a number that is not closed", codeLeavesPasswords)
}

// fail types n wrong codes for logins of the account, each a step later, under
// the limits and on a device ("" for a stranger).
func (w *world) fail(a account, n int, step time.Duration, l core.CodeLimits, deviceID string) {
	w.t.Helper()
	for n > 0 {
		c := w.loginOn(a, deviceID)
		for range min(n, core.MaxGuesses) {
			g := quiet(w.guess(c, wrong))
			g.Limits = l
			w.outcome(judgeLogin(w, c, g).Outcome, core.Wrong)
			w.advance(step)
			n--
		}
	}
}

func (w *world) loginOn(a account, deviceID string) core.Challenge {
	w.t.Helper()
	c := w.challengeFor(a, core.PurposeLogin)
	c.DeviceID = deviceID
	return w.begin(c)
}

func limitOfStrangers(w *world) {
	owner := w.account()
	first := w.now
	w.fail(owner, 29, time.Second, codeLimits(), "")
	c := w.loginOn(owner, "")
	w.events()
	w.advance(500 * time.Millisecond)
	w.outcome(judgeLogin(w, c, w.guess(c, wrong)).Outcome, core.Wrong) // the 30th
	told := w.wrote(event.CodeFailed, event.AccountLocked)[event.AccountLocked]
	equal(w, "failed_attempts", told.Attributes["failed_attempts"], any(int64(30)))
	wait := 24*time.Hour - 29*time.Second // less half a second, rounded up
	equal(w, "lock_seconds", told.Attributes["lock_seconds"], any(int64(wait/time.Second)))

	got := judgeLogin(w, c, w.guess(c, right))
	w.outcome(got.Outcome, core.Locked)
	equal(w, "retry at", got.RetryAt, first.Add(24*time.Hour))
	w.setClock(first.Add(24*time.Hour - time.Millisecond))
	c = w.loginOn(owner, "")
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Locked)
	w.advance(time.Millisecond)
	w.outcome(judgeLogin(w, c, w.guess(c, wrong)).Outcome, core.Wrong) // one has left the window
	got = judgeLogin(w, c, w.guess(c, right))
	w.outcome(got.Outcome, core.Locked)
	equal(w, "retry at", got.RetryAt, first.Add(24*time.Hour+time.Second))
	w.advance(time.Second)
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Done)
}

func lockedJudgesNothing(w *world) {
	owner := w.account()
	w.fail(owner, 30, time.Second, codeLimits(), "")
	for name, purpose := range map[string]core.Purpose{"signup": core.PurposeSignup, "login": core.PurposeLogin, "matched reset": core.PurposePasswordReset, "reset": core.PurposePasswordReset} {
		c := w.beginFor(owner, purpose)
		unchanged := w.watch(watched{user: owner.ID, phone: owner.Phone.Key, challenges: []string{c.ID}})
		for _, code := range []string{right, wrong} {
			got := judgedBy()[name].judge(w, c, w.guess(c, code))
			w.outcome(got.Outcome, core.Locked)
			equal(w, "the challenge as it stands", got.Challenge, c)
		}
		unchanged()
	}
}

func limitOverChallenges(w *world) {
	owner := w.account()
	for range 10 {
		c := w.loginOn(owner, "")
		for range 3 {
			w.outcome(w.guessWrong(c).Outcome, core.Wrong)
		}
	}
	c := w.loginOn(owner, "")
	w.outcome(w.guessWrong(c).Outcome, core.Locked)
	equal(w, "failures of the number", w.number(owner.Phone.Key).CodeFailures, 30)
}

func limitOfDevice(w *world) {
	owner := w.account()
	device := owner.session.DeviceID
	first := w.now
	w.fail(owner, 10, time.Second, codeLimits(), device)
	equal(w, "strangers' failures", w.number(owner.Phone.Key).CodeFailures, 0)
	c := w.loginOn(owner, device)
	got := judgeLogin(w, c, w.guess(c, right))
	w.outcome(got.Outcome, core.Locked)
	equal(w, "retry at", got.RetryAt, first.Add(time.Hour))
	stranger := w.loginOn(owner, "")
	w.outcome(judgeLogin(w, stranger, w.guess(stranger, right)).Outcome, core.Done)

	w.setClock(first.Add(time.Hour - time.Millisecond))
	c = w.loginOn(owner, device)
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Locked)
	w.advance(time.Millisecond)
	w.fail(owner, 1, 0, codeLimits(), device)

	w.fail(owner, 30, 0, codeLimits(), "") // strangers burn theirs
	w.advance(time.Second)
	c = w.loginOn(owner, device)
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Done)
}

func limitOfOtherDevice(w *world) {
	owner, other := w.account(), w.account()
	w.fail(owner, 3, 0, codeLimits(), other.session.DeviceID)
	equal(w, "strangers' failures, by another's device", w.number(owner.Phone.Key).CodeFailures, 3)
	w.fail(owner, 2, 0, codeLimits(), w.id())
	equal(w, "strangers' failures, by an unknown device", w.number(owner.Phone.Key).CodeFailures, 5)

	c := w.loginOn(owner, owner.session.DeviceID)
	nobodys := w.newChallenge(core.PurposeLogin, owner.Phone)
	nobodys.DeviceID, nobodys.Decoy = owner.session.DeviceID, true
	nobodys = w.begin(nobodys) // begun for no account, so the device is not its user's
	w.guessWrong(nobodys)
	equal(w, "strangers' failures, begun for nobody", w.number(owner.Phone.Key).CodeFailures, 6)
	w.guessWrong(c)
	equal(w, "strangers' failures, by the own device", w.number(owner.Phone.Key).CodeFailures, 6)

	moves := w.challengeFor(other, core.PurposePhoneChange) // the other would have the owner's number
	moves.Phone, moves.SessionID, moves.DeviceID = owner.Phone, other.session.ID, other.session.DeviceID
	moves = w.begin(moves)
	w.outcome(judgePhoneChange(w, moves, quiet(w.guess(moves, wrong))).Outcome, core.Wrong)
	equal(w, "strangers' failures, by another's device that would move here", w.number(owner.Phone.Key).CodeFailures, 7)
	w.endAll(owner) // the device is gone, and with it its privilege
	w.fail(owner, 1, 0, codeLimits(), owner.session.DeviceID)
	equal(w, "strangers' failures, by the device that was", w.number(owner.Phone.Key).CodeFailures, 8)
}

func successSetsBack(w *world) {
	owner := w.account()
	first := w.now
	w.fail(owner, 29, time.Second, codeLimits(), "")
	c := w.loginOn(owner, "")
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Done)
	equal(w, "failures since a success", w.number(owner.Phone.Key).CodeFailures, 0)

	w.fail(owner, 1, 0, codeLimits(), "")
	equal(w, "failures since a success", w.number(owner.Phone.Key).CodeFailures, 1)
	c = w.loginOn(owner, "")
	got := judgeLogin(w, c, w.guess(c, right))
	w.outcome(got.Outcome, core.Locked)
	equal(w, "retry at", got.RetryAt, first.Add(24*time.Hour))
}

func deviceSuccess(w *world) {
	owner := w.account()
	w.fail(owner, 4, 0, codeLimits(), "")
	c := w.loginOn(owner, owner.session.DeviceID)
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Done)
	equal(w, "strangers' failures", w.number(owner.Phone.Key).CodeFailures, 4)
}

func limitZero(w *world) {
	owner := w.account()
	c := w.loginOn(owner, "")
	w.events()
	for i := range 8 {
		if i == core.MaxGuesses {
			c = w.loginOn(owner, "")
		}
		g := w.guess(c, wrong)
		g.Limits = core.CodeLimits{}
		w.outcome(judgeLogin(w, c, g).Outcome, core.Wrong)
		w.wrote(event.CodeFailed)
	}
	equal(w, "failures of the number", w.number(owner.Phone.Key).CodeFailures, 8)
	g := w.guess(c, right)
	g.Limits = core.CodeLimits{}
	w.outcome(judgeLogin(w, c, g).Outcome, core.Done)
}

func lockComesLater(w *world) {
	owner := w.account()
	expired, redeemed, exhausted := w.loginOn(owner, ""), w.loginOn(owner, ""), w.loginOn(owner, "")
	w.outcome(judgeLogin(w, redeemed, w.guess(redeemed, right)).Outcome, core.Done)
	for range core.MaxGuesses {
		w.guessWrong(exhausted)
	}
	w.fail(owner, 30-core.MaxGuesses, 0, codeLimits(), "")
	w.outcome(judgeLogin(w, redeemed, w.guess(redeemed, right)).Outcome, core.Spent)
	w.outcome(judgeLogin(w, exhausted, w.guess(exhausted, right)).Outcome, core.Spent)
	w.outcome(judgeLogin(w, expired, w.guess(expired, right)).Outcome, core.Locked)
	w.setClock(expired.ExpiresAt)
	w.outcome(judgeLogin(w, expired, w.guess(expired, right)).Outcome, core.Expired)
}

func codeReopens(w *world) {
	owner := w.account()
	w.closeNumber(owner.Phone.Key)
	w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Locked)
	c := w.loginOn(owner, "")
	w.events()
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Done)
	w.wrote(event.SuccessfulLogin, event.AccountUnlocked)
	got := w.tryPassword(owner.Phone.Key, "")
	w.outcome(got.Outcome, core.Done)
	equal(w, "failures in a row", got.Failures, 1)
}

func codeLeavesPasswords(w *world) {
	owner := w.account()
	w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Done)
	w.outcome(w.tryPassword(owner.Phone.Key, "").Outcome, core.Done)
	c := w.loginOn(owner, "")
	w.events()
	w.outcome(judgeLogin(w, c, w.guess(c, right)).Outcome, core.Done)
	w.wrote(event.SuccessfulLogin)
	equal(w, "failures in a row", w.tryPassword(owner.Phone.Key, "").Failures, 3)
}
