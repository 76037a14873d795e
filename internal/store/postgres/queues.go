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
		// A claim moves due_at.
		tx.ask(`SELECT count(*), coalesce(min(greatest(created_at, CASE holder WHEN '' THEN due_at ELSE due_since END)), 0)
			FROM messages WHERE settled_at = 0 AND (due_at <= $1 OR holder <> '')`, func(r *row) {
			var oldest time.Time
			if r.scan(&out.Messages, at(&oldest)); out.Messages > 0 {
				out.OldestMessage = max(0, now.Sub(oldest))
			}
		}, now)
		// Positions have no gaps, and what is swept lies before all that is kept.
		tx.ask(`SELECT sinks.name, (SELECT count(*) FROM events WHERE position IS NULL) + greatest(0, t.last - greatest(settled, kept.first - 1))
			FROM sinks, (SELECT last FROM turns WHERE name = 'events') t,
			(SELECT coalesce(min(position), (SELECT last FROM turns WHERE name = 'events') + 1) AS first FROM events WHERE position IS NOT NULL) kept`,
			func(r *row) {
				var name string
				var behind int64
				r.scan(&name, &behind)
				out.EventsBehind[name] = behind
			})
	})
}
