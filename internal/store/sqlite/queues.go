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
		tx.all(`SELECT name, max(0, newest - max(settled, oldest - 1)) FROM sinks, (
			SELECT coalesce((SELECT position FROM events ORDER BY position DESC LIMIT 1), 0) AS newest,
				coalesce((SELECT position FROM events ORDER BY position LIMIT 1), 0) AS oldest)`, func(r *row) {
			name := r.text()
			queues.EventsBehind[name] = r.long()
		})
		return queues
	})
}
