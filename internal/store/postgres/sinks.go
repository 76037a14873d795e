package postgres

import (
	"cmp"
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// The order of events. An event gets its position not where it is written but
// behind its commit, by whoever claims events next and holds the turn of events:
// only what is committed can be seen then, and what commits later gets a later
// position. So nobody's place in the queue ever passes over an event, however
// long its transaction took, and positions have neither gaps nor a counter that
// requests would wait for. Among events that get theirs at once, the database's
// clock at their writing decides.

// orderedAtOnce is how many events one claim gives positions to.
const orderedAtOnce = 10_000

const orderEvents = `WITH fresh AS (SELECT id, row_number() OVER (ORDER BY written_at, nth, id) AS i
		FROM (SELECT id, written_at, nth FROM events WHERE position IS NULL ORDER BY written_at, nth, id LIMIT $1) oldest),
	ordered AS (UPDATE events e SET position = t.last + f.i
		FROM fresh f, (SELECT last FROM turns WHERE name = 'events') t WHERE e.id = f.id RETURNING 1)
	UPDATE turns SET last = last + (SELECT count(*) FROM ordered) WHERE name = 'events'`

// sink is one sink's place in the events.
type sink struct {
	table            string // sinks, or watchers
	settled, claimed int64
	holder           string
	leaseUntil       time.Time
}

// holdSink takes a sink and reads it. One that was never seen is kept from now
// on: it begins with all events that are kept, and none may be swept that it has
// not settled. Or fromNow, it watches: it begins with those to come, and no sweep
// looks at it.
func (tx *tx) holdSink(into *sink, name string, fromNow bool) {
	const unseen = ` NOT EXISTS (SELECT FROM sinks WHERE name = $1) AND NOT EXISTS (SELECT FROM watchers WHERE name = $1)
		ON CONFLICT DO NOTHING`
	if fromNow {
		tx.exec(`INSERT INTO watchers (name, settled) SELECT $1, last + (SELECT count(*) FROM events WHERE position IS NULL)
			FROM turns WHERE name = 'events' AND`+unseen, name)
	} else {
		tx.exec("INSERT INTO sinks (name) SELECT $1 WHERE"+unseen, name)
	}
	for _, table := range []string{"sinks", "watchers"} {
		tx.ask("SELECT settled, claimed, holder, lease_until FROM "+table+" WHERE name = $1 FOR NO KEY UPDATE", func(r *row) {
			into.table = table
			r.scan(&into.settled, &into.claimed, &into.holder, at(&into.leaseUntil))
		}, name)
	}
}

// heldByOther tells whether somebody else's claim still runs.
func (s sink) heldByOther(holder string, now time.Time) bool {
	return s.holder != "" && s.holder != holder && now.Before(s.leaseUntil)
}

// ClaimEvents implements core.Store.
func (s *Store) ClaimEvents(ctx context.Context, name string, in core.Claim) ([]event.Event, error) {
	return write(ctx, s, "claiming events", func(tx *tx, out *[]event.Event) {
		var place sink
		var unordered bool
		tx.exists(&unordered, "SELECT FROM events WHERE position IS NULL LIMIT 1")
		if tx.look(); unordered {
			tx.holdTurn(turnEvents)
			tx.exec(orderEvents, orderedAtOnce)
		}
		tx.holdSink(&place, name, in.FromNow)
		if tx.look(); place.heldByOther(in.Holder, in.Now) {
			return
		}
		collect(tx, out, "SELECT position, "+storedEvent+" FROM events WHERE position > $1 ORDER BY position LIMIT $2",
			func(r *row) event.Event { return readEvent(r, &place.claimed) }, place.settled, in.Limit)
		tx.look()
		if len(*out) > 0 { // an idle poll writes nothing
			tx.exec("UPDATE "+place.table+" SET claimed = $1, holder = $2, lease_until = $3 WHERE name = $4",
				place.claimed, in.Holder, in.Now.Add(in.Lease), name)
		}
	})
}

// SettleEvents implements core.Store.
func (s *Store) SettleEvents(ctx context.Context, in core.SettleEvents) (core.Outcome, error) {
	return write(ctx, s, "settling events", func(tx *tx, out *core.Outcome) {
		var place sink
		var through int64
		tx.holdSink(&place, in.Sink, false)
		tx.ask("SELECT position FROM events WHERE id = $1 AND position IS NOT NULL", func(r *row) { r.scan(&through) }, in.Through)
		tx.look()
		*out = core.NotHolder
		if in.Through == "" {
			if in.Log == "" && place.heldByOther(in.Holder, in.Now) {
				return
			}
		} else if !tx.settle(place, through, in) {
			return
		}
		if in.Head.File != "" {
			tx.exec(`INSERT INTO heads (log, file, count, chain) VALUES ($1, $2, $3, $4)
				ON CONFLICT (log) DO UPDATE SET file = excluded.file, count = excluded.count, chain = excluded.chain`,
				cmp.Or(in.Log, in.Sink), in.Head.File, in.Head.Count, in.Head.Chain)
		}
		*out = core.Done
	})
}

// settle moves a sink's place past its holder's claim. Settled once more, the
// same claim is settled: its first answer may have been lost.
func (tx *tx) settle(s sink, through int64, in core.SettleEvents) bool {
	switch {
	case through == 0:
		return false
	case s.holder == "" && through == s.settled:
		return true
	case s.holder != in.Holder || through > s.claimed:
		return false
	}
	tx.exec("UPDATE "+s.table+" SET settled = greatest(settled, $1), holder = '', lease_until = 0 WHERE name = $2", through, in.Sink)
	return true
}

// LogHead implements core.Store.
func (s *Store) LogHead(ctx context.Context, log string) (event.Head, error) {
	return find(ctx, s, "reading a log's head", func(tx *tx, out *event.Head, found *bool) {
		tx.ask("SELECT file, count, chain FROM heads WHERE log = $1", func(r *row) {
			r.scan(&out.File, &out.Count, &out.Chain)
			*found = true
		}, log)
	})
}

// UserEvents implements core.Store.
func (s *Store) UserEvents(ctx context.Context, userID string, page core.Page) ([]event.Event, error) {
	return read(ctx, s, "reading a user's events", func(tx *tx, out *[]event.Event) {
		newest := func(r *row) event.Event { return readEvent(r) }
		if page.Before == "" {
			collect(tx, out, "SELECT "+storedEvent+` FROM events WHERE user_id = $1 AND user_id <> ''
				ORDER BY written_at DESC, nth DESC LIMIT $2`, newest, userID, page.Limit)
			return
		}
		collect(tx, out, "SELECT "+storedEvent+` FROM events WHERE user_id = $1 AND user_id <> ''
			AND (written_at, nth) < (SELECT written_at, nth FROM events WHERE id = $3)
			ORDER BY written_at DESC, nth DESC LIMIT $2`, newest, userID, page.Limit, page.Before)
	})
}
