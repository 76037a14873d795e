package event

import "time"

// BudgetKey names a budget: whose, and in which window.
type BudgetKey struct {
	Country string // ISO 3166-1 alpha-2; "" is all together
	Window  time.Duration
}

// BudgetUse is how far a budget has gone.
type BudgetUse struct {
	BudgetKey
	Percent           int64
	ClosedToStrangers bool // what strangers may use up is used up
	Closed            bool // all of it is
}

// budgetLevel is what there is to tell of a budget.
type budgetLevel int

const (
	budgetFine budgetLevel = iota
	budgetGoing
	budgetStrangers
	budgetClosed
)

// toldBudget is the last that was told of a budget.
type toldBudget struct {
	level   budgetLevel
	percent int64
}

// budgetSlack is how far, in points, a budget has to fall before reaching a level
// is told again: prices are reserved and given back all the time.
const budgetSlack = 5

// Budget tells when a budget reaches a level that it was not told of.
func (a *Alerts) Budget(use BudgetUse) {
	a.judge(func(now time.Time) {
		rule := a.rules[AlertBudget]
		level := use.level(int64(rule.N))
		told := a.budgets[use.BudgetKey]
		if level > told.level {
			rule.Window, rule.Severity = use.Window, level.severity()
			a.tell(finding{
				rule: rule, seen: use.Percent, threshold: int64(rule.N), unit: "percent", subject: use.Country,
			}, &subject{}, now)
		}
		if level > told.level || use.Percent <= told.percent-budgetSlack {
			a.budgets[use.BudgetKey] = toldBudget{level, use.Percent}
		}
	})
}

func (u BudgetUse) level(from int64) budgetLevel {
	switch {
	case u.Closed:
		return budgetClosed
	case u.ClosedToStrangers:
		return budgetStrangers
	case u.Percent >= from:
		return budgetGoing
	}
	return budgetFine
}

func (l budgetLevel) severity() string {
	if l == budgetGoing {
		return "warning"
	}
	return "critical"
}

// LimiterFull tells that so many counts had to share a counter since it was
// called last.
func (a *Alerts) LimiterFull(shared int64) {
	if shared == 0 {
		return
	}
	a.judge(func(now time.Time) {
		rule := a.rules[AlertLimiterFull]
		watched := a.subjects[AlertLimiterFull].of("")
		if shared >= int64(rule.N) {
			a.tell(finding{rule: rule, seen: shared, threshold: int64(rule.N), unit: "counts"}, watched, now)
		}
	})
}
