package sqlite

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// spend adds to what was spent in places at a time. A correction is less than
// nothing.
func (tx *tx) spend(amounts map[string]core.Money, at time.Time) {
	for _, span := range core.SpendingSpans() {
		for place, amount := range amounts {
			tx.exec(`INSERT INTO spending (span, country, starts_at, amount) VALUES (?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET amount = amount + excluded.amount`,
				span.Slot.Milliseconds(), place, core.SlotOf(at, span.Slot), int64(amount))
		}
	}
}

// spentIn sums a place's windows that end now.
func (tx *tx) spentIn(sums *core.Amounts, place string, now time.Time) {
	for i, span := range core.SpendingSpans() {
		tx.one("SELECT coalesce(sum(amount), 0) FROM spending WHERE span = ? AND country = ? AND starts_at >= ?", func(r *row) {
			sums[i] = core.Money(r.long())
		}, span.Slot.Milliseconds(), place, span.Since(now))
	}
}

// Spending implements core.Store. Countries where nothing was spent are absent.
func (s *Store) Spending(ctx context.Context, now time.Time) ([]core.Spending, error) {
	return read(ctx, s, "reading what was spent", func(tx *tx) []core.Spending {
		sums := map[string]core.Amounts{}
		for i, span := range core.SpendingSpans() {
			// The plus keeps the query in the order of countries.
			tx.all("SELECT country, sum(amount) FROM spending WHERE span = ? AND +starts_at >= ? GROUP BY country", func(r *row) {
				place := r.text()
				sum := sums[place]
				sum[i] = core.Money(r.long())
				sums[place] = sum
			}, span.Slot.Milliseconds(), span.Since(now))
		}
		return core.SpendingOf(sums)
	})
}

// sweepSpending drops slots that no window touches any more.
func (tx *tx) sweepSpending(in core.Sweep) (more bool) {
	for _, span := range core.SpendingSpans() {
		dropped := tx.exec(`DELETE FROM spending WHERE (span, country, starts_at) IN (
			SELECT span, country, starts_at FROM spending WHERE span = ? AND starts_at < ? ORDER BY starts_at LIMIT ?)`,
			span.Slot.Milliseconds(), span.Since(in.Now), in.Limit)
		more = more || dropped == int64(in.Limit)
	}
	return more
}
