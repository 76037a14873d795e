package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

const (
	partLearning = "learning of routes"

	learnEvery = 30 * time.Second
	learnMost  = 20_000 // messages of an age that are looked at
)

// age is a span of time that messages were made in, how much one of then counts,
// and how often it is read anew.
type age struct {
	from, to time.Duration
	weight   float64
	every    time.Duration

	stats []core.RouteStat
	read  time.Time
}

// ages are those that are learnt from: what was seen last tells most of what is to
// come. A person has a while to enter a code.
func ages() []*age {
	return []*age{
		{from: 5 * time.Minute, to: time.Minute, weight: 1, every: learnEvery},
		{from: 30 * time.Minute, to: 5 * time.Minute, weight: 0.25, every: 2 * time.Minute},
		{from: 6 * time.Hour, to: 30 * time.Minute, weight: 0.02, every: 30 * time.Minute},
	}
}

// lookAfterRoutes learns how providers do, and tells which are back, until ctx
// ends.
func (b *Outbox) lookAfterRoutes(ctx context.Context) {
	all := ages()
	for ctx.Err() == nil {
		if b.router.learns() {
			err := b.learn(ctx, all)
			if ctx.Err() == nil {
				b.note(partLearning, err)
			}
		}
		for _, w := range b.router.restored(b.o.Now()) {
			b.o.Log.Info("a provider takes messages again", "provider", w.provider, "country", w.country)
			b.tellRoute(event.DependencyRestored, event.Success, w)
		}
		pause(ctx, learnEvery)
	}
}

// learn asks the store how messages went. What is known stays where it fails.
func (b *Outbox) learn(ctx context.Context, all []*age) error {
	now, learnt := b.o.Now(), shares{}
	for _, a := range all {
		if now.Sub(a.read) >= a.every {
			stats, err := b.o.Store.Routes(ctx, core.RouteQuery{Since: now.Add(-a.from), Until: now.Add(-a.to), Most: learnMost})
			if err != nil {
				return fmt.Errorf("reading how messages went: %w", err)
			}
			a.stats, a.read = stats, now
		}
		learnt.add(a.stats, a.weight)
	}
	b.router.learnt(learnt)
	return nil
}

// tellShut tells of the ways that messages do not go by from now on.
func (b *Outbox) tellShut(shut []way) {
	for _, w := range shut {
		b.o.Log.Error("a provider fails: others are used while it does", "provider", w.provider, "country", w.country)
		b.tellRoute(event.DependencyLost, event.Failure, w)
	}
}

func (b *Outbox) tellRoute(name event.Name, outcome event.Outcome, w way) {
	id, err := b.newID()
	if err != nil {
		b.o.Log.Error("what a provider does cannot be told", "provider", w.provider, "error", err)
		return
	}
	e := event.Event{
		ID: id, Time: b.o.Now(), Name: name, Outcome: outcome,
		Attributes: event.Attributes{"part": "provider", "provider": w.provider},
	}
	if w.country != "" && w.country != nowhere {
		e.Attributes["country"] = w.country
	}
	b.Traffic(e)
}
