package postgres

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// The turns that an operation takes before it looks, in the order that doc.go
// gives. Each statement here is queued: it holds before whatever is asked after it.

// whoseNumbers are the ways to say whose turns holdNumbers takes.
const (
	thisNumber             = "SELECT $1::text AS phone_key"
	numberOfUser           = "SELECT phone_key FROM phones WHERE user_id = $1"
	numberOfSession        = "SELECT p.phone_key FROM sessions s JOIN phones p ON p.user_id = s.user_id WHERE s.id = $1"
	numbersOfChallenge     = "SELECT phone_key FROM challenges WHERE id = $1 UNION " + numberOfChallengesUser
	numberOfChallenge      = "SELECT phone_key FROM challenges WHERE id = $1"
	numberOfChallengesUser = "SELECT p.phone_key FROM challenges c JOIN phones p ON p.user_id = c.user_id WHERE c.id = $1"
)

// holdNumbers takes the turns of numbers. A number without a row gets one.
func (tx *tx) holdNumbers(whose, id string, now time.Time) {
	tx.ask(`INSERT INTO numbers AS n (phone_key, used_on) SELECT phone_key, $2 FROM (`+whose+`) w
		WHERE phone_key <> '' ORDER BY phone_key
		ON CONFLICT (phone_key) DO UPDATE SET used_on = greatest(n.used_on, excluded.used_on) RETURNING phone_key`, func(r *row) {
		var key string
		r.scan(&key)
		if tx.numbers == nil {
			tx.numbers = map[string]bool{}
		}
		tx.numbers[key] = true
	}, id, now.UTC().Truncate(24*time.Hour))
}

// mustHold makes the operation look again where a number whose turn it needs is
// not the one that it took: a user has moved meanwhile.
func (tx *tx) mustHold(number string) bool {
	if tx.err == nil && !tx.numbers[number] {
		tx.err = errLookAgain
	}
	return tx.err == nil
}

// whoseUser are the ways to say whose turn holdUser takes.
const (
	userOfSession   = "SELECT user_id FROM sessions WHERE id = $1"
	userOfChallenge = `SELECT coalesce(nullif(c.user_id, ''), p.user_id) FROM challenges c
		LEFT JOIN phones p ON p.phone_key = c.phone_key AND c.purpose = 'signup' WHERE c.id = $1`
	thisUser = "SELECT $1::text"
)

// holdUser takes a user's turn, if there is that user.
func (tx *tx) holdUser(whose, id string) {
	tx.exec("SELECT FROM users WHERE id = ("+whose+") FOR NO KEY UPDATE", id)
}

// holdSession takes a session, and reads it and its user.
func (tx *tx) holdSession(into *aSession, id string) {
	tx.ask("SELECT "+sessionColumns+", "+userColumns+sessionsOf+"WHERE s.id = $1 FOR NO KEY UPDATE OF s", into.read, id)
}

// acting takes the turn of the user whose session an operation acts for, and the
// session.
func (tx *tx) acting(into *aSession, id string) {
	tx.holdUser(userOfSession, id)
	tx.holdSession(into, id)
}

// alive tells whether the session acted for still lives.
func (s *aSession) alive(now time.Time) bool { return s.found && s.Alive(now) }

// holdChallenge takes a challenge, and reads it.
func (tx *tx) holdChallenge(into *core.Challenge, found *bool, id string) {
	tx.ask("SELECT "+challengeColumns+" FROM challenges WHERE id = $1 FOR NO KEY UPDATE", func(r *row) {
		r.scan(intoChallenge(into)...)
		*found = true
	}, id)
}

// The rows of turns.
const (
	turnEvents  = "events"
	turnTill    = "till"
	turnAPIKeys = "api_keys"

	turnPartitions = "partitions"
)

// holdTurn takes one of turns.
func (tx *tx) holdTurn(name string) {
	tx.exec("SELECT FROM turns WHERE name = $1 FOR NO KEY UPDATE", name)
}
