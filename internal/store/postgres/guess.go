package postgres

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

// missed is the outcome of a judgement by which a guess is yet to be spent.
const missed core.Outcome = "missed"

// judgement is a guess while it is judged.
type judgement struct {
	core.Guess
	core.RedeemResult
	owner    aUser        // Challenge.UserID's; none where it is gone
	holder   aUser        // of a signup for nobody: who has its number by now
	bearer   core.Session // that the guess names
	deviceID string       // whose counter counts; "" for strangers'
}

// seen is what a judgement looks at, all in one trip.
type seen struct {
	challenge core.Challenge
	found     bool
	created   bool     // redeeming it made the account
	bearer    aSession // the session that the guess names
	opened    aSession // the session that redeeming it opened
	device    bool     // the challenge's device is its user's
	counters  []counter
}

// see takes the turns of the challenge's numbers and user, and the challenge,
// and then looks.
func (tx *tx) see(j *judgement, s *seen) {
	g := j.Guess
	tx.holdNumbers(numbersOfChallenge, g.ChallengeID, g.Now)
	tx.holdUser(userOfChallenge, g.ChallengeID)
	if g.SessionID != "" {
		tx.holdSession(&s.bearer, g.SessionID)
	}
	tx.holdChallenge(&s.challenge, &s.found, g.ChallengeID)
	tx.user(&j.owner, userOfChallenge, g.ChallengeID)
	tx.ask("SELECT account_created FROM challenges WHERE id = $1", func(r *row) { r.scan(&s.created) }, g.ChallengeID)
	if g.VerifyKey != nil {
		tx.ask("SELECT "+sessionColumns+", "+userColumns+sessionsOf+
			"WHERE s.id = (SELECT opened_session_id FROM challenges WHERE id = $1)", s.opened.read, g.ChallengeID)
	}
	tx.exists(&s.device, "SELECT FROM challenges c JOIN devices d ON d.id = c.device_id AND d.user_id = c.user_id WHERE c.id = $1", g.ChallengeID)
	collect(tx, &s.counters, "SELECT "+storedCounter+` FROM failures WHERE method = 'sms'
		AND phone_key = (SELECT phone_key FROM challenges WHERE id = $1)
		AND device_id IN ('', (SELECT device_id FROM challenges WHERE id = $1))`, func(r *row) (c counter) {
		c.read(r)
		return c
	}, g.ChallengeID)
}

// counter finds one of the counters seen, or gives a zero one.
func (s seen) counter(deviceID string) counter {
	found := counter{Failures: core.Failures{DeviceID: deviceID}}
	for _, each := range s.counters {
		if each.DeviceID == deviceID {
			found = each
		}
	}
	found.phoneKey, found.method = s.challenge.Phone.Key, bySMS
	return found
}

// judge claims a guess and judges it. Outcome is matched, or what to answer.
func (tx *tx) judge(g core.Guess, purpose core.Purpose) *judgement {
	j := &judgement{Guess: g}
	var s seen
	tx.see(j, &s)
	tx.look()
	j.weigh(s, purpose)
	if j.Outcome != core.NotFound && tx.mustHold(j.Challenge.Phone.Key) && j.Outcome == missed {
		tx.miss(j, s.counter(j.deviceID))
	}
	return j
}

