package server

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// kept is a store that takes counts, or does not.
type kept struct {
	core.Store
	err error
	n   int64
}

func (k *kept) AddRollups(_ context.Context, in core.AddRollups) error {
	if k.err == nil {
		for _, r := range in.Rollups {
			k.n += r.N
		}
	}
	return k.err
}

// What the store did not take is brought again; what it may have taken is not,
// lest it count twice.
func TestCountsAreKeptOnce(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	w := newWatch(config.Config{}, Options{}, now, func(event.Event) {})
	store := &kept{err: errors.New("gone")}
	r := &review{store: store, watch: w, now: now}
	count := func(id string) {
		_, err := w.sink().Write(t.Context(), []event.Event{{ID: id, Time: now(), Name: event.FailedLogin, Outcome: event.Failure}})
		if err != nil {
			t.Fatal(err)
		}
	}
	count("a")
	if err := r.keep(t.Context()); err == nil {
		t.Fatal("nobody is told that counts are not kept")
	}
	count("b")
	store.err = nil
	if err := r.keep(t.Context()); err != nil || store.n != 2 {
		t.Errorf("%d kept, want both: %v", store.n, err)
	}
	count("c")
	store.err = core.ErrUncertain
	_ = r.keep(t.Context())
	store.err = nil
	if err := r.keep(t.Context()); err != nil || store.n != 2 {
		t.Errorf("%d kept, want no uncertain one again: %v", store.n, err)
	}
}
