package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// year is what a simulated year has seen.
type year struct {
	t       *testing.T
	tokens  []living
	since   map[string]time.Time // when a kid was first published by both
	signers map[string]bool
}

// step holds the promises at one moment: each token verifies on all instances
// to its end, and who checks tokens and fetched the keys an hour ago knows the
// key of each that is made now.
func (y *year) step(now time.Time, instances ...*instance) {
	first, second := instances[0].published(y.t), instances[1].published(y.t)
	if len(first) > 3 || len(second) > 3 {
		y.t.Errorf("%v: %d and %d keys are published", now, len(first), len(second))
	}
	for _, kid := range first {
		if _, ok := y.since[kid]; !ok && slices.Contains(second, kid) {
			y.since[kid] = now
		}
	}
	for _, i := range instances {
		made := i.mint(y.t)
		y.tokens = append(y.tokens, made)
		published, ok := y.since[made.kid]
		if first := len(y.signers) == 0 || len(y.signers) == 1 && y.signers[made.kid]; !first && (!ok || now.Sub(published) < 5*time.Minute) {
			y.t.Errorf("%v: a key signs, and was published everywhere at %v", now, published)
		}
		y.signers[made.kid] = true
	}
	y.tokens = slices.DeleteFunc(y.tokens, func(l living) bool { return !now.Before(l.ends) })
	for _, l := range y.tokens {
		for _, i := range instances {
			if _, err := i.minter.ParseAccess(l.token, i.clock()); err != nil {
				y.t.Errorf("%v: a token that ends at %v: %v", now, l.ends, err)
			}
		}
	}
}

// C-90: a year of two instances over one store, the second's clock behind and
// its looks up to 45 minutes late. Time goes in small steps where a key is due
// and in large ones between.
func TestC90AYearOfKeys(t *testing.T) {
	in := newInstallation(t)
	master := newMaster()
	prompt, late := in.instance(master, 0, time.Minute), in.instance(master, 3*time.Second, 45*time.Minute)
	y := &year{t: t, since: map[string]time.Time{}, signers: map[string]bool{}}
	for in.now.Before(in.began.Add(365*day)) && !t.Failed() {
		lookAtOnce(t, prompt, late)
		y.step(in.now, prompt, late)
		in.now = in.now.Add(6 * time.Minute)
		if into := in.now.Sub(in.began) % (30 * day); 40*time.Minute < into && into < 30*day-75*time.Minute { // nothing is due
			in.now = in.now.Add(min(12*time.Hour, 30*day-75*time.Minute-into))
		}
	}
	if len(y.signers) != 13 {
		t.Errorf("%d keys have signed in a year of 30 days each, want 13", len(y.signers))
	}
	want := map[string]int{"key_rotated signing/1": 1}
	for n := 2; n <= 13; n++ {
		want[fmt.Sprintf("key_created signing/%d", n)] = 1
		if n < 13 {
			want[fmt.Sprintf("key_rotated signing/%d", n)] = 1
		}
	}
	if fmt.Sprint(in.told) != fmt.Sprint(want) {
		t.Errorf("told %v, want %v", in.told, want)
	}
}

// C-90: the successor is made an hour before its time, by one of those who try
// at once; both publish it then, and change over in the same moment without
// another look.
func TestC90TheNextKeyIsPublishedAnHourBefore(t *testing.T) {
	in := newInstallation(t)
	master := newMaster()
	instances := make([]*instance, 6)
	for n := range instances {
		instances[n] = in.instance(master, 0, 0)
	}
	old := instances[0].mint(t).kid
	due := in.began.Add(30*day - time.Hour)
	for _, c := range []struct {
		at        time.Time
		published int
		signs     bool // the first key
		looks     bool
	}{
		{due.Add(-time.Millisecond), 1, true, true},
		{due, 2, true, true},
		{due.Add(time.Hour - time.Millisecond), 2, true, true},
		{due.Add(time.Hour), 2, false, false},
		{due.Add(time.Hour + keptAfter - time.Millisecond), 2, false, true},
		{due.Add(time.Hour + keptAfter + time.Minute), 1, false, true},
	} {
		in.now = c.at
		if c.looks {
			lookAtOnce(t, instances...)
			lookAgain(t, instances...)
		}
		for n, i := range instances {
			if got := len(i.published(t)); got != c.published || (i.mint(t).kid == old) != c.signs {
				t.Errorf("%v, instance %d: %d keys are published, want %d; the first signs: %v", c.at, n, got, c.published, !c.signs)
			}
		}
	}
	if want := map[string]int{"key_created signing/2": 1, "key_rotated signing/1": 1}; fmt.Sprint(in.told) != fmt.Sprint(want) {
		t.Errorf("told %v, want %v", in.told, want)
	}
}

// lookAgain has each look though less than a minute has gone by.
func lookAgain(t *testing.T, instances ...*instance) {
	for _, i := range instances {
		i.looked = time.Time{}
	}
	lookAtOnce(t, instances...)
}

// Keys that never rotate are kept, and a server that was off for a year goes on
// with the old key until the new one has been published for its hour.
func TestKeysOfUnusualYears(t *testing.T) {
	in := newInstallation(t)
	i := in.instance(newMaster(), 0, 0)
	i.every = 0
	in.now = in.began.Add(365 * day)
	lookAtOnce(t, i)
	if got := len(i.published(t)); got != 1 {
		t.Errorf("never: %d keys", got)
	}
	old := i.mint(t).kid
	i.every = 30 * day
	lookAgain(t, i)
	if got := len(i.published(t)); got != 2 || i.mint(t).kid != old {
		t.Errorf("after a year: %d keys are published", got)
	}
	in.now = in.now.Add(publishedBefore)
	if i.mint(t).kid == old {
		t.Error("the old key signs on")
	}
}

// flaky is a store whose answers get lost.
type flaky struct {
	core.Store
	down error // of Keys
	lost bool  // of AddKey, after it was done
}

func (f *flaky) Keys(ctx context.Context) ([]keyring.StoredKey, error) {
	if f.down != nil {
		return nil, f.down
	}
	return f.Store.Keys(ctx)
}

func (f *flaky) AddKey(ctx context.Context, key keyring.StoredKey) (core.Outcome, error) {
	outcome, err := f.Store.AddKey(ctx, key)
	return outcome, cmp.Or(err, map[bool]error{true: core.ErrUncertain}[f.lost])
}

// What could not be read is read at the next call, not a minute later; a key
// whose storing is uncertain is looked up.
func TestKeysOverAStoreThatFails(t *testing.T) {
	in := newInstallation(t)
	i := in.instance(newMaster(), 0, 0)
	store := &flaky{Store: in.store, down: errors.New("down"), lost: true}
	i.store = store
	in.now = in.began.Add(30 * day)
	if err := i.look(t.Context()); !errors.Is(err, store.down) {
		t.Errorf("the store is down: %v", err)
	}
	i.mint(t)
	store.down = nil
	lookAtOnce(t, i)
	if got := len(i.published(t)); got != 2 || in.told["key_created signing/2"] != 1 {
		t.Errorf("%d keys are published, told %v", got, in.told)
	}
}
