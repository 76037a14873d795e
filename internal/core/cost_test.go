package core_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
)

// narrow is a store that knows a refresh and the look at a session, and counts
// them. Whoever asks it for more calls a nil Store, and panics.
type narrow struct {
	core.Store
	of                 core.Store
	rotations, lookups int
	told               *core.SessionResult // answered in place of the store's word
}

func (n *narrow) RotateSession(ctx context.Context, in core.RotateSession) (core.SessionResult, error) {
	n.rotations++
	if n.told != nil {
		return *n.told, nil
	}
	result, err := n.of.RotateSession(ctx, in)
	n.told = &result
	return result, err
}

func (n *narrow) Session(ctx context.Context, id string) (core.Session, core.User, error) {
	n.lookups++
	return n.of.Session(ctx, id)
}

// asked is a limiter that counts what it is asked.
type asked struct {
	limit.Limiter
	takes, counts, others int
}

func (a *asked) Take(ctx context.Context, now time.Time, counts ...limit.Count) (limit.Decision, error) {
	a.takes++
	a.counts += len(counts)
	return a.Limiter.Take(ctx, now, counts...)
}

func (a *asked) GiveBack(ctx context.Context, taken time.Time, counts ...limit.Count) error {
	a.others++
	return a.Limiter.GiveBack(ctx, taken, counts...)
}

func (a *asked) Tally(ctx context.Context, now time.Time, tallies ...limit.Tally) ([]limit.Tallied, error) {
	a.others++
	return a.Limiter.Tally(ctx, now, tallies...)
}

// Over PostgreSQL and Redis each question is a trip: a refresh is one of each, and
// the door one trip to the database.
func TestWhatARefreshAsks(t *testing.T) {
	h := newHouse(t)
	set := h.signUp(alice, "")
	store, limiter := &narrow{of: h.store}, &asked{Limiter: h.limiter}
	h.limiter = limiter
	h.Core = h.coreOver(store)
	refreshed, err := h.refresh(set.RefreshToken, "")
	want(t, err, "")
	if store.rotations != 1 || store.lookups != 0 || *limiter != (asked{limiter.Limiter, 1, 1, 0}) {
		t.Errorf("a refresh: %d rotations, %d lookups; the limiter: %d calls for %d counts, %d more",
			store.rotations, store.lookups, limiter.takes, limiter.counts, limiter.others)
	}
	_, err = h.Authenticate(t.Context(), stranger(), refreshed.AccessToken)
	want(t, err, "")
	if store.rotations != 1 || store.lookups != 1 || limiter.takes != 1 || limiter.others != 0 {
		t.Errorf("the door: %d rotations, %d lookups, the limiter %d calls, %d more", store.rotations-1, store.lookups, limiter.takes-1, limiter.others)
	}
}

// What a refresh allocates between dialect and store has a bound, half as much
// again as it takes: who passes it has put something onto the path of them all.
func TestWhatARefreshAllocates(t *testing.T) {
	const most = 180
	h := newHouse(t)
	set := h.signUp(alice, "")
	h.Core = core.New(core.Deps{
		Store: &narrow{of: h.store}, Ring: h.ring, Tokens: h.tokens, Hasher: h.hasher,
		Traffic: func(event.Event) {}, Now: h.clock, Rand: rand.Reader, Limiter: h.limiter, Settings: h.settings,
	})
	refresh := func(token keyring.Secret) {
		if _, err := h.refresh(token, ""); err != nil {
			t.Fatal(err)
		}
	}
	refresh(set.RefreshToken) // from here on the store's word is the same
	if n := testing.AllocsPerRun(100, func() { refresh(set.RefreshToken) }); n > most {
		t.Errorf("a refresh allocates %v times, want %d at most", n, most)
	}
}
