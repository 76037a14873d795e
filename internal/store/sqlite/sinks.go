package sqlite

import (
	"cmp"
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// sink is one sink's place in the events.
type sink struct {
	table            string // sinks, or watchers
	settled, claimed int64
	holder           string
	leaseUntil       time.Time
}

// sink finds a sink. One that was never seen is kept from now on: it begins with
// all events that are kept, and none may be swept that it has not settled. Or
// fromNow, it watches: it begins with those to come, and no sweep looks at it.
func (tx *tx) sink(name string, fromNow bool) (s sink) {
	found := tx.one(`SELECT 'sinks', settled, claimed, holder, lease_until FROM sinks WHERE name = ?1
		UNION ALL SELECT 'watchers', settled, claimed, holder, lease_until FROM watchers WHERE name = ?1`, func(r *row) {
		s = sink{table: r.text(), settled: r.long(), claimed: r.long(), holder: r.text(), leaseUntil: r.time()}
	}, name)
	if found {
		return s
	}
	s.table = "sinks"
	if fromNow {
		s.table = "watchers"
		tx.one("SELECT max(position) FROM events", func(r *row) { s.settled = r.long() })
	}
	tx.exec("INSERT INTO "+s.table+" (name, settled) VALUES (?, ?)", name, s.settled)
	return s
}

// heldByOther tells whether somebody else's claim still runs.
func (s sink) heldByOther(holder string, now time.Time) bool {
	return s.holder != "" && s.holder != holder && now.Before(s.leaseUntil)
}

// ClaimEvents implements core.Store.
func (s *Store) ClaimEvents(ctx context.Context, name string, in core.Claim) ([]event.Event, error) {
	return write(ctx, s, "claiming events", func(tx *tx) []event.Event {
		sink := tx.sink(name, in.FromNow)
		if sink.heldByOther(in.Holder, in.Now) {
			return nil
		}
		events := collect(tx, "SELECT position, payload FROM events WHERE position > ? ORDER BY position LIMIT ?",
			func(r *row) event.Event {
				sink.claimed = r.long()
				return tx.readEvent(r)
			}, sink.settled, in.Limit)
		if len(events) > 0 { // an idle poll writes nothing
			tx.exec("UPDATE "+sink.table+" SET claimed = ?, holder = ?, lease_until = ? WHERE name = ?",
				sink.claimed, in.Holder, in.Now.Add(in.Lease), name)
		}
		return events
	})
}

// SettleEvents implements core.Store.
func (s *Store) SettleEvents(ctx context.Context, in core.SettleEvents) (core.Outcome, error) {
	return write(ctx, s, "settling events", func(tx *tx) core.Outcome {
		sink := tx.sink(in.Sink, false)
		if in.Through == "" {
			if in.Log == "" && sink.heldByOther(in.Holder, in.Now) {
				return core.NotHolder
			}
		} else if !tx.settle(sink, in) {
			return core.NotHolder
		}
		if in.Head.File != "" {
			tx.exec("INSERT OR REPLACE INTO heads (log, file, count, chain) VALUES (?, ?, ?, ?)",
				cmp.Or(in.Log, in.Sink), in.Head.File, in.Head.Count, in.Head.Chain)
		}
		return core.Done
	})
}

// settle moves a sink's place past its holder's claim. Settled once more, the
// same claim is settled: its first answer may have been lost.
func (tx *tx) settle(s sink, in core.SettleEvents) bool {
	var through int64
	found := tx.one("SELECT position FROM events WHERE id = ?", func(r *row) { through = r.long() }, in.Through)
	switch {
	case !found:
		return false
	case s.holder == "" && through == s.settled:
		return true
	case s.holder != in.Holder || through > s.claimed:
		return false
	}
	tx.exec("UPDATE "+s.table+" SET settled = max(settled, ?), holder = '', lease_until = 0 WHERE name = ?", through, in.Sink)
	return true
}

// LogHead implements core.Store.
func (s *Store) LogHead(ctx context.Context, log string) (event.Head, error) {
	return find(ctx, s, "reading a log's head", func(tx *tx) (head event.Head, found bool) {
		found = tx.one("SELECT file, count, chain FROM heads WHERE log = ?", func(r *row) {
			head = event.Head{File: r.text(), Count: r.long(), Chain: r.text()}
		}, log)
		return head, found
	})
}

// UserEvents implements core.Store.
func (s *Store) UserEvents(ctx context.Context, userID string, page core.Page) ([]event.Event, error) {
	return read(ctx, s, "reading a user's events", func(tx *tx) []event.Event {
		before := int64(1) << 62
		if page.Before != "" {
			before = 0
			tx.one("SELECT position FROM events WHERE id = ?", func(r *row) { before = r.long() }, page.Before)
		}
		return collect(tx, `SELECT payload FROM events WHERE user_id = ? AND user_id <> '' AND position < ?
			ORDER BY position DESC LIMIT ?`, tx.readEvent, userID, before, page.Limit)
	})
}
