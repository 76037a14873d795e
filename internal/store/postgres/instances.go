package postgres

import (
	"context"

	"github.com/countersign/countersign/internal/core"
)

// Attend implements core.Store. Those that were killed are forgotten a while
// after they stopped to count: instances whose clocks differ drop nobody alive.
func (s *Store) Attend(ctx context.Context, in core.Attend) (core.Attended, error) {
	return write(ctx, s, "attending", func(tx *tx, out *core.Attended) {
		since := in.Now.Add(-in.Within)
		if in.Leaving {
			tx.exec("DELETE FROM instances WHERE id = $1", in.Instance)
		} else {
			tx.exec(`INSERT INTO instances (id, seen_at) VALUES ($1, $2)
				ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`, in.Instance, in.Now)
		}
		tx.exec("DELETE FROM instances WHERE seen_at < $1", since.Add(-10*in.Within))
		tx.ask("SELECT count(*), (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM instances WHERE seen_at >= $1", func(r *row) {
			r.scan(&out.Instances, at(&out.Clock))
		}, since)
	})
}
