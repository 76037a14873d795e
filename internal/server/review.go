package server

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/limit"
)

// How often review looks at what; usual is what a week tells.
const (
	minute     = time.Minute
	usualEvery = 10 * time.Minute
	usualTries = 200 // sign-ins of a week that tell something

	mostCounted = 10_000 // of what is not kept while the store fails
)

// review brings to the flows and to the alerts what they go by beside a request:
// how the money goes and what is usual. It keeps the counts for operators.
type review struct {
	core     *core.Core
	store    core.Store
	watch    *watch
	log      *event.File
	instance string // names this run in the counts
	now      func() time.Time

	limiter *limit.Memory
	shared  int64          // counts that it was full for, as seen last
	counted []event.Rollup // and not kept yet
	week    map[string]float64
	minuted time.Time
	weighed time.Time
}

func newReview(p *parts) *review {
	return &review{
		core: p.core, store: p.store, watch: p.watch, log: p.log, limiter: p.limiter.memory, instance: p.instance, now: p.now,
	}
}

// look is called every few seconds. What fails keeps nothing else from being
// looked at.
func (r *review) look(ctx context.Context) error {
	failed := []error{r.budgets(ctx)}
	now := r.now()
	if now.Sub(r.minuted) < minute {
		return failed[0]
	}
	r.minuted = now
	failed = append(failed, r.keep(ctx))
	if now.Sub(r.weighed) >= usualEvery {
		err := r.weigh(ctx)
		if err == nil {
			r.weighed = now
		}
		failed = append(failed, err)
	}
	r.watch.alerts.Tick(now, func(method string) (float64, bool) {
		rate, enough := r.week[method]
		return rate, enough
	})
	shared := r.limiter.Stats().Shared
	r.watch.alerts.LimiterFull(shared - r.shared)
	r.shared = shared
	// What the log tells of itself stands in it alone; a broken chain is an alert.
	_, err := r.watch.sink().Write(ctx, r.log.Told())
	return errors.Join(append(failed, err)...)
}

// keep adds what was counted since the last time. Where nothing was kept it is
// added the next time; where that is not known it is lost, lest it count twice.
func (r *review) keep(ctx context.Context) error {
	r.counted = append(r.counted, r.watch.counter.Take()...)
	r.counted = r.counted[max(0, len(r.counted)-mostCounted):]
	if len(r.counted) == 0 {
		return nil
	}
	err := r.store.AddRollups(ctx, core.AddRollups{Instance: r.instance, Rollups: r.counted})
	if err == nil || errors.Is(err, core.ErrUncertain) {
		r.counted = nil
	}
	return err
}

// weigh learns what is usual.
func (r *review) weigh(ctx context.Context) error {
	baseline, err := r.core.ReviewBaseline(ctx)
	if err != nil {
		return err
	}
	r.watch.alerts.SetBaseline(baseline)
	stats, err := r.core.Stats(ctx, core.StatsIn{Window: 7 * 24 * time.Hour})
	if err != nil {
		return err
	}
	r.week = map[string]float64{}
	for _, s := range stats.SignIns {
		if s.SuccessRate != nil && s.Successes+s.Failures >= usualTries {
			r.week[s.Method] = *s.SuccessRate
		}
	}
	return nil
}

// budgets looks how the money goes.
func (r *review) budgets(ctx context.Context) error {
	uses, err := r.core.ReviewBudgets(ctx)
	if err != nil {
		return err
	}
	for _, use := range uses {
		r.watch.alerts.Budget(event.BudgetUse{
			BudgetKey: event.BudgetKey{Country: use.Country, Window: use.Window},
			Percent:   use.Percent(), ClosedToStrangers: use.ClosedToStrangers, Closed: use.Closed,
		})
	}
	return nil
}
