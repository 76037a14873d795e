package sqlite

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// dueMessage is a queued message with what its challenge, if any, says of it.
type dueMessage struct {
	core.Message
	position int64
	text     []byte // the challenge's
	ended    bool
}

// ClaimMessages implements core.Store.
func (s *Store) ClaimMessages(ctx context.Context, in core.ClaimMessages) (core.Claimed, error) {
	return write(ctx, s, "claiming messages", func(tx *tx) (claimed core.Claimed) {
		var last dueMessage
		till := tx.till(in.Budgets, in.Now)
		for len(claimed.Messages) < in.Limit {
			due := tx.dueAfter(last, in.Now, in.Limit-len(claimed.Messages))
			if len(due) == 0 {
				break
			}
			last = due[len(due)-1]
			for _, m := range due {
				if state := m.unsendable(in.Now); state != "" {
					tx.giveUp(m.ID, state, in.Now)
					if m.State != core.MessageWithheld {
						m.State, m.Sealed = state, nil
						claimed.GivenUp = append(claimed.GivenUp, m.Message)
					}
				} else if !till.reserve(m.Message) {
					tx.exec("UPDATE messages SET holder = '', due_at = ?, held = 2 WHERE id = ?", in.Now.Add(in.HoldFor), m.ID)
				} else {
					claimed.Messages = append(claimed.Messages, tx.lease(m, in.Claim))
				}
			}
		}
		till.close()
		return claimed
	})
}

// dueAfter finds the oldest messages that are due, behind one of them: those
// before it that are still due were looked at.
func (tx *tx) dueAfter(last dueMessage, now time.Time, limit int) []dueMessage {
	return collect(tx, `SELECT m.position, c.sealed, c.id IS NOT NULL AND (c.sealed IS NULL OR c.redeemed_at > 0 OR c.voided_at > 0
			OR c.guesses_left <= 0 OR c.expires_at <= ?1 OR NOT c.`+madeAfter+`),
		m.id, m.challenge_id, m.user_id, m.purpose, m.channel, m.phone_key, m.phone_masked,
		m.sealed, m.sealed_for, m.state, m.tries, m.held, m.bucket, m.country, m.price, m.created_at, m.expires_at, m.request_id
		FROM messages m LEFT JOIN challenges c ON c.id = m.challenge_id
		WHERE m.settled_at = 0 AND m.due_at <= ?1 AND (m.created_at, m.position) > (?2, ?3)
		ORDER BY m.created_at, m.position LIMIT ?4`,
		func(r *row) dueMessage {
			return dueMessage{position: r.long(), text: r.blob(), ended: r.flag(), Message: readMessage(r)}
		}, now, last.CreatedAt, last.position, limit)
}

// lease counts a try and gives the message to whoever claims it, with its text.
func (tx *tx) lease(m dueMessage, in core.Claim) core.Message {
	m.Tries++
	tx.exec(`UPDATE messages SET tries = ?, holder = ?, due_at = ?, reserved = ?, reserved_at = ?, held = min(held, 1) WHERE id = ?`,
		m.Tries, in.Holder, in.Now.Add(in.Lease), int64(priceOf(m.Message)), in.Now, m.ID)
	if m.ChallengeID != "" {
		m.Sealed, m.SealedFor = m.text, m.ChallengeID
	}
	return m.Message
}

// unsendable tells what becomes of a due message that is not sent: "" if it is.
func (m dueMessage) unsendable(now time.Time) core.MessageState {
	switch {
	case m.ended || !now.Before(m.ExpiresAt):
		return core.MessageExpired
	case m.Tries >= core.MaxSendTries:
		return core.MessageFailed
	}
	return ""
}

// giveUp takes a message from the queue, and its text.
func (tx *tx) giveUp(id string, state core.MessageState, now time.Time) {
	tx.exec("UPDATE messages SET state = ?, sealed = NULL, holder = '', settled_at = ?, held = min(held, 1) WHERE id = ?", string(state), now, id)
}

// SettleMessage implements core.Store.
func (s *Store) SettleMessage(ctx context.Context, in core.SettleMessage) (core.Outcome, error) {
	return write(ctx, s, "settling a message", func(tx *tx) core.Outcome {
		var of core.User
		var challengeID, country string
		var reserved core.Money
		var claimedAt time.Time
		held := tx.one(`SELECT user_id, phone_key, phone_masked, challenge_id, country, reserved, reserved_at FROM messages
			WHERE id = ? AND holder = ? AND settled_at = 0`, func(r *row) {
			of.ID, of.Phone.Key, of.Phone.Masked, challengeID = r.text(), r.text(), r.text(), r.text()
			country, reserved, claimedAt = r.text(), core.Money(r.long()), r.time()
		}, in.ID, in.Holder)
		if !held {
			return core.NotHolder
		}
		if in.Cost != nil {
			tx.correct(country, reserved, *in.Cost, claimedAt)
		}
		if in.State == core.MessageQueued {
			tx.exec("UPDATE messages SET holder = '', due_at = ?, provider = ?, provider_ref = ? WHERE id = ?",
				in.RetryAt, in.Provider, in.ProviderRef, in.ID)
		} else {
			tx.exec(`UPDATE messages SET state = ?, sealed = NULL, holder = '', settled_at = ?, provider = ?, provider_ref = ?
				WHERE id = ?`, string(in.State), in.Now, in.Provider, in.ProviderRef, in.ID)
			tx.dropUnsendable(challengeID)
		}
		tx.tell(in.Event, of, "")
		return core.Done
	})
}

// dropUnsendable takes a challenge's text once no resend is left and nothing
// of it is queued.
func (tx *tx) dropUnsendable(challengeID string) {
	if challengeID != "" {
		tx.exec(`UPDATE challenges SET sealed = NULL WHERE id = ?1 AND resend_at = 0
			AND NOT EXISTS (SELECT 1 FROM messages WHERE challenge_id = ?1 AND settled_at = 0)`, challengeID)
	}
}

// Messages implements core.Store. The newest comes first.
func (s *Store) Messages(ctx context.Context, phoneKey string, limit int) ([]core.Message, error) {
	return read(ctx, s, "reading messages", func(tx *tx) []core.Message {
		return collect(tx, "SELECT "+messageColumns+" FROM messages WHERE phone_key = ? ORDER BY position DESC LIMIT ?",
			readMessage, phoneKey, limit)
	})
}
