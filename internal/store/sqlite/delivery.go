package sqlite

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store"
)

// BeginAttempts implements core.Store.
func (s *Store) BeginAttempts(ctx context.Context, in core.BeginAttempts) error {
	if len(in.Attempts) == 0 || in.Holder == "" {
		return nil
	}
	_, err := write(ctx, s, "beginning attempts", func(tx *tx) struct{} {
		for _, a := range in.Attempts {
			tx.exec(`UPDATE messages SET attempts = attempts || ?, provider = iif(provider = '', ?, provider)
				WHERE id = ? AND holder = ? AND settled_at = 0`,
				store.Attempts(core.NewAttempt(a.Provider, a.Why, in.Now)), a.Provider, a.MessageID, in.Holder)
		}
		return struct{}{}
	})
	return err
}

// standing is what SettleMessage and RecordReceipt look at of a message m.
const standing = messageColumns + ", m.holder <> '' AND m.settled_at = 0, m.settled_at > 0, m.due_at, m.reserved, m.reserved_at"

func (tx *tx) readStanding(r *row) core.Standing {
	return core.Standing{
		Message: tx.readMessage(r), Held: r.flag(), Settled: r.flag(), DueAt: r.time(), Reserved: core.Money(r.long()), ReservedAt: r.time(),
	}
}

// keep writes how a message stands. Whoever held it does no longer, but where that
// one may still settle it.
func (tx *tx) keep(m core.Moved, held bool, now time.Time) {
	provider, ref := m.Route()
	tx.exec(`UPDATE messages SET state = ?2, sealed = iif(?3, NULL, sealed),
			settled_at = iif(NOT ?3, 0, iif(settled_at = 0, ?4, settled_at)), due_at = ?5,
			holder = iif(?6, holder, ''), provider = ?7, provider_ref = ?8, attempts = ?9 WHERE id = ?1`,
		m.ID, string(m.State), m.Settled, now, m.DueAt, held, provider, ref, store.Attempts(m.Attempts...))
	if m.Settled {
		tx.dropUnsendable(m.ChallengeID)
	}
	tx.correct(m.Country, m.Correction.From, m.Correction.To, m.Correction.At)
}

// SettleMessage implements core.Store.
func (s *Store) SettleMessage(ctx context.Context, in core.SettleMessage) (core.Outcome, error) {
	return write(ctx, s, "settling a message", func(tx *tx) core.Outcome {
		var m core.Standing
		held := tx.one("SELECT "+standing+" FROM messages m WHERE m.id = ? AND m.holder = ? AND m.holder <> ''",
			func(r *row) { m = tx.readStanding(r) }, in.ID, in.Holder)
		if !held {
			return core.NotHolder
		}
		tx.keep(m.Settle(in), false, in.Now)
		tx.tell(in.Event, ownerOfMessage(m.Message), "")
		return core.Done
	})
}

// ownerOfMessage is whom an event about a message tells of.
func ownerOfMessage(m core.Message) core.User {
	return core.User{ID: m.UserID, Phone: core.SealedPhone{Key: m.PhoneKey, Masked: m.PhoneMasked}}
}

// RecordReceipt implements core.Store.
func (s *Store) RecordReceipt(ctx context.Context, in core.RecordReceipt) (core.RecordReceiptResult, error) {
	which, args := "?2", []any{in.Now, in.MessageID}
	if in.MessageID == "" {
		which = "(SELECT id FROM messages WHERE provider = ?2 AND provider_ref = ?3 AND provider_ref <> '' ORDER BY id DESC LIMIT 1)"
		args = []any{in.Now, in.Provider, in.ProviderRef}
	}
	return write(ctx, s, "recording a receipt", func(tx *tx) core.RecordReceiptResult {
		var m core.Standing
		found := tx.one("SELECT coalesce("+takesCode+", 0), "+standing+" FROM messages m LEFT JOIN challenges c ON c.id = m.challenge_id WHERE m.id = "+which,
			func(r *row) {
				open := r.flag()
				m = tx.readStanding(r)
				m.Open = open
			}, args...)
		if !found {
			return core.RecordReceiptResult{Outcome: core.NotFound}
		}
		got := m.Receive(in)
		switch got.Outcome {
		case core.NotFound:
			return core.RecordReceiptResult{Outcome: core.NotFound}
		case core.Done:
			tx.keep(got.Moved, true, in.Now)
			tx.tell(got.Event(in), ownerOfMessage(m.Message), "")
			tx.queuedMessage = tx.queuedMessage || got.Requeued
		}
		got.Sealed = nil
		return core.RecordReceiptResult{Outcome: got.Outcome, Message: got.Message, Requeued: got.Requeued}
	})
}

// FindMessages implements core.Store.
func (s *Store) FindMessages(ctx context.Context, q core.MessageQuery) ([]core.Message, error) {
	query, args := "SELECT "+messageColumns+" FROM messages m WHERE true", []any{}
	where := func(condition, value string) {
		if value != "" {
			query, args = query+" AND "+condition, append(args, value)
		}
	}
	where("m.id = ?", q.ID)
	where("m.request_id = ?", q.RequestID)
	where("m.user_id = ?", q.UserID)
	where("m.phone_key = ?", q.PhoneKey)
	where("m.provider = ?", q.Provider)
	if q.State != "" {
		query += " AND " + store.InState(q.State)
	}
	if !q.Since.IsZero() {
		where("m.id >= ?", keyring.FirstID(q.Since))
	}
	if !q.Until.IsZero() {
		where("m.id < ?", keyring.FirstID(q.Until))
	}
	where("m.id < ?", q.Before)
	return read(ctx, s, "finding messages", func(tx *tx) []core.Message {
		return collect(tx, query+" ORDER BY m.id DESC LIMIT ?", func(r *row) core.Message {
			m := tx.readMessage(r)
			m.Sealed = nil
			return m
		}, append(args, q.Limit)...)
	})
}

// Routes implements core.Store.
func (s *Store) Routes(ctx context.Context, q core.RouteQuery) ([]core.RouteStat, error) {
	sent, err := read(ctx, s, "reading how messages went", func(tx *tx) []core.Routed {
		return collect(tx, `SELECT m.challenge_id, m.channel, m.country, m.prefix_key, m.attempts,
				coalesce((SELECT c.redeemed_at > 0 FROM challenges c WHERE c.id = m.challenge_id), 0)
			FROM messages m WHERE m.id >= ? AND m.id < ? AND m.challenge_id IS NOT NULL AND m.state <> 'withheld'
			ORDER BY m.id DESC LIMIT ?`, func(r *row) (m core.Routed) {
			m.ChallengeID, m.Channel, m.Country, m.PrefixKey = r.text(), core.Channel(r.text()), r.text(), r.text()
			m.Attempts, m.Redeemed = tx.readAttempts(r), r.flag()
			return m
		}, keyring.FirstID(q.Since), keyring.FirstID(q.Until), q.Most)
	})
	return core.RouteStats(sent), err
}
