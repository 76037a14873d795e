package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// dueMessage is a queued message with what its challenge, if any, says of it.
type dueMessage struct {
	core.Message
	writtenAt int64
	text      []byte // the challenge's
	ended     bool
	before    []string // the providers of the challenge's earlier ones
}

// ClaimMessages implements core.Store.
func (s *Store) ClaimMessages(ctx context.Context, in core.ClaimMessages) (core.Claimed, error) {
	return write(ctx, s, "claiming messages", func(tx *tx, out *core.Claimed) {
		var last dueMessage
		till := tx.till(in.Budgets, in.Now)
		for len(out.Messages) < in.Limit {
			due := tx.dueAfter(last, in.Now, in.Limit-len(out.Messages))
			if len(due) == 0 {
				break
			}
			last = due[len(due)-1]
			till.open(due)
			for _, m := range due {
				if state := m.unsendable(in.Now); state != "" {
					tx.giveUp(m.ID, state, in.Now)
					if m.State != core.MessageWithheld {
						m.State, m.Sealed = state, nil
						out.GivenUp = append(out.GivenUp, m.Message)
					}
				} else if !till.reserve(m.Message) {
					tx.exec("UPDATE messages SET holder = '', due_at = $1, held = 2 WHERE id = $2", in.Now.Add(in.HoldFor), m.ID)
				} else {
					out.Messages = append(out.Messages, tx.lease(m, in.Claim))
				}
			}
		}
		till.close()
	})
}

const (
	// takesCode is whether a challenge c takes a code at a time ($1), and has its text.
	takesCode = "(c.sealed IS NOT NULL AND c.redeemed_at = 0 AND c.voided_at = 0 AND c.guesses_left > 0 AND c.expires_at > $1 AND c." + madeAfter + ")"

	// goneBy are the providers of a challenge's messages before m, the first one first.
	goneBy = `ARRAY(SELECT e.provider FROM messages e WHERE e.challenge_id = m.challenge_id AND e.provider <> ''
		AND (e.created_at, e.written_at, e.id) < (m.created_at, m.written_at, m.id) ORDER BY e.created_at, e.written_at, e.id)`
)

// dueAfter takes the oldest messages that are due and that nobody else is about
// to claim, behind one of them: those before it that are still due were looked
// at.
func (tx *tx) dueAfter(last dueMessage, now time.Time, limit int) (due []dueMessage) {
	collect(tx, &due, `SELECT m.written_at, c.sealed, c.id IS NOT NULL AND NOT `+takesCode+`, `+goneBy+`, `+messageColumns+`
		FROM messages m LEFT JOIN challenges c ON c.id = m.challenge_id
		WHERE m.settled_at = 0 AND m.due_at <= $1 AND (m.created_at, m.written_at, m.id) > ($2, $3, $4)
		ORDER BY m.created_at, m.written_at, m.id LIMIT $5 FOR NO KEY UPDATE OF m SKIP LOCKED`,
		func(r *row) (m dueMessage) {
			r.scan(append([]any{&m.writtenAt, &m.text, &m.ended, &m.before}, intoMessage(&m.Message)...)...)
			return m
		}, now, last.CreatedAt, last.writtenAt, last.ID, limit)
	tx.look()
	return due
}

// lease counts a try and gives the message to whoever claims it, with its text.
func (tx *tx) lease(m dueMessage, in core.Claim) core.Message {
	m.Tries++
	tx.exec(`UPDATE messages SET tries = $1, holder = $2, due_at = $3, reserved = $4, reserved_at = $5, held = least(held, 1) WHERE id = $6`,
		m.Tries, in.Holder, in.Now.Add(in.Lease), int64(priceOf(m.Message)), in.Now, m.ID)
	if m.ChallengeID != "" {
		m.Sealed, m.SealedFor = m.text, m.ChallengeID
	}
	for _, provider := range m.before {
		if !slices.Contains(m.Before, provider) {
			m.Before = append(m.Before, provider)
		}
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
	tx.exec("UPDATE messages SET state = $1, sealed = NULL, holder = '', settled_at = $2, held = least(held, 1) WHERE id = $3", string(state), now, id)
}

// dropUnsendable takes the text of a message's challenge once no resend is left
// and nothing of it is queued.
const dropUnsendable = `UPDATE challenges c SET sealed = NULL FROM messages m WHERE m.id = $1 AND c.id = m.challenge_id AND c.resend_at = 0
	AND NOT EXISTS (SELECT FROM messages WHERE challenge_id = c.id AND settled_at = 0)`

// Messages implements core.Store. The newest comes first. What is left of a
// challenge that is gone is told to nobody.
func (s *Store) Messages(ctx context.Context, phoneKey string, limit int) ([]core.Message, error) {
	return read(ctx, s, "reading messages", func(tx *tx, out *[]core.Message) {
		collect(tx, out, "SELECT "+messageColumns+` FROM messages m WHERE phone_key = $1
			AND (challenge_id IS NULL OR EXISTS (SELECT FROM challenges c WHERE c.id = m.challenge_id))
			ORDER BY written_at DESC LIMIT $2`,
			readMessage, phoneKey, limit)
	})
}
