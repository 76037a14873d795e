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

// ages are how far back is looked, and what a message of then counts: what was
// seen last tells most of what is to come. A person has a while to enter a code.
var ages = []struct {
	from, to time.Duration
	weight   float64
}{
	{from: 12 * time.Minute, to: 2 * time.Minute, weight: 1},
	{from: time.Hour, to: 12 * time.Minute, weight: 0.2},
	{from: 6 * time.Hour, to: time.Hour, weight: 0.05},
}

// lookAfterRoutes learns how providers do, and tells which are back, until ctx
// ends.
func (b *Outbox) lookAfterRoutes(ctx context.Context) {
	for ctx.Err() == nil {
		if b.router.learns() {
			err := b.learn(ctx)
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
func (b *Outbox) learn(ctx context.Context) error {
	now, learnt := b.o.Now(), shares{}
	for _, age := range ages {
		stats, err := b.o.Store.Routes(ctx, core.RouteQuery{Since: now.Add(-age.from), Until: now.Add(-age.to), Most: learnMost})
		if err != nil {
			return fmt.Errorf("reading how messages went: %w", err)
		}
		learnt.add(stats, age.weight)
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
