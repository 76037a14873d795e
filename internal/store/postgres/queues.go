package postgres

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// Queues implements core.Store. A sink that has never claimed is absent.
func (s *Store) Queues(ctx context.Context, now time.Time) (core.Queues, error) {
	return read(ctx, s, "reading the queues", func(tx *tx, out *core.Queues) {
		out.EventsBehind = map[string]int64{}
		tx.ask(`SELECT count(*) FILTER (WHERE due_at <= $1 OR holder <> ''), count(*) FILTER (WHERE held = 2), coalesce(min(created_at), 0)
			FROM messages WHERE settled_at = 0`, func(r *row) {
			var oldest time.Time
			if r.scan(&out.Messages, &out.Held, at(&oldest)); !oldest.IsZero() {
				out.OldestMessage = max(0, now.Sub(oldest))
			}
		}, now)
		// Positions have no gaps, and what is swept lies before all that is kept.
		tx.ask(`SELECT s.name, (SELECT count(*) FROM events WHERE position IS NULL) + greatest(0, t.last - greatest(s.settled, kept.first - 1))
			FROM (SELECT name, settled FROM sinks UNION ALL SELECT name, settled FROM watchers) s, (SELECT last FROM turns WHERE name = 'events') t,
			(SELECT coalesce(min(position), (SELECT last FROM turns WHERE name = 'events') + 1) AS first FROM events WHERE position IS NOT NULL) kept`,
			func(r *row) {
				var name string
				var behind int64
				r.scan(&name, &behind)
				out.EventsBehind[name] = behind
			})
	})
}
