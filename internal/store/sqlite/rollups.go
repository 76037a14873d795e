package sqlite

import (
	"context"
	"fmt"
	"strings"
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
	_, err := write(ctx, s, "adding rollups", func(tx *tx) struct{} {
		for _, r := range in.Rollups {
			for _, span := range rollupSpans {
				tx.exec(`INSERT INTO rollups (span, starts_at, name, method, outcome, reason, country, provider, instance, n)
					VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n`,
					span.slot.Milliseconds(), core.SlotOf(r.Minute, span.slot), string(r.Series.Name), r.Series.Method,
					string(r.Series.Outcome), r.Series.Reason, r.Series.Country, r.Series.Provider, in.Instance, r.N)
			}
		}
		return struct{}{}
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
	return read(ctx, s, "reading statistics", func(tx *tx) []event.Rollup {
		if in.By == 0 {
			return tx.counts(in, tx.summed(in), "0")
		}
		return tx.counts(in, in.By, "starts_at")
	})
}

// summed gives the slots of which a sum is made: such as suit its window, or the
// finest that reach back to its beginning.
func (tx *tx) summed(in core.StatsQuery) time.Duration {
	whole := map[time.Duration]time.Time{} // from when on
	tx.all("SELECT span, since FROM rollup_spans", func(r *row) {
		slot := time.Duration(r.long()) * time.Millisecond
		whole[slot] = r.time()
	})
	for _, span := range rollupSpans {
		if in.Until.Sub(in.Since) <= span.summed+span.slot && !core.SlotOf(in.Since, span.slot).Before(whole[span.slot]) {
			return span.slot
		}
	}
	return rollupSpans[len(rollupSpans)-1].slot
}

// counts reads the counts of all instances by slots of one length: each series'
// sum at a time, or with at "0", its sum over all of them.
func (tx *tx) counts(in core.StatsQuery, slot time.Duration, at string) []event.Rollup {
	var names strings.Builder // with a blank around each
	for _, name := range in.Names {
		names.WriteString(" " + string(name) + " ")
	}
	return collect(tx, "SELECT "+at+` AS at, name, method, outcome, reason, country, provider, sum(n) FROM rollups
		WHERE span = ?1 AND starts_at >= ?2 AND starts_at < ?3 AND (?4 = '' OR instr(?4, ' ' || name || ' ') > 0)
		GROUP BY at, name, method, outcome, reason, country, provider`, func(r *row) event.Rollup {
		return event.Rollup{
			Minute: r.time(),
			Series: event.Series{
				Name: event.Name(r.text()), Method: r.text(), Outcome: event.Outcome(r.text()), Reason: r.text(),
				Country: r.text(), Provider: r.text(),
			},
			N: r.long(),
		}
	}, slot.Milliseconds(), core.SlotOf(in.Since, slot), core.SlotOf(in.Until, slot), names.String())
}

// sweepRollups drops counts past their time, and keeps in mind from when on
// those of each span are whole.
func (tx *tx) sweepRollups(in core.Sweep) (more bool) {
	const key = "span, starts_at, name, method, outcome, reason, country, provider, instance"
	for _, span := range rollupSpans {
		cut := core.SlotOf(in.Now.Add(-span.kept), span.slot)
		dropped := tx.exec("DELETE FROM rollups WHERE ("+key+") IN (SELECT "+key+` FROM rollups
			WHERE span = ? AND starts_at < ? ORDER BY starts_at LIMIT ?)`, span.slot.Milliseconds(), cut, in.Limit)
		if dropped > 0 {
			tx.exec("UPDATE rollup_spans SET since = max(since, ?) WHERE span = ?", cut, span.slot.Milliseconds())
		}
		more = more || dropped == int64(in.Limit)
	}
	return more
}
