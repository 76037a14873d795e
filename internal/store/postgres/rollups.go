package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// rollupSpans are the slots in which events are counted, the finest first, how
// long they are kept, and over how long they are summed (the last over all that
// is longer).
var rollupSpans = [...]struct{ slot, kept, summed time.Duration }{
	{time.Minute, 2 * 24 * time.Hour, 2 * time.Hour},
	{10 * time.Minute, 8 * 24 * time.Hour, 2 * 24 * time.Hour},
	{time.Hour, 90 * 24 * time.Hour, 90 * 24 * time.Hour},
}

// AddRollups implements core.Store.
func (s *Store) AddRollups(ctx context.Context, in core.AddRollups) error {
	_, err := write(ctx, s, "adding rollups", func(tx *tx, _ *struct{}) {
		for _, r := range in.Rollups {
			for _, span := range rollupSpans {
				tx.exec(`INSERT INTO rollups AS r (span, starts_at, name, method, outcome, reason, country, provider, instance, n)
					VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
					ON CONFLICT (span, starts_at, name, method, outcome, reason, country, provider, instance)
					DO UPDATE SET n = r.n + excluded.n`,
					span.slot, core.SlotOf(r.Minute, span.slot), string(r.Series.Name), r.Series.Method,
					string(r.Series.Outcome), r.Series.Reason, r.Series.Country, r.Series.Provider, in.Instance, r.N)
			}
		}
	})
	return err
}

// Stats implements core.Store. The oldest slot comes first, and in it the
// series in their order. Where sums over the whole are asked, Minute is zero.
func (s *Store) Stats(ctx context.Context, in core.StatsQuery) ([]event.Rollup, error) {
	known := in.By == 0
	for _, span := range rollupSpans {
		known = known || in.By == span.slot
	}
	if !known {
		return nil, fmt.Errorf("reading statistics: no counts are kept by %s", in.By)
	}
	slot, from := in.By, "starts_at"
	if in.By == 0 {
		var err error
		if slot, err = s.summed(ctx, in); err != nil {
			return nil, err
		}
		from = "0::bigint"
	}
	return read(ctx, s, "reading statistics", func(tx *tx, out *[]event.Rollup) { tx.counts(out, in, slot, from) })
}

// summed gives the slots of which a sum is made: such as suit its window, or the
// finest that reach back to its beginning.
func (s *Store) summed(ctx context.Context, in core.StatsQuery) (time.Duration, error) {
	return read(ctx, s, "reading how far statistics reach back", func(tx *tx, out *time.Duration) {
		whole := map[int64]time.Time{} // from when on, by the slot's milliseconds
		tx.ask("SELECT span, since FROM rollup_spans", func(r *row) {
			var span int64
			var from time.Time
			r.scan(&span, at(&from))
			whole[span] = from
		})
		tx.then(func() {
			for _, span := range rollupSpans {
				*out = span.slot
				if in.Until.Sub(in.Since) <= span.summed+span.slot && !core.SlotOf(in.Since, span.slot).Before(whole[span.slot.Milliseconds()]) {
					return
				}
			}
		})
	})
}

// counts queues the reading of the counts of all instances by slots of one
// length: each series' sum at a time (from = starts_at), or with a constant, its
// sum over all of them.
func (tx *tx) counts(into *[]event.Rollup, in core.StatsQuery, slot time.Duration, from string) {
	names := make([]string, len(in.Names))
	for i, name := range in.Names {
		names[i] = string(name)
	}
	collect(tx, into, "SELECT "+from+` AS slot, name, method, outcome, reason, country, provider, sum(n)::bigint FROM rollups
		WHERE span = $1 AND starts_at >= $2 AND starts_at < $3 AND (cardinality($4::text[]) = 0 OR name = ANY ($4))
		GROUP BY slot, name, method, outcome, reason, country, provider
		ORDER BY slot, name, method, outcome, reason, country, provider`, func(r *row) (counted event.Rollup) {
		series := &counted.Series
		r.scan(at(&counted.Minute), (*string)(&series.Name), &series.Method, (*string)(&series.Outcome), &series.Reason,
			&series.Country, &series.Provider, &counted.N)
		return counted
	}, slot, core.SlotOf(in.Since, slot), core.SlotOf(in.Until, slot), names)
}
