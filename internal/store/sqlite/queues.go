package sqlite

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// Queues implements core.Store. A sink that has never claimed is absent.
func (s *Store) Queues(ctx context.Context, now time.Time) (core.Queues, error) {
	return read(ctx, s, "reading the queues", func(tx *tx) core.Queues {
		queues := core.Queues{EventsBehind: map[string]int64{}}
		var oldest time.Time
		// A claim moves due_at; a run that was killed leaves it at zero.
		tx.one(`SELECT count(*), coalesce(min(max(created_at, CASE holder WHEN '' THEN due_at ELSE due_since END)), 0)
			FROM messages WHERE settled_at = 0 AND (due_at <= ? OR holder <> '')`, func(r *row) {
			queues.Messages, oldest = r.long(), r.time()
		}, now)
		if queues.Messages > 0 {
			queues.OldestMessage = max(0, now.Sub(oldest))
		}
		// Positions have no gaps, and what is swept lies before all that is kept.
		tx.all(`SELECT name, max(0, coalesce((SELECT max(position) FROM events), 0)
			- max(settled, coalesce((SELECT min(position) FROM events), 0) - 1)) FROM sinks`, func(r *row) {
			name := r.text()
			queues.EventsBehind[name] = r.long()
		})
		return queues
	})
}
