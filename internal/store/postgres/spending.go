package postgres

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// till is core.Till, and whether its turn is held.
type till struct {
	*core.Till
	tx      *tx
	budgets core.Budgets
	now     time.Time
	held    bool
}

func (tx *tx) till(budgets core.Budgets, now time.Time) *till {
	return &till{Till: core.NewTill(budgets), tx: tx, budgets: budgets, now: now}
}

// open takes the till's turn once there may be something to reserve: all who
// claim within budgets wait for one another from here on. It reads what was spent
// where the messages go, unless that is known.
func (t *till) open(due []dueMessage) {
	if !t.budgets.Bounded() {
		return
	}
	if !t.held {
		t.tx.holdTurn(turnTill)
		t.held = true
	}
	for _, m := range due {
		t.Look(m.Message, func(spent *core.Amounts, country string) { t.tx.spentIn(spent, country, t.now) })
	}
	t.tx.look()
}

// spend adds to what was spent in places at a time, in one order whoever does. A
// correction is less than nothing.
func (tx *tx) spend(amounts map[string]core.Money, at time.Time) {
	for _, span := range core.SpendingSpans() {
		for _, place := range slices.Sorted(maps.Keys(amounts)) {
			tx.exec(`INSERT INTO spending AS s (span, country, starts_at, amount) VALUES ($1, $2, $3, $4)
				ON CONFLICT (span, country, starts_at) DO UPDATE SET amount = s.amount + excluded.amount`,
				span.Slot, place, core.SlotOf(at, span.Slot), int64(amounts[place]))
		}
	}
}

// spentIn queues the summing of a place's windows that end now.
func (tx *tx) spentIn(sums *core.Amounts, place string, now time.Time) {
	for i, span := range core.SpendingSpans() {
		tx.ask("SELECT coalesce(sum(amount), 0)::bigint FROM spending WHERE span = $1 AND country = $2 AND starts_at >= $3", func(r *row) {
			r.scan((*int64)(&sums[i]))
		}, span.Slot, place, span.Since(now))
	}
}

// Spending implements core.Store. Countries where nothing was spent are absent.
func (s *Store) Spending(ctx context.Context, now time.Time) ([]core.Spending, error) {
	return read(ctx, s, "reading what was spent", func(tx *tx, out *[]core.Spending) {
		sums := map[string]core.Amounts{}
		for i, span := range core.SpendingSpans() {
			tx.ask("SELECT country, sum(amount)::bigint FROM spending WHERE span = $1 AND starts_at >= $2 GROUP BY country", func(r *row) {
				var place string
				var amount core.Money
				r.scan(&place, (*int64)(&amount))
				sum := sums[place]
				sum[i] = amount
				sums[place] = sum
			}, span.Slot, span.Since(now))
		}
		tx.then(func() { *out = core.SpendingOf(sums) })
	})
}
