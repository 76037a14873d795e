package sqlite

import (
	"bytes"
	"crypto/subtle"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// The methods by which failures are counted.
const (
	bySMS      = "sms"
	byPassword = "password"
)

// matched is the outcome of a judgement that leaves the rest to its
// operation: the code is right, and nothing is written yet.
const matched core.Outcome = ""

// judgement is a guess while it is judged.
type judgement struct {
	core.Guess
	core.RedeemResult
	owner    core.User // Challenge.UserID's; zero where it is gone
	deviceID string    // whose counter counts; "" for strangers'
}

// judge claims a guess and judges it. Outcome is matched, or what to answer.
func (tx *tx) judge(g core.Guess, purpose core.Purpose) *judgement {
	j := &judgement{Guess: g}
	c, found := tx.challenge(g.ChallengeID)
	if !found || c.Purpose != purpose || !begunBy(c, g.SessionID) {
		j.Outcome = core.NotFound
		return j
	}
	j.Challenge = c
	if g.SessionID != "" {
		if session, _, found := tx.session(g.SessionID); !found || !session.Alive(g.Now) {
			j.Outcome = core.SessionEnded
			return j
		}
	}
	if !c.RedeemedAt.IsZero() {
		tx.repeat(j)
		return j
	}
	if sameKey(c, g) {
		j.missedAgain()
		return j
	}
	if j.Outcome = over(c, g); j.Outcome != "" {
		return j
	}
	j.owner, _ = tx.user(c.UserID)
	if j.owner.Phone.Key == c.Phone.Key {
		j.deviceID = tx.knownDevice(c.DeviceID, j.owner.ID)
	}
	failures := tx.counter(c.Phone.Key, j.deviceID, bySMS)
	if _, until := failures.CodeLock(g.Limits, g.Now); !until.IsZero() {
		j.Outcome, j.RetryAt = core.Locked, until
		return j
	}
	if c.Decoy || !rightCode(c, g.CodeMACs) {
		tx.miss(j, failures)
	}
	return j
}

// begunBy tells whether a session may redeem a challenge. What a session began
// needs that session, also where the guess names none.
func begunBy(c core.Challenge, sessionID string) bool {
	needed := c.Purpose == core.PurposePhoneChange || c.Purpose == core.PurposeReauthentication
	return c.SessionID == sessionID || (sessionID == "" && !needed)
}

// over tells how a challenge that nobody redeemed has ended; "" if it has not.
func over(c core.Challenge, g core.Guess) core.Outcome {
	switch {
	case spent(c), left(c, g) == 0:
		return core.Spent
	case !g.Now.Before(c.ExpiresAt):
		return core.Expired
	}
	return ""
}

// left is how many guesses of a challenge are evaluated yet: of those that it
// has, fewer where a guess says so.
func left(c core.Challenge, g core.Guess) int {
	if g.Most <= 0 || g.Most >= core.MaxGuesses {
		return c.GuessesLeft
	}
	return max(0, c.GuessesLeft-(core.MaxGuesses-g.Most))
}

// rightCode compares with each key's MAC, always with all of them.
func rightCode(c core.Challenge, macs [][]byte) bool {
	equal := 0
	for _, mac := range macs {
		equal |= subtle.ConstantTimeCompare(c.CodeMAC, mac)
	}
	return equal == 1 && len(c.CodeMAC) > 0
}

// sameKey tells whether the verify judged last came with the same key.
func sameKey(c core.Challenge, g core.Guess) bool {
	return g.VerifyKey != nil && bytes.Equal(c.VerifyKey, g.VerifyKey)
}

// missedAgain answers a wrong guess whose answer was lost as before.
func (j *judgement) missedAgain() {
	j.Outcome = core.KeyConflict
	if bytes.Equal(j.Challenge.VerifyBody, j.VerifyBody) {
		j.Outcome, j.GuessesLeft = core.Wrong, left(j.Challenge, j.Guess)
	}
}

// repeat answers for a challenge that was redeemed before: the same again to
// the same request, while nobody has used what it gave.
func (tx *tx) repeat(j *judgement) {
	c := j.Challenge
	j.Outcome = core.Spent
	if !sameKey(c, j.Guess) {
		return
	}
	if !bytes.Equal(c.VerifyBody, j.VerifyBody) {
		j.Outcome = core.KeyConflict
		return
	}
	session, user, found := tx.session(c.OpenedSessionID)
	if !found || !session.Alive(j.Now) || !rightCode(c, j.CodeMACs) || !j.Now.Before(c.RedeemedAt.Add(j.KeyLife)) {
		return
	}
	if c.Purpose == core.PurposePhoneChange {
		if user.Phone.Key == c.Phone.Key {
			j.Outcome, j.User = core.Repeated, user
		}
		return
	}
	if session.Counter != c.OpenedCounter {
		return
	}
	j.Outcome, j.Session, j.User = core.Repeated, session, user
	j.Created = tx.exists("SELECT 1 FROM challenges WHERE id = ? AND account_created = 1", c.ID)
}

// miss counts a wrong code, of the challenge and of the number.
func (tx *tx) miss(j *judgement, failures counter) {
	c := &j.Challenge
	c.GuessesLeft--
	if c.GuessesLeft == 0 {
		c.Sealed = nil
	}
	c.VerifyKey, c.VerifyBody = j.VerifyKey, j.VerifyBody
	tx.exec("UPDATE challenges SET guesses_left = ?, sealed = ?, verify_key = ?, verify_body = ? WHERE id = ?",
		c.GuessesLeft, c.Sealed, c.VerifyKey, c.VerifyBody, c.ID)
	failures.AddCode(j.Limits, j.Now)
	tx.save(failures)

	about := ofChallenge(j.owner, *c)
	tx.tell(j.OnWrong, about, c.SessionID)
	if count, until := failures.CodeLock(j.Limits, j.Now); !until.IsZero() {
		locked := j.OnLocked.With("failed_attempts", int64(count)).With("lock_seconds", secondsUntil(until, j.Now))
		tx.tell(locked, about, c.SessionID)
	}
	j.Outcome, j.GuessesLeft = core.Wrong, left(*c, j.Guess)
}

func secondsUntil(until, now time.Time) int64 {
	return int64((until.Sub(now) + time.Second - 1) / time.Second)
}

// redeem spends a matched challenge on the session that it opens or renews, if any, and
// forgives a stranger's earlier failures. A profile and a password that waited
// go: they are the account's now, or nobody's (C-55).
func (tx *tx) redeem(j *judgement, opened string) {
	c := &j.Challenge
	c.RedeemedAt, c.Sealed, c.Pending = j.Now, nil, core.Pending{}
	c.VerifyKey, c.VerifyBody, c.OpenedSessionID = j.VerifyKey, j.VerifyBody, opened
	tx.exec(`UPDATE challenges SET redeemed_at = ?, sealed = NULL,
		pending_name = '', pending_email = '', pending_locale = '', pending_password_hash = '',
		verify_key = ?, verify_body = ?, opened_session_id = ?, opened_counter = ?, account_created = ? WHERE id = ?`,
		c.RedeemedAt, c.VerifyKey, c.VerifyBody, c.OpenedSessionID, c.OpenedCounter, j.Created, c.ID)
	if j.deviceID == "" {
		tx.forgive(j)
	}
}

// forgive sets back what strangers' failures have done to a number, once a
// stranger has proved to have it: the count since a success (C-11), not the
// window; and a number closed for passwords is open again.
func (tx *tx) forgive(j *judgement) {
	number := j.Challenge.Phone.Key
	tx.exec("UPDATE failures SET in_row = 0 WHERE phone_key = ? AND device_id = '' AND method = 'sms'", number)
	if j.CloseAt <= 0 {
		return
	}
	reopened := tx.exec(`DELETE FROM failures WHERE phone_key = ? AND device_id = '' AND method = 'password' AND in_row >= ?`,
		number, j.CloseAt)
	if reopened > 0 {
		tx.tell(j.OnUnlocked, ofChallenge(j.owner, j.Challenge), j.Challenge.OpenedSessionID)
	}
}

// standing tells whether the account that a matched challenge was begun for
// may still be entered by it: matched, Stale or Disabled. It sets User.
func (j *judgement) standing() core.Outcome {
	switch {
	case j.owner.ID == "" || j.owner.Generation != j.Challenge.Generation:
		j.Outcome = core.Stale
	case j.owner.Disabled():
		j.Outcome, j.User = core.Disabled, j.owner
	default:
		j.User = j.owner
	}
	return j.Outcome
}
