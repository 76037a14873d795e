package sqlite

import (
	"context"

	"github.com/countersign/countersign/internal/core"
)

// Attend implements core.Store. Those that were killed are forgotten with the
// next word of another.
func (s *Store) Attend(ctx context.Context, in core.Attend) (core.Attended, error) {
	return write(ctx, s, "attending", func(tx *tx) (out core.Attended) {
		since := in.Now.Add(-in.Within)
		tx.exec("DELETE FROM instances WHERE id = ? OR seen_at < ?", in.Instance, since)
		if !in.Leaving {
			tx.exec("INSERT INTO instances (id, seen_at) VALUES (?, ?)", in.Instance, in.Now)
		}
		tx.one("SELECT count(*) FROM instances", func(r *row) { out.Instances = r.int() })
		return out
	})
}
