package sqlite

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// spendingSpans are the slots in which money is kept, and the window that the
// slots of each serve. A window counts every slot that it touches.
var spendingSpans = [...]struct{ slot, window time.Duration }{
	{time.Minute, 60 * time.Minute},
	{time.Hour, 24 * time.Hour},
	{24 * time.Hour, 31 * 24 * time.Hour},
}

// amounts are what was spent in the windows of spendingSpans, or may be.
type amounts [len(spendingSpans)]core.Money

func bounds(b core.Budget) amounts { return amounts{b.Hour, b.Day, b.Month} }

// everywhere stands for the total, where countries stand.
const everywhere = ""

// till reserves the money of one claim of messages.
type till struct {
	tx       *tx
	budgets  core.Budgets
	now      time.Time
	spent    map[string]amounts // by country: read once, and what was reserved since
	reserved map[string]core.Money
}

func (tx *tx) till(budgets core.Budgets, now time.Time) *till {
	return &till{tx: tx, budgets: budgets, now: now, spent: map[string]amounts{}, reserved: map[string]core.Money{}}
}

// priceOf is what a claim of a message reserves.
func priceOf(m core.Message) core.Money {
	if m.State == core.MessageWithheld {
		return 0
	}
	return m.Price
}

// reserve takes a message's price, if the budgets have room for it.
func (t *till) reserve(m core.Message) bool {
	price := priceOf(m)
	if price == 0 {
		return true
	}
	stranger := m.ChallengeID != "" && (m.Bucket == "" || m.Bucket == core.BucketSolved)
	places := []string{everywhere}
	if m.Country != everywhere {
		places = append(places, m.Country)
	}
	for _, place := range places {
		if !t.fits(place, price, stranger) {
			return false
		}
	}
	for _, place := range places {
		t.reserved[place] += price
	}
	return true
}

// fits tells whether a price passes none of a place's budgets.
func (t *till) fits(place string, price core.Money, stranger bool) bool {
	bounds := bounds(t.budgetOf(place))
	if bounds == (amounts{}) {
		return true
	}
	if _, known := t.spent[place]; !known {
		t.spent[place] = t.tx.spentIn(place, t.now)
	}
	for i, bound := range bounds {
		if stranger {
			bound = bound * core.Money(t.budgets.StrangerPct) / 100
		}
		if bounds[i] > 0 && t.spent[place][i]+t.reserved[place]+price > bound {
			return false
		}
	}
	return true
}

func (t *till) budgetOf(place string) core.Budget {
	if place == everywhere {
		return t.budgets.Total
	}
	if named, found := t.budgets.Countries[place]; found {
		return named
	}
	return t.budgets.Country
}

// close writes down what was reserved.
func (t *till) close() {
	for place, amount := range t.reserved {
		t.tx.spend(place, amount, t.now)
	}
}

// spend adds to what was spent at a time. A correction is less than nothing.
func (tx *tx) spend(place string, amount core.Money, at time.Time) {
	for _, span := range spendingSpans {
		tx.exec(`INSERT INTO spending (span, country, starts_at, amount) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET amount = amount + excluded.amount`,
			span.slot.Milliseconds(), place, slotOf(at, span.slot), int64(amount))
	}
}

// correct puts what a message has cost in place of what its claim reserved.
func (tx *tx) correct(country string, reserved, cost core.Money, at time.Time) {
	difference := cost - reserved
	if difference == 0 {
		return
	}
	tx.spend(everywhere, difference, at)
	if country != everywhere {
		tx.spend(country, difference, at)
	}
}

// spentIn sums a place's windows that end now.
func (tx *tx) spentIn(place string, now time.Time) (sums amounts) {
	for i, span := range spendingSpans {
		tx.one("SELECT coalesce(sum(amount), 0) FROM spending WHERE span = ? AND country = ? AND starts_at >= ?", func(r *row) {
			sums[i] = core.Money(r.long())
		}, span.slot.Milliseconds(), place, slotOf(now.Add(-span.window), span.slot))
	}
	return sums
}

// slotOf is the beginning of the slot in which a time lies (UTC).
func slotOf(at time.Time, slot time.Duration) time.Time { return at.UTC().Truncate(slot) }

// Spending implements core.Store. Countries where nothing was spent are absent.
func (s *Store) Spending(ctx context.Context, now time.Time) ([]core.Spending, error) {
	return read(ctx, s, "reading what was spent", func(tx *tx) []core.Spending {
		sums := map[string]amounts{}
		for i, span := range spendingSpans {
			// The plus keeps the query in the order of countries.
			tx.all("SELECT country, sum(amount) FROM spending WHERE span = ? AND +starts_at >= ? GROUP BY country", func(r *row) {
				place := r.text()
				sum := sums[place]
				sum[i] = core.Money(r.long())
				sums[place] = sum
			}, span.slot.Milliseconds(), slotOf(now.Add(-span.window), span.slot))
		}
		var all []core.Spending
		for place, sum := range sums {
			if sum != (amounts{}) {
				all = append(all, core.Spending{Country: place, Hour: sum[0], Day: sum[1], Month: sum[2]})
			}
		}
		slices.SortFunc(all, func(a, b core.Spending) int { return strings.Compare(a.Country, b.Country) })
		return all
	})
}

// sweepSpending drops slots that no window touches any more.
func (tx *tx) sweepSpending(in core.Sweep) (more bool) {
	for _, span := range spendingSpans {
		dropped := tx.exec(`DELETE FROM spending WHERE (span, country, starts_at) IN (
			SELECT span, country, starts_at FROM spending WHERE span = ? AND starts_at < ? ORDER BY starts_at LIMIT ?)`,
			span.slot.Milliseconds(), slotOf(in.Now.Add(-span.window), span.slot), in.Limit)
		more = more || dropped == int64(in.Limit)
	}
	return more
}
