package postgres

import (
	"context"
	"maps"
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
	held     bool
	budgets  core.Budgets
	now      time.Time
	spent    map[string]*amounts // by country
	reserved map[string]core.Money
}

func (tx *tx) till(budgets core.Budgets, now time.Time) *till {
	return &till{tx: tx, budgets: budgets, now: now, spent: map[string]*amounts{}, reserved: map[string]core.Money{}}
}

// open takes the till's turn once there may be something to reserve: all who
// claim within budgets wait for one another from here on. It reads what was spent
// where the messages go, unless that is known.
func (t *till) open(due []dueMessage) {
	b := t.budgets
	if b.Total == (core.Budget{}) && b.Country == (core.Budget{}) && len(b.Countries) == 0 {
		return
	}
	if !t.held {
		t.tx.holdTurn(turnTill)
		t.held = true
	}
	t.read(everywhere)
	for _, m := range due {
		t.read(m.Country)
	}
	t.tx.look()
}

// read queues the reading of what was spent in a place, where that is bounded.
func (t *till) read(place string) {
	if _, known := t.spent[place]; known || bounds(t.budgetOf(place)) == (amounts{}) {
		return
	}
	sums := &amounts{}
	t.spent[place] = sums
	t.tx.spentIn(sums, place, t.now)
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
	t.tx.spend(t.reserved, t.now)
}

// spend adds to what was spent in places at a time, in one order whoever does. A
// correction is less than nothing.
func (tx *tx) spend(amounts map[string]core.Money, at time.Time) {
	for _, span := range spendingSpans {
		for _, place := range slices.Sorted(maps.Keys(amounts)) {
			tx.exec(`INSERT INTO spending AS s (span, country, starts_at, amount) VALUES ($1, $2, $3, $4)
				ON CONFLICT (span, country, starts_at) DO UPDATE SET amount = s.amount + excluded.amount`,
				span.slot, place, slotOf(at, span.slot), int64(amounts[place]))
		}
	}
}

// correct puts what a message has cost in place of what its claim reserved.
func (tx *tx) correct(country string, reserved, cost core.Money, at time.Time) {
	if difference := cost - reserved; difference != 0 {
		tx.spend(map[string]core.Money{everywhere: difference, country: difference}, at)
	}
}

// spentIn queues the summing of a place's windows that end now.
func (tx *tx) spentIn(sums *amounts, place string, now time.Time) {
	for i, span := range spendingSpans {
		tx.ask("SELECT coalesce(sum(amount), 0)::bigint FROM spending WHERE span = $1 AND country = $2 AND starts_at >= $3", func(r *row) {
			r.scan((*int64)(&sums[i]))
		}, span.slot, place, slotOf(now.Add(-span.window), span.slot))
	}
}

// slotOf is the beginning of the slot in which a time lies (UTC).
func slotOf(at time.Time, slot time.Duration) time.Time { return at.UTC().Truncate(slot) }

// Spending implements core.Store. Countries where nothing was spent are absent.
func (s *Store) Spending(ctx context.Context, now time.Time) ([]core.Spending, error) {
	return read(ctx, s, "reading what was spent", func(tx *tx, out *[]core.Spending) {
		sums := map[string]amounts{}
		for i, span := range spendingSpans {
			tx.ask("SELECT country, sum(amount)::bigint FROM spending WHERE span = $1 AND starts_at >= $2 GROUP BY country", func(r *row) {
				var place string
				var amount core.Money
				r.scan(&place, (*int64)(&amount))
				sum := sums[place]
				sum[i] = amount
				sums[place] = sum
			}, span.slot, slotOf(now.Add(-span.window), span.slot))
		}
		tx.then(func() { *out = listed(sums) })
	})
}

func listed(sums map[string]amounts) (all []core.Spending) {
	for place, sum := range sums {
		if sum != (amounts{}) {
			all = append(all, core.Spending{Country: place, Hour: sum[0], Day: sum[1], Month: sum[2]})
		}
	}
	slices.SortFunc(all, func(a, b core.Spending) int { return strings.Compare(a.Country, b.Country) })
	return all
}
