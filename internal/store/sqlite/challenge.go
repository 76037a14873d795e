package sqlite

import (
	"bytes"
	"context"

	"github.com/countersign/countersign/internal/core"
)

// OpenChallenge implements core.Store.
func (s *Store) OpenChallenge(ctx context.Context, in core.OpenChallenge) (core.OpenChallengeResult, error) {
	return write(ctx, s, "opening a challenge", func(tx *tx) core.OpenChallengeResult {
		c := in.Challenge
		if c.SessionID != "" {
			if session, _, found := tx.session(c.SessionID); !found || !session.Alive(in.Now) {
				return core.OpenChallengeResult{Outcome: core.SessionEnded}
			}
		}
		earlier, used := tx.begunWith(c.BeginKey)
		if used && earlier.CreatedAt.After(in.Now.Add(-in.KeyLife)) {
			if !bytes.Equal(earlier.BeginBody, c.BeginBody) {
				return core.OpenChallengeResult{Outcome: core.KeyConflict}
			}
			return core.OpenChallengeResult{Outcome: core.Repeated, Challenge: earlier}
		}
		admitted := tx.admit(in.Message, in.Sends, in.Now)
		if admitted.Refusal != "" {
			return core.OpenChallengeResult{Outcome: core.Limited, RetryAt: admitted.RetryAt, Limit: admitted.Refusal}
		}
		if used { // long ago
			tx.exec("UPDATE challenges SET begin_key = NULL, begin_body = NULL WHERE id = ?", earlier.ID)
		}
		in.Message.Bucket = admitted.Bucket
		tx.insertChallenge(c)
		tx.queue(in.Message)
		owner, _ := tx.user(c.UserID)
		tx.tell(in.Event, ofChallenge(owner, c), c.SessionID)
		return core.OpenChallengeResult{Outcome: core.Done, Challenge: c, Bucket: admitted.Bucket}
	})
}

// begunWith finds the challenge that was begun with a key; nil is none.
func (tx *tx) begunWith(key []byte) (c core.Challenge, found bool) {
	if key == nil {
		return c, false
	}
	found = tx.one("SELECT "+challengeColumns+" FROM challenges WHERE begin_key = ?", func(r *row) { c = readChallenge(r) }, key)
	return c, found
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
	return write(ctx, s, "resending a challenge", func(tx *tx) core.ResendChallengeResult {
		c, found := tx.challenge(in.ID)
		if !found {
			return core.ResendChallengeResult{Outcome: core.NotFound}
		}
		if refusal := resendable(c, in); refusal != core.Done {
			return core.ResendChallengeResult{Outcome: refusal, Challenge: c}
		}
		admitted := tx.admit(in.Message, in.Sends, in.Now)
		if admitted.Refusal != "" {
			return core.ResendChallengeResult{Outcome: core.Limited, Challenge: c, RetryAt: admitted.RetryAt, Limit: admitted.Refusal}
		}
		in.Message.Bucket = admitted.Bucket
		c.Resends++
		c.ResendAt, c.Channel = in.NextResendAt, in.Message.Channel
		tx.exec("UPDATE challenges SET resends = ?, resend_at = ?, channel = ? WHERE id = ?", c.Resends, c.ResendAt, string(c.Channel), c.ID)
		if c.Decoy {
			in.Message.State = core.MessageWithheld
		}
		tx.queue(in.Message)
		owner, _ := tx.user(c.UserID)
		tx.tell(in.Event, ofChallenge(owner, c), c.SessionID)
		return core.ResendChallengeResult{Outcome: core.Done, Challenge: c, Bucket: admitted.Bucket}
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
	return find(ctx, s, "reading a challenge", func(tx *tx) (core.Challenge, bool) { return tx.challenge(id) })
}

// Begun implements core.Store.
func (s *Store) Begun(ctx context.Context, key []byte) (core.Challenge, error) {
	return find(ctx, s, "reading what a request began", func(tx *tx) (core.Challenge, bool) { return tx.begunWith(key) })
}

// The ways in which open challenges are voided: ?1 is the time, ?2 whose. The
// sealed text of a voided one can go at once: it is never sent again.
const (
	voidThem  = "UPDATE challenges SET voided_at = ?1, sealed = NULL WHERE "
	stillOpen = " AND redeemed_at = 0 AND voided_at = 0 AND guesses_left > 0 AND expires_at > ?1"

	voidOfUser       = voidThem + "user_id = ?2 AND user_id <> ''" + stillOpen
	voidOfNumber     = voidThem + "phone_key = ?2" + stillOpen
	voidSignups      = voidThem + "phone_key = ?2 AND purpose = 'signup'" + stillOpen
	voidPhoneChanges = voidThem + "user_id = ?2 AND user_id <> '' AND purpose = 'phone_change'" + stillOpen
)
