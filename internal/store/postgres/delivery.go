package postgres

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store"
)

// BeginAttempts implements core.Store. Lines are added to what is there, in one
// statement.
func (s *Store) BeginAttempts(ctx context.Context, in core.BeginAttempts) error {
	var ids, providers, lines []string
	for _, a := range in.Attempts {
		ids = append(ids, a.MessageID)
		providers = append(providers, a.Provider)
		lines = append(lines, store.Attempts(core.NewAttempt(a.Provider, a.Why, in.Now)))
	}
	if len(ids) == 0 || in.Holder == "" {
		return nil
	}
	_, err := write(ctx, s, "beginning attempts", func(tx *tx, _ *struct{}) {
		tx.exec(`UPDATE messages m SET attempts = m.attempts || b.line, provider = CASE m.provider WHEN '' THEN b.provider ELSE m.provider END
			FROM unnest($1::text[], $2::text[], $3::text[]) b (id, provider, line)
			WHERE m.id = ANY ($1::text[]) AND m.id = b.id AND m.holder = $4 AND m.settled_at = 0`, ids, providers, lines, in.Holder)
	})
	return err
}

// standing is what SettleMessage and RecordReceipt look at of a message m.
const standing = messageColumns + ", m.holder <> '' AND m.settled_at = 0, m.settled_at > 0, m.due_at, m.reserved, m.reserved_at"

func intoStanding(s *core.Standing) []any {
	return append(intoMessage(&s.Message), &s.Held, &s.Settled, at(&s.DueAt), (*int64)(&s.Reserved), at(&s.ReservedAt))
}

// keep writes how a message stands. Whoever held it does no longer, but where that
// one may still settle it.
func (tx *tx) keep(m core.Moved, held bool, now time.Time) {
	provider, ref := m.Route()
	tx.exec(`UPDATE messages SET state = $2, sealed = CASE WHEN $3::boolean THEN NULL ELSE sealed END,
			settled_at = CASE WHEN NOT $3 THEN 0 WHEN settled_at = 0 THEN $4 ELSE settled_at END, due_at = $5,
			holder = CASE WHEN $6::boolean THEN holder ELSE '' END, provider = $7, provider_ref = $8, attempts = $9 WHERE id = $1`,
		m.ID, string(m.State), m.Settled, now, m.DueAt, held, provider, ref, store.Attempts(m.Attempts...))
	if m.Settled {
		tx.exec(dropUnsendable, m.ID)
	}
	tx.correct(m.Country, m.Correction.From, m.Correction.To, m.Correction.At)
}

// SettleMessage implements core.Store.
func (s *Store) SettleMessage(ctx context.Context, in core.SettleMessage) (core.Outcome, error) {
	return write(ctx, s, "settling a message", func(tx *tx, out *core.Outcome) {
		var m core.Standing
		tx.exec("SELECT FROM challenges WHERE id = (SELECT challenge_id FROM messages WHERE id = $1) FOR NO KEY UPDATE", in.ID)
		held := tx.one("SELECT "+standing+" FROM messages m WHERE m.id = $1 AND m.holder = $2 AND m.holder <> '' FOR NO KEY UPDATE",
			func(r *row) { r.scan(intoStanding(&m)...) }, in.ID, in.Holder)
		if *out = doneOr(held, core.NotHolder); held {
			tx.keep(m.Settle(in), false, in.Now)
			tx.tell(in.Event, ownerOf(m.Message), "")
		}
	})
}

// ownerOf is whom an event about a message tells of.
func ownerOf(m core.Message) core.User {
	return core.User{ID: m.UserID, Phone: core.SealedPhone{Key: m.PhoneKey, Masked: m.PhoneMasked}}
}

// The messages that a receipt may tell of: of $2, or of $3 and $4.
const (
	receiptByID  = "$2"
	receiptByRef = "(SELECT id FROM messages WHERE provider = $2 AND provider_ref = $3 AND provider_ref <> '' ORDER BY id DESC LIMIT 1)"
)

