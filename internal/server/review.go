package server

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// How often review looks at what; usual is what a week tells.
const (
	minute     = time.Minute
	usualEvery = 10 * time.Minute
	usualTries = 200 // sign-ins of a week that tell something
)

// budgetLevels are the parts of a budget, in per cent, that an alert tells of,
// and what to do then.
var budgetLevels = []struct {
	percent  int64
	severity string
	advice   string
}{
	{95, "critical", "Messages stop or have stopped: see in the stats which country it went to, then raise sms_budget or take the country off sms_countries."},
	{80, "critical", "Strangers get no messages from here on (sms_budget_strangers_pct): see in the stats which country it goes to, before it is all gone."},
	{50, "warning", "Half of it is spent: see in the stats whether the codes are redeemed; if not, somebody pumps messages."},
}

// review brings to the flows and to the alerts what they go by beside a request:
// how the money goes and what is usual. It keeps the counts for operators.
type review struct {
	core     *core.Core
	store    core.Store
	watch    *watch
	log      *event.File
	instance string // names this run in the counts
	now      func() time.Time
	alert    func(event.Attributes)

	told    map[budget]int64 // the level that was told last
	week    map[string]float64
	minuted time.Time
	weighed time.Time
}

// budget names one.
type budget struct {
	country string
	window  time.Duration
}

func newReview(p *parts, instance string) *review {
	return &review{
		core: p.core, store: p.store, watch: p.watch, log: p.log, instance: instance, now: p.now,
		alert: func(a event.Attributes) { p.tell(event.Alert, event.Failure, "budget", a) },
		told:  map[budget]int64{},
	}
}

// look is called every few seconds.
func (r *review) look(ctx context.Context) error {
	if err := r.budgets(ctx); err != nil {
		return err
	}
	now := r.now()
	if now.Sub(r.minuted) < minute {
		return nil
	}
	r.minuted = now
	// What the log tells of itself stands in it alone; a broken chain is an alert.
	if _, err := r.watch.sink().Write(ctx, r.log.Told()); err != nil {
		return err
	}
	if err := r.keep(ctx); err != nil {
		return err
	}
	if now.Sub(r.weighed) >= usualEvery {
		if err := r.weigh(ctx); err != nil {
			return err
		}
		r.weighed = now
	}
	r.watch.alerts.Tick(now, func(method string) (float64, bool) {
		rate, enough := r.week[method]
		return rate, enough
	})
	return nil
}

// keep adds what was counted since the last time. What cannot be kept is lost:
// the log has it.
func (r *review) keep(ctx context.Context) error {
	counted := r.watch.counter.Take()
	if len(counted) == 0 {
		return nil
	}
	return r.store.AddRollups(ctx, core.AddRollups{Instance: r.instance, Rollups: counted})
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

// budgets looks how the money goes, and tells once of each level that a budget
// reaches.
func (r *review) budgets(ctx context.Context) error {
	uses, err := r.core.ReviewBudgets(ctx)
	if err != nil {
		return err
	}
	for _, use := range uses {
		which := budget{use.Country, use.Window}
		reached := int64(0)
		for _, level := range budgetLevels {
			if use.Percent() < level.percent {
				continue
			}
			if reached = level.percent; reached > r.told[which] {
				r.alert(event.Attributes{
					"seen": use.Percent(), "threshold": level.percent, "unit": "percent", "subject": use.Country,
					"window_seconds": int64(use.Window / time.Second), "severity": level.severity, "advice": level.advice,
				})
			}
			break
		}
		r.told[which] = reached
	}
	return nil
}
