package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// rollupSpans are the slots in which events are counted, the finest first, and
// how long they are kept.
var rollupSpans = [...]struct{ slot, kept time.Duration }{
	{time.Minute, 2 * 24 * time.Hour},
	{10 * time.Minute, 8 * 24 * time.Hour},
	{time.Hour, 90 * 24 * time.Hour},
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
					span.slot, slotOf(r.Minute, span.slot), string(r.Series.Name), r.Series.Method,
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
	slot := in.By
	if in.By == 0 {
		var err error
		if slot, err = s.finest(ctx, in.Since); err != nil {
			return nil, err
		}
	}
	counts, err := read(ctx, s, "reading statistics", func(tx *tx, out *[]event.Rollup) { tx.counts(out, in, slot) })
	if in.By == 0 {
		return sums(counts), err
	}
	return counts, err
}

// finest gives the finest slots that reach back to a time.
func (s *Store) finest(ctx context.Context, since time.Time) (time.Duration, error) {
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
				if *out = span.slot; !slotOf(since, span.slot).Before(whole[span.slot.Milliseconds()]) {
					return
				}
			}
		})
	})
}

// counts queues the reading of the counts of all instances by slots of one
// length.
func (tx *tx) counts(into *[]event.Rollup, in core.StatsQuery, slot time.Duration) {
	names := make([]string, len(in.Names))
	for i, name := range in.Names {
		names[i] = string(name)
	}
	collect(tx, into, `SELECT starts_at, name, method, outcome, reason, country, provider, sum(n)::bigint FROM rollups
		WHERE span = $1 AND starts_at >= $2 AND starts_at < $3 AND (cardinality($4::text[]) = 0 OR name = ANY ($4))
		GROUP BY starts_at, name, method, outcome, reason, country, provider
		ORDER BY starts_at, name, method, outcome, reason, country, provider`, func(r *row) (counted event.Rollup) {
		series := &counted.Series
		r.scan(at(&counted.Minute), (*string)(&series.Name), &series.Method, (*string)(&series.Outcome), &series.Reason,
			&series.Country, &series.Provider, &counted.N)
		return counted
	}, slot, slotOf(in.Since, slot), slotOf(in.Until, slot), names)
}

// sums adds up the slots of each series.
func sums(counts []event.Rollup) []event.Rollup {
	total := map[event.Series]int64{}
	for _, each := range counts {
		total[each.Series] += each.N
	}
	all := make([]event.Rollup, 0, len(total))
	for series, n := range total {
		all = append(all, event.Rollup{Series: series, N: n})
	}
	slices.SortFunc(all, func(a, b event.Rollup) int {
		return cmp.Or(cmp.Compare(a.Series.Name, b.Series.Name), cmp.Compare(a.Series.Method, b.Series.Method),
			cmp.Compare(a.Series.Outcome, b.Series.Outcome), cmp.Compare(a.Series.Reason, b.Series.Reason),
			cmp.Compare(a.Series.Country, b.Series.Country), cmp.Compare(a.Series.Provider, b.Series.Provider))
	})
	return all
}
