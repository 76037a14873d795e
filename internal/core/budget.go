package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/captcha"
)

// BudgetUse is how much of one budget is used up.
type BudgetUse struct {
	Country       string // ISO 3166-1 alpha-2; "" is all together
	Window        time.Duration
	Spent, Budget Money

	ClosedToStrangers bool // what strangers may use up is used up
	Closed            bool // all of it is
}

// Percent is how much that is in per cent, rounded down.
func (u BudgetUse) Percent() int64 { return int64(u.Spent) * 100 / int64(u.Budget) }

// ReviewBudgets reads what messages have cost, has begins go by it from now on,
// and tells how much of each budget that is spent on is used up. Begins only read
// what it found: the claim of a message is what keeps a budget.
func (c *Core) ReviewBudgets(ctx context.Context) ([]BudgetUse, error) {
	spending, err := c.store.Spending(ctx, c.now())
	if err != nil {
		return nil, unavailable("reading what messages have cost", err)
	}
	state := BudgetState{ClosedToStrangers: map[string]bool{}, Closed: map[string]bool{}}
	var uses []BudgetUse
	for _, s := range spending {
		for _, use := range c.settings.Budgets.uses(s) {
			one := c.settings.least(use.Country)
			if use.Spent+one > use.Budget {
				use.Closed, state.Closed[use.Country] = true, true
			}
			if use.Spent+one > c.settings.Budgets.strangers(use.Budget) {
				use.ClosedToStrangers, state.ClosedToStrangers[use.Country] = true, true
			}
			uses = append(uses, use)
			if use.Country == "" && use.Window == time.Hour {
				state.Nervous = nervousAt(int64(use.Spent) * 100 / int64(c.settings.Budgets.strangers(use.Budget)))
			}
		}
	}
	c.SetBudgetState(state)
	return uses, nil
}

// uses sets what was spent beside the budgets that there are.
func (b Budgets) uses(s Spending) []BudgetUse {
	budget := b.Total
	if s.Country != "" {
		own, ok := b.Countries[s.Country]
		if budget = b.Country; ok {
			budget = own
		}
	}
	const day = 24 * time.Hour
	var uses []BudgetUse
	for _, u := range []BudgetUse{
		{Country: s.Country, Window: time.Hour, Spent: s.Hour, Budget: budget.Hour},
		{Country: s.Country, Window: day, Spent: s.Day, Budget: budget.Day},
		{Country: s.Country, Window: 31 * day, Spent: s.Month, Budget: budget.Month},
	} {
		if u.Budget > 0 {
			uses = append(uses, u)
		}
	}
	return uses
}

// strangers is the part of a budget that strangers may use up.
func (b Budgets) strangers(budget Money) Money {
	return max(1, budget*Money(b.StrangerPct)/100)
}

// least is what the cheapest message there costs; "" is anywhere.
func (p Prices) least(country string) Money {
	if price, ok := p[country]; ok {
		return price
	}
	least := dearest
	for where, price := range p {
		if country == "" || where == "*" {
			least = min(least, price)
		}
	}
	return least
}

// nervousAt says how hard a proof strangers are asked for, by how much per cent
// of their share of the hour's money is gone.
func nervousAt(percent int64) captcha.Hardness {
	switch {
	case percent >= 95:
		return captcha.Hardest
	case percent >= 90:
		return 4
	case percent >= 80:
		return 3
	case percent >= 65:
		return 2
	case percent >= 50:
		return captcha.Easy
	}
	return 0
}