// RecordReceipt implements core.Store.
func (s *Store) RecordReceipt(ctx context.Context, in core.RecordReceipt) (core.RecordReceiptResult, error) {
	which, args := receiptByID, []any{in.Now, in.MessageID}
	if in.MessageID == "" {
		which, args = receiptByRef, []any{in.Now, in.Provider, in.ProviderRef}
	}
	return write(ctx, s, "recording a receipt", func(tx *tx, out *core.RecordReceiptResult) {
		var m core.Standing
		tx.exec("SELECT FROM challenges WHERE $1::bigint > 0 AND id = (SELECT challenge_id FROM messages WHERE id = "+which+") FOR NO KEY UPDATE", args...)
		found := tx.one("SELECT coalesce("+takesCode+", false), "+standing+" FROM messages m LEFT JOIN challenges c ON c.id = m.challenge_id"+
			" WHERE m.id = "+which+" FOR NO KEY UPDATE OF m", func(r *row) {
			r.scan(append([]any{&m.Open}, intoStanding(&m)...)...)
		}, args...)
		if out.Outcome = core.NotFound; !found {
			return
		}
		got := m.Receive(in)
		*out = core.RecordReceiptResult{Outcome: got.Outcome, Message: got.Message, Requeued: got.Requeued}
		out.Message.Sealed = nil
		switch got.Outcome {
		case core.NotFound:
			out.Message = core.Message{}
		case core.Done:
			tx.keep(got.Moved, true, in.Now)
			tx.tell(got.Event(in), ownerOf(m.Message), "")
			tx.queuedMessage = tx.queuedMessage || got.Requeued
		}
	})
}

// FindMessages implements core.Store.
func (s *Store) FindMessages(ctx context.Context, q core.MessageQuery) ([]core.Message, error) {
	query, args := "SELECT "+messageColumns+" FROM messages m WHERE true", []any{}
	where := func(condition, value string) {
		if value != "" {
			args = append(args, value)
			query += " AND " + behind(len(args)-1, condition)
		}
	}
	where("m.id = $1", q.ID)
	where("m.request_id = $1", q.RequestID)
	where("m.user_id = $1", q.UserID)
	where("m.phone_key = $1", q.PhoneKey)
	where("m.provider = $1", q.Provider)
	if q.State != "" {
		query += " AND " + store.InState(q.State)
	}
	if !q.Since.IsZero() {
		where("m.id >= $1", keyring.FirstID(q.Since))
	}
	if !q.Until.IsZero() {
		where("m.id < $1", keyring.FirstID(q.Until))
	}
	where("m.id < $1", q.Before)
	args = append(args, q.Limit)
	query += behind(len(args)-1, " ORDER BY m.id DESC LIMIT $1")
	return read(ctx, s, "finding messages", func(tx *tx, out *[]core.Message) {
		collect(tx, out, query, func(r *row) core.Message {
			m := readMessage(r)
			m.Sealed = nil
			return m
		}, args...)
	})
}

// Routes implements core.Store.
func (s *Store) Routes(ctx context.Context, q core.RouteQuery) ([]core.RouteStat, error) {
	sent, err := read(ctx, s, "reading how messages went", func(tx *tx, out *[]core.Routed) {
		collect(tx, out, `SELECT m.challenge_id, m.channel, m.country, m.prefix_key, m.attempts,
				coalesce((SELECT c.redeemed_at > 0 FROM challenges c WHERE c.id = m.challenge_id), false)
			FROM messages m WHERE m.id >= $1 AND m.id < $2 AND m.challenge_id IS NOT NULL AND m.state <> 'withheld'
			ORDER BY m.id DESC LIMIT $3`, func(r *row) (m core.Routed) {
			r.scan(&m.ChallengeID, (*string)(&m.Channel), &m.Country, &m.PrefixKey, (*attempts)(&m.Attempts), &m.Redeemed)
			return m
		}, keyring.FirstID(q.Since), keyring.FirstID(q.Until), q.Most)
	})
	return core.RouteStats(sent), err
}