// weigh judges a guess by what was seen, and changes nothing. Outcome is matched,
// missed, or what to answer.
func (j *judgement) weigh(s seen, purpose core.Purpose) {
	c, g := s.challenge, j.Guess
	if !s.found || c.Purpose != purpose || !begunBy(c, g.SessionID) {
		j.Outcome = core.NotFound
		return
	}
	j.Challenge, j.bearer = c, s.bearer.Session
	if c.UserID == "" {
		j.holder, j.owner = j.owner, aUser{}
	}
	switch {
	case g.SessionID != "" && !s.bearer.alive(g.Now):
		j.Outcome = core.SessionEnded
	case !c.RedeemedAt.IsZero():
		j.repeat(s)
	case sameKey(c, g):
		j.missedAgain()
	default:
		j.Outcome = over(c, g)
	}
	if j.Outcome != matched {
		return
	}
	if s.device && j.owner.Phone.Key == c.Phone.Key {
		j.deviceID = c.DeviceID
	}
	failures := s.counter(j.deviceID)
	if _, until := failures.CodeLock(g.Limits, g.Now); !until.IsZero() {
		j.Outcome, j.RetryAt = core.Locked, until
	} else if c.Decoy || !rightCode(c, g.CodeMACs) {
		j.Outcome = missed
	}
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
func left(c core.Challenge, g core.Guess) int { return max(0, c.GuessesLeft-withheld(g)) }

func withheld(g core.Guess) int {
	if g.Most <= 0 || g.Most >= core.MaxGuesses {
		return 0
	}
	return core.MaxGuesses - g.Most
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
func (j *judgement) repeat(s seen) {
	c, opened := j.Challenge, s.opened
	j.Outcome = core.Spent
	if !sameKey(c, j.Guess) {
		return
	}
	if !bytes.Equal(c.VerifyBody, j.VerifyBody) {
		j.Outcome = core.KeyConflict
		return
	}
	if !opened.alive(j.Now) || !rightCode(c, j.CodeMACs) || !j.Now.Before(c.RedeemedAt.Add(j.KeyLife)) {
		return
	}
	if c.Purpose == core.PurposePhoneChange {
		if opened.user.Phone.Key == c.Phone.Key {
			j.Outcome, j.User = core.Repeated, opened.user
		}
		return
	}
	if opened.Counter != c.OpenedCounter {
		return
	}
	j.Outcome, j.Session, j.User, j.Created = core.Repeated, opened.Session, opened.user, s.created
}

// miss counts a wrong code, of the challenge and of the number.
func (tx *tx) miss(j *judgement, failures counter) {
	j.spendGuess()
	c := &j.Challenge
	tx.exec("UPDATE challenges SET guesses_left = $1, sealed = $2, verify_key = $3, verify_body = $4 WHERE id = $5",
		c.GuessesLeft, c.Sealed, c.VerifyKey, c.VerifyBody, c.ID)
	failures.AddCode(j.Limits, j.Now)
	tx.save(failures)

	about := ofChallenge(j.owner.User, *c)
	tx.tell(j.OnWrong, about, c.SessionID)
	if count, until := failures.CodeLock(j.Limits, j.Now); !until.IsZero() {
		locked := j.OnLocked.With("failed_attempts", int64(count)).With("lock_seconds", secondsUntil(until, j.Now))
		tx.tell(locked, about, c.SessionID)
	}
}

// spendGuess is what a wrong code makes of its challenge.
func (j *judgement) spendGuess() {
	c := &j.Challenge
	c.GuessesLeft--
	if c.GuessesLeft == 0 {
		c.Sealed = nil
	}
	c.VerifyKey, c.VerifyBody = j.VerifyKey, j.VerifyBody
	j.Outcome, j.GuessesLeft = core.Wrong, left(*c, j.Guess)
}

func secondsUntil(until, now time.Time) int64 {
	return int64((until.Sub(now) + time.Second - 1) / time.Second)
}

// redeem spends a matched challenge on the session that it opens or renews, if any, and
// forgives a stranger's earlier failures. A profile and a password that waited
// go: they are the account's now, or nobody's (C-55).
func (tx *tx) redeem(j *judgement, opened string) {
	j.spend(opened)
	c := &j.Challenge
	tx.exec(`UPDATE challenges SET redeemed_at = $1, sealed = NULL,
		pending_name = '', pending_email = '', pending_locale = '', pending_password_hash = '',
		verify_key = $2, verify_body = $3, opened_session_id = $4, opened_counter = $5, account_created = $6 WHERE id = $7`,
		c.RedeemedAt, c.VerifyKey, c.VerifyBody, c.OpenedSessionID, c.OpenedCounter, j.Created, c.ID)
	if j.deviceID == "" {
		tx.forgive(j)
	}
}

// spend is what a right code makes of its challenge.
func (j *judgement) spend(opened string) {
	c := &j.Challenge
	c.RedeemedAt, c.Sealed, c.Pending = j.Now, nil, core.Pending{}
	c.VerifyKey, c.VerifyBody, c.OpenedSessionID = j.VerifyKey, j.VerifyBody, opened
}

// forgive sets back what strangers' failures have done to a number, once a
// stranger has proved to have it: the count since a success (C-11), not the
// window; and a number closed for passwords is open again.
func (tx *tx) forgive(j *judgement) {
	number := j.Challenge.Phone.Key
	tx.exec("UPDATE failures SET in_row = 0 WHERE phone_key = $1 AND device_id = '' AND method = 'sms'", number)
	if j.CloseAt <= 0 {
		return
	}
	of := ofChallenge(j.owner.User, j.Challenge)
	told := j.OnUnlocked
	fill(&told.UserID, of.ID)
	fill(&told.SessionID, j.Challenge.OpenedSessionID)
	fill(&told.PhoneNumber, of.Phone.Masked)
	fill(&told.PhonePseudonym, of.Phone.Key)
	tx.exec(`WITH reopened AS (DELETE FROM failures WHERE phone_key = $11 AND device_id = '' AND method = 'password' AND in_row >= $12
		RETURNING 1) `+insertEvent+`SELECT $1, $2::bigint, $3, $4, $5, $6, $7, $8::bigint, $9::boolean, $10::bytea FROM reopened WHERE $1 <> ''`,
		append(tx.eventValues(told), number, j.CloseAt)...)
	tx.queuedEvent = true
}

// standing tells whether the account that a matched challenge was begun for
// may still be entered by it: matched, Stale or Disabled. It sets User.
func (j *judgement) standing() core.Outcome {
	switch {
	case !j.owner.found || j.owner.Generation != j.Challenge.Generation:
		j.Outcome = core.Stale
	case j.owner.Disabled():
		j.Outcome, j.User = core.Disabled, j.owner.User
	default:
		j.User = j.owner.User
	}
	return j.Outcome
}
