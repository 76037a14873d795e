package outbox

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/event"
)

const (
	partLearning = "learning of routes"

	learnEvery = 30 * time.Second
)

// lookAfterRoutes learns how providers do, and tells which are back, until ctx
// ends.
func (b *Outbox) lookAfterRoutes(ctx context.Context) {
	for ctx.Err() == nil {
		for _, w := range b.router.restored(b.o.Now()) {
			b.o.Log.Info("a provider takes messages again", "provider", w.provider, "country", w.country)
			b.tellRoute(event.DependencyRestored, event.Success, w)
		}
		pause(ctx, learnEvery)
	}
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
