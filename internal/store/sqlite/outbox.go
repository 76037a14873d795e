package sqlite

import (
	"context"
	"slices"
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

// takesCode is whether a challenge c takes a code at a time (?1), and has its text.
const takesCode = "(c.sealed IS NOT NULL AND c.redeemed_at = 0 AND c.voided_at = 0 AND c.guesses_left > 0 AND c.expires_at > ?1 AND c." + madeAfter + ")"

// dueAfter finds the oldest messages that are due, behind one of them: those
// before it that are still due were looked at.
func (tx *tx) dueAfter(last dueMessage, now time.Time, limit int) []dueMessage {
	return collect(tx, `SELECT m.position, c.sealed, c.id IS NOT NULL AND NOT `+takesCode+`, `+messageColumns+`
		FROM messages m LEFT JOIN challenges c ON c.id = m.challenge_id
		WHERE m.settled_at = 0 AND m.due_at <= ?1 AND (m.created_at, m.position) > (?2, ?3)
		ORDER BY m.created_at, m.position LIMIT ?4`,
		func(r *row) dueMessage {
			return dueMessage{position: r.long(), text: r.blob(), ended: r.flag(), Message: tx.readMessage(r)}
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
	tx.all("SELECT provider FROM messages WHERE challenge_id = ? AND provider <> '' AND position < ? ORDER BY position", func(r *row) {
		if provider := r.text(); !slices.Contains(m.Before, provider) {
			m.Before = append(m.Before, provider)
		}
	}, m.ChallengeID, m.position)
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
		return collect(tx, "SELECT "+messageColumns+" FROM messages m WHERE phone_key = ? ORDER BY position DESC LIMIT ?",
			tx.readMessage, phoneKey, limit)
	})
}
