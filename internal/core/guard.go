package core

import (
	"sync/atomic"

	"github.com/countersign/countersign/internal/captcha"
)

// BudgetState says how far the money for messages has gone. The keys are
// countries (ISO 3166-1 alpha-2), "" for all together.
type BudgetState struct {
	ClosedToStrangers map[string]bool  // what strangers may use up is used up
	Closed            map[string]bool  // all of it is
	Nervous           captcha.Hardness // how hard a captcha strangers are asked for; 0: none
}

// watched is what upkeep tells the flows every now and then.
type watched struct {
	budget   atomic.Pointer[BudgetState]
	baseline atomic.Int64 // the usual failed codes of ten minutes (C-45)
}

// SetBudgetState tells how far the money has gone: begins only read it. s is
// not changed afterwards.
func (c *Core) SetBudgetState(s BudgetState) { c.watched.budget.Store(&s) }

// SetBaseline tells how many codes fail in ten minutes as a rule: the median of
// the last seven days (C-45).
func (c *Core) SetBaseline(codeFailures int64) { c.watched.baseline.Store(codeFailures) }

func (c *Core) budgetState() BudgetState {
	if s := c.watched.budget.Load(); s != nil {
		return *s
	}
	return BudgetState{}
}
