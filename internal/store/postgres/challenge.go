package postgres

import (
	"bytes"
	"context"

	"github.com/countersign/countersign/internal/core"
)

// OpenChallenge implements core.Store. What is admitted takes one trip; the
// rest is looked at again.
func (s *Store) OpenChallenge(ctx context.Context, in core.OpenChallenge) (core.OpenChallengeResult, error) {
	if in.Challenge.SessionID == "" {
		opened, err := write(ctx, s, "opening a challenge", func(tx *tx, out *core.OpenChallengeResult) { tx.openAdmitted(in, out) })
		if err != nil || opened.Outcome == core.Done {
			return opened, err
		}
	}
	return write(ctx, s, "opening a challenge", func(tx *tx, out *core.OpenChallengeResult) { *out = tx.openChallenge(in) })
}

// openAdmitted opens a challenge ($1 to $37) where its begin key is new and the
// sends to its number are within their limits: $38 bucket, $39 the hour's and
// $40 the day's limit, $41 waits, $42 now, $43 and $44 the windows of the hour and
// of all that counts. It is Sends.Admit in SQL, but that it knows no spare. With
// the challenge come its message (18 parameters) and its event (10).
var openAdmitted = `WITH opened AS (INSERT INTO challenges (` + challengeNames + `) SELECT ` + challengeParameters + ` FROM (
		SELECT count(*) FILTER (WHERE m.created_at > $42::bigint - $43::bigint) AS hour, count(*) AS day,
			count(*) FILTER (WHERE m.created_at > $42::bigint - $43::bigint AND ` + unredeemed + `) AS waiting,
			max(m.created_at) FILTER (WHERE m.created_at > $42::bigint - $43::bigint AND ` + unredeemed + `) AS newest
		FROM messages m LEFT JOIN challenges c ON c.id = m.challenge_id
		WHERE m.phone_key = $4 AND m.bucket = $38 AND m.created_at > $42::bigint - $44::bigint AND ` + isSend + `) sent
	WHERE ($39::bigint <= 0 OR hour < $39) AND ($40::bigint <= 0 OR day < $40)
		AND (waiting = 0 OR cardinality($41::bigint[]) = 0 OR newest + ($41::bigint[])[least(waiting, cardinality($41::bigint[]))] <= $42)
		AND NOT EXISTS (SELECT FROM challenges WHERE begin_key = $29)
	RETURNING id, user_id, session_id, phone_masked, phone_key),
	queued AS (` + behind(44, insertMessage) + ` FROM opened),
	told AS (` + behind(62, completed("c.user_id", "c.session_id", "coalesce(u.phone_masked, c.phone_masked)", "coalesce(p.phone_key, c.phone_key)")+`
		FROM opened c LEFT JOIN users u ON u.id = c.user_id LEFT JOIN phones p ON p.user_id = u.id WHERE $1 <> ''`) + `)
	SELECT id FROM opened`

// openAdmitted opens a challenge that nothing speaks against, and else does
// nothing.
func (tx *tx) openAdmitted(in core.OpenChallenge, out *core.OpenChallengeResult) {
	waits := make([]int64, len(in.Sends.Waits))
	for i, wait := range in.Sends.Waits {
		waits[i] = wait.Milliseconds()
	}
	args := append(challengeValues(in.Challenge), in.Message.Bucket, in.Sends.Hour, in.Sends.Day,
		waits, in.Now, core.SendsHour, in.Sends.Window())
	args = append(args, messageValues(in.Message)...)
	args = append(args, tx.eventValues(in.Event)...)
	tx.holdNumbers(thisNumber, in.Challenge.Phone.Key, in.Now)
	tx.ask(openAdmitted, func(*row) {
		*out = core.OpenChallengeResult{Outcome: core.Done, Challenge: in.Challenge, Bucket: in.Message.Bucket}
		tx.queuedMessage, tx.queuedEvent = true, in.Event.ID != ""
	}, args...)
}

// openChallenge looks at all that may speak against a challenge.
func (tx *tx) openChallenge(in core.OpenChallenge) core.OpenChallengeResult {
	c := in.Challenge
	var session aSession
	var earlier core.Challenge
	var used bool
	var owner aUser
	tx.holdNumbers(thisNumber, c.Phone.Key, in.Now)
	if c.SessionID != "" {
		tx.acting(&session, c.SessionID)
	}
	if c.BeginKey != nil {
		tx.begunWith(&earlier, &used, c.BeginKey)
	}
	tx.user(&owner, byID, c.UserID)
	admitted := tx.admit(in.Message, in.Sends, in.Now)
	switch {
	case c.SessionID != "" && !session.alive(in.Now):
		return core.OpenChallengeResult{Outcome: core.SessionEnded}
	case used && earlier.CreatedAt.After(in.Now.Add(-in.KeyLife)):
		if !bytes.Equal(earlier.BeginBody, c.BeginBody) {
			return core.OpenChallengeResult{Outcome: core.KeyConflict}
		}
		return core.OpenChallengeResult{Outcome: core.Repeated, Challenge: earlier}
	case admitted.Refusal != "":
		return core.OpenChallengeResult{Outcome: core.Limited, RetryAt: admitted.RetryAt, Limit: admitted.Refusal}
	}
	if used { // long ago
		tx.exec("UPDATE challenges SET begin_key = NULL, begin_body = NULL WHERE id = $1", earlier.ID)
	}
	message := in.Message
	message.Bucket = admitted.Bucket
	tx.insertChallenge(c)
	tx.queue(message)
	tx.tell(in.Event, ofChallenge(owner.User, c), c.SessionID)
	return core.OpenChallengeResult{Outcome: core.Done, Challenge: c, Bucket: admitted.Bucket}
}

