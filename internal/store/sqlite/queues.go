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
		tx.one("SELECT count(*) FROM messages WHERE settled_at = 0 AND (due_at <= ? OR holder <> '')", func(r *row) {
			queues.Messages = r.long()
		}, now)
		tx.one("SELECT count(*) FROM messages WHERE held = 2", func(r *row) { queues.Held = r.long() })
		tx.one("SELECT created_at FROM messages WHERE settled_at = 0 ORDER BY created_at LIMIT 1", func(r *row) {
			queues.OldestMessage = max(0, now.Sub(r.time()))
		})
		// Positions have no gaps, and what is swept lies before all that is kept.
		tx.all(`SELECT name, max(0, coalesce((SELECT max(position) FROM events), 0)
			- max(settled, coalesce((SELECT min(position) FROM events), 0) - 1))
			FROM (SELECT name, settled FROM sinks UNION ALL SELECT name, settled FROM watchers)`, func(r *row) {
			name := r.text()
			queues.EventsBehind[name] = r.long()
		})
		return queues
	})
}
