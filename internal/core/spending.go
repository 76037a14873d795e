package core

import (
	"slices"
	"strings"
	"time"
)

// This file is how spending fills its slots and windows, and what budgets have room
// for. Every engine asks it: it knows no database.

// SpendingSpan is a slot in which money is kept, and the window that such slots
// serve.
type SpendingSpan struct{ Slot, Window time.Duration }

// SpendingSpans are the slots in which money is kept, in the order of Amounts.
func SpendingSpans() [3]SpendingSpan {
	return [3]SpendingSpan{
		{time.Minute, 60 * time.Minute},
		{time.Hour, 24 * time.Hour},
		{24 * time.Hour, 31 * 24 * time.Hour},
	}
}

// Since is the first slot of the window that ends now: a window counts every slot
// that it touches.
func (s SpendingSpan) Since(now time.Time) time.Time { return SlotOf(now.Add(-s.Window), s.Slot) }

// SlotOf is the beginning of the slot in which a time lies (UTC).
func SlotOf(at time.Time, slot time.Duration) time.Time { return at.UTC().Truncate(slot) }

// Amounts are what was spent in the windows of SpendingSpans, or may be.
type Amounts [3]Money

// SpendingOf lists sums by country, and leaves out those of nothing.
func SpendingOf(sums map[string]Amounts) (all []Spending) {
	for country, sum := range sums {
		if sum != (Amounts{}) {
			all = append(all, Spending{Country: country, Hour: sum[0], Day: sum[1], Month: sum[2]})
		}
	}
	slices.SortFunc(all, func(a, b Spending) int { return strings.Compare(a.Country, b.Country) })
	return all
}

// inTotal stands for the total, where countries stand.
const inTotal = ""

// Reserves is what a claim of a message reserves.
func (m Message) Reserves() Money {
	if m.State == MessageWithheld {
		return 0
	}
	return m.Price
}

// In gives what a correction adds to what is spent, by country: less than nothing
// where it cost less. Nil: nothing.
func (c Correction) In(country string) map[string]Money {
	difference := c.To - c.From
	if difference == 0 {
		return nil
	}
	return map[string]Money{inTotal: difference, country: difference}
}

// Bounded tells whether anything is.
func (b Budgets) Bounded() bool {
	return b.Total != (Budget{}) || b.Country != (Budget{}) || len(b.Countries) > 0
}

// of is the budget of a country.
func (b Budgets) of(country string) Budget {
	if country == inTotal {
		return b.Total
	}
	if named, found := b.Countries[country]; found {
		return named
	}
	return b.Country
}

// Till reserves the money of one claim of messages.
type Till struct {
	budgets  Budgets
	spent    map[string]*Amounts // by country
	reserved map[string]Money
}

// NewTill is a till that has reserved nothing yet.
func NewTill(budgets Budgets) *Till {
	return &Till{budgets: budgets, spent: map[string]*Amounts{}, reserved: map[string]Money{}}
}

// Look asks for what was spent where a message goes, each place once and only where
// it is bounded. It must be filled in before Reserve.
func (t *Till) Look(m Message, fill func(spent *Amounts, country string)) {
	for _, country := range countries(m) {
		if t.spent[country] == nil && t.budgets.of(country) != (Budget{}) {
			t.spent[country] = &Amounts{}
			fill(t.spent[country], country)
		}
	}
}

// Reserve takes a message's price, if the budgets have room for it.
func (t *Till) Reserve(m Message) bool {
	price := m.Reserves()
	if price == 0 {
		return true
	}
	stranger := m.ChallengeID != "" && (m.Bucket == "" || m.Bucket == BucketSolved)
	for _, country := range countries(m) {
		if !t.fits(country, price, stranger) {
			return false
		}
	}
	for _, country := range countries(m) {
		t.reserved[country] += price
	}
	return true
}

// Reserved is what was reserved, by country.
func (t *Till) Reserved() map[string]Money { return t.reserved }

// fits tells whether a price passes none of a country's budgets.
func (t *Till) fits(country string, price Money, stranger bool) bool {
	budget := t.budgets.of(country)
	for i, most := range (Amounts{budget.Hour, budget.Day, budget.Month}) {
		bound := most
		if stranger {
			bound = bound * Money(t.budgets.StrangerPct) / 100
		}
		if most > 0 && t.spent[country][i]+t.reserved[country]+price > bound {
			return false
		}
	}
	return true
}

// countries is where a message's price counts: the total, and its country.
func countries(m Message) []string {
	if m.Country == inTotal {
		return []string{inTotal}
	}
	return []string{inTotal, m.Country}
}