// ofChallenge is whom an event about a challenge tells of: its user, or where
// it has none, its number.
func ofChallenge(owner core.User, c core.Challenge) core.User {
	if owner.ID == "" {
		return core.User{ID: c.UserID, Phone: c.Phone}
	}
	return owner
}

// ResendChallenge implements core.Store.
func (s *Store) ResendChallenge(ctx context.Context, in core.ResendChallenge) (core.ResendChallengeResult, error) {
	return write(ctx, s, "resending a challenge", func(tx *tx, out *core.ResendChallengeResult) {
		var c core.Challenge
		var found bool
		var owner aUser
		tx.holdNumbers(numberOfChallenge, in.ID, in.Now)
		tx.holdChallenge(&c, &found, in.ID)
		tx.user(&owner, "SELECT u.id FROM challenges c JOIN users u ON u.id = c.user_id WHERE c.id = $1", in.ID)
		admitted := tx.admit(in.Message, in.Sends, in.Now)
		if !found {
			out.Outcome = core.NotFound
			return
		}
		out.Challenge = c
		if out.Outcome = resendable(c, in); out.Outcome != core.Done {
			return
		}
		if admitted.Refusal != "" {
			out.Outcome, out.RetryAt, out.Limit = core.Limited, admitted.RetryAt, admitted.Refusal
			return
		}
		message := in.Message
		message.Bucket = admitted.Bucket
		if c.Decoy {
			message.State = core.MessageWithheld
		}
		c.Resends++
		c.ResendAt, c.Channel = in.NextResendAt, in.Message.Channel
		tx.exec("UPDATE challenges SET resends = $1, resend_at = $2, channel = $3 WHERE id = $4", c.Resends, c.ResendAt, string(c.Channel), c.ID)
		tx.queue(message)
		tx.tell(in.Event, ofChallenge(owner.User, c), c.SessionID)
		out.Challenge, out.Bucket = c, admitted.Bucket
	})
}

func resendable(c core.Challenge, in core.ResendChallenge) core.Outcome {
	switch {
	case spent(c):
		return core.Spent
	case !in.Now.Before(c.ExpiresAt):
		return core.Expired
	case c.ResendAt.IsZero() || in.Now.Before(c.ResendAt) || c.Resends != in.Resends:
		return core.TooEarly
	}
	return core.Done
}

// spent tells whether a challenge takes no guess any more, whatever the time.
func spent(c core.Challenge) bool {
	return !c.RedeemedAt.IsZero() || !c.VoidedAt.IsZero() || c.GuessesLeft <= 0
}

// Challenge implements core.Store.
func (s *Store) Challenge(ctx context.Context, id string) (core.Challenge, error) {
	return find(ctx, s, "reading a challenge", func(tx *tx, out *core.Challenge, found *bool) { tx.challenge(out, found, id) })
}

// Begun implements core.Store.
func (s *Store) Begun(ctx context.Context, key []byte) (core.Challenge, error) {
	return find(ctx, s, "reading what a request began", func(tx *tx, out *core.Challenge, found *bool) { tx.begunWith(out, found, key) })
}

// begunWith queues the reading of the challenge that a key began; nil finds none.
func (tx *tx) begunWith(into *core.Challenge, found *bool, key []byte) {
	tx.ask("SELECT "+challengeColumns+" FROM challenges WHERE begin_key = $1", func(r *row) {
		r.scan(intoChallenge(into)...)
		*found = true
	}, key)
}

// The ways in which open challenges are voided: $1 is the time, $2 whose. The
// sealed text of a voided one can go at once: it is never sent again.
const (
	voidThese = "UPDATE challenges SET voided_at = $1, sealed = NULL WHERE id = ANY (ARRAY(SELECT id FROM challenges WHERE "
	stillOpen = " AND redeemed_at = 0 AND voided_at = 0 AND guesses_left > 0 AND expires_at > $1 ORDER BY id FOR NO KEY UPDATE))"

	voidOfUser       = voidThese + "user_id = $2 AND user_id <> ''" + stillOpen
	voidOfNumber     = voidThese + "phone_key = $2" + stillOpen
	voidSignups      = voidThese + "phone_key = $2 AND purpose = 'signup'" + stillOpen
	voidPhoneChanges = voidThese + "user_id = $2 AND user_id <> '' AND purpose = 'phone_change'" + stillOpen
)
