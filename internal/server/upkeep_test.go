package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// sweepable is a store that has so many batches to drop.
type sweepable struct {
	batches int
	down    error

	mu    sync.Mutex
	swept []core.Sweep
}

func (s *sweepable) Sweep(_ context.Context, sweep core.Sweep) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swept = append(s.swept, sweep)
	return len(s.swept) < s.batches, nil
}

func (s *sweepable) sweeps() []core.Sweep {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.swept)
}

func (s *sweepable) Ping(context.Context) error { return s.down }

type nothingToReview struct{}

func (nothingToReview) look(context.Context) error { return nil }
func (nothingToReview) keep(context.Context) error { return nil }

type nobodyElse struct{}

func (nobodyElse) attend(context.Context) error { return nil }
func (nobodyElse) leave(context.Context) error  { return nil }

func keptUp(store *sweepable, told *[]event.Name) *upkeep {
	return &upkeep{
		store: store, present: nobodyElse{}, limiter: func(context.Context) {}, review: nothingToReview{}, keys: nothingToReview{}, now: time.Now, options: Options{Log: discardLog()},
		tell: func(name event.Name, _ event.Outcome, _ event.Attributes) { *told = append(*told, name) },
	}
}

func TestC102SweepsEveryMinuteUntilNothingIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []event.Name
		store := &sweepable{batches: 3}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			keptUp(store, &told).run(ctx)
			close(ended)
		}()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if len(store.sweeps()) != 3 {
			t.Errorf("%d batches in the first minute, want the 3 there were", len(store.sweeps()))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(store.sweeps()) != 4 {
			t.Errorf("%d batches after two minutes, want one more", len(store.sweeps()))
		}
		const day = 24 * time.Hour
		if s := store.sweeps()[0]; s.KeepChallenges != day || s.KeepAddresses != 90*day || s.KeepEvents != 365*day || s.Limit <= 0 {
			t.Errorf("swept with %+v", s)
		}
		cancel()
		<-ended
	})
}

// Redis is asked for at once: where it was never there, readiness tells so from
// the start.
func TestUpkeepAsksForRedisAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []event.Name
		asked := 0
		u := keptUp(&sweepable{}, &told)
		u.limiter = func(context.Context) { asked++ }
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			u.run(ctx)
			close(ended)
		}()
		synctest.Wait()
		if asked != 1 {
			t.Errorf("asked %d times before any time has passed, want once", asked)
		}
		cancel()
		<-ended
	})
}

// The keys are looked after whenever the database answers, and no fault there
// keeps the rest from being done.
func TestUpkeepLooksAfterTheKeys(t *testing.T) {
	var told []event.Name
	store, keys := &sweepable{}, &failingKeys{}
	u := keptUp(store, &told)
	u.keys = keys
	for _, down := range []error{nil, errors.New("gone"), nil} {
		store.down = down
		u.look(t.Context())
	}
	if keys.looks != 2 || len(store.sweeps()) != 1 {
		t.Errorf("%d looks at the keys, want 2; %d sweeps, want 1", keys.looks, len(store.sweeps()))
	}
}

type failingKeys struct{ looks int }

func (k *failingKeys) look(context.Context) error {
	k.looks++
	return errors.New("no keys today")
}

func TestC73DatabaseLostAndFoundIsTold(t *testing.T) {
	var told []event.Name
	store := &sweepable{}
	u := keptUp(store, &told)
	for _, down := range []error{nil, errors.New("gone"), errors.New("gone"), nil, nil} {
		store.down = down
		u.look(t.Context())
	}
	if want := []event.Name{event.DependencyLost, event.DependencyRestored}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// outOfReach answers nothing until nobody waits any more.
type outOfReach struct{ nothingToReview }

func (outOfReach) attend(context.Context) error { return nil }
func (outOfReach) keep(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
func (o outOfReach) leave(ctx context.Context) error { return o.keep(ctx) }

// A database that does not answer, or not even refuse, keeps no server from its end.
func TestUpkeepFinishesWithoutADatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := keptUp(&sweepable{}, new([]event.Name))
		u.present, u.review = outOfReach{}, outOfReach{}
		u.finish(context.Background()) // a bubble in which all wait for ever fails
	})
}
