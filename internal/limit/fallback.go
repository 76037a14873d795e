package limit

import (
	"context"
	"sync"
	"time"
)

// FallbackOptions say what Fallback stands between.
type FallbackOptions struct {
	Shared    Limiter                    // counts for all instances, and may be away
	Local     Limiter                    // counts for this one, and is always there
	Instances func() int                 // how many there are, as last seen; no I/O
	Now       func() time.Time           // the clock of those who call
	OnChange  func(lost bool, err error) // told once when Shared is lost, and when it is back; may be nil
	Bound     time.Duration              // the longest that Shared is waited for (default 250 ms)
	Pause     time.Duration              // how long a lost Shared is left alone before it is asked again (default 1 s)
}

// Fallback is the Limiter of several instances: Shared, and while that is away
// this instance's share of each limit, N over the number of instances, at least
// one (CHECKLIST C-104). Shared must end its calls with their context.
//
// One failed call makes Shared lost. From then on one call a pause asks it again,
// the rest wait for nothing; the first answer ends the loss. What was counted
// here counts on then: for a window more, Shared and this instance's share must
// both admit, since Shared may have come back empty. So any window holds at most
// 2N (DESIGN, invariant 10): N that Shared counted before, and N in shares since;
// where N is less than the instances, one for each of them, and instances that
// join meanwhile add their shares. A Shared that forgets what it counted is to
// err once: then all of its instances do the same.
type Fallback struct {
	o FallbackOptions

	mu      sync.Mutex
	lost    error     // why Shared is lost, nil: it is not
	askAt   time.Time // when a lost Shared is asked next
	changed time.Time // when it was lost or came back; zero: it never was lost
	most    int       // instances seen since it was lost
	longest time.Duration
}

// NewFallback makes one. Shared is taken to be there until it fails.
func NewFallback(o FallbackOptions) *Fallback {
	if o.Bound <= 0 {
		o.Bound = 250 * time.Millisecond
	}
	if o.Pause <= 0 {
		o.Pause = time.Second
	}
	if o.OnChange == nil {
		o.OnChange = func(bool, error) {}
	}
	return &Fallback{o: o}
}

// Lost tells why Shared is lost; nil while it answers.
func (f *Fallback) Lost() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

// Ask looks whether Shared is there. Called at intervals, neither its loss nor its
// return waits for a request that needs it.
func (f *Fallback) Ask(ctx context.Context) {
	_, _ = f.Tally(ctx, f.o.Now(), Tally{Name: "asked", Window: time.Minute})
}

// Take is Limiter's. It errs only where ctx ends.
func (f *Fallback) Take(ctx context.Context, now time.Time, counts ...Count) (Decision, error) {
	here, rest := f.split(counts)
	d, err := f.takeHere(ctx, now, here)
	if err != nil || d.Refused != "" {
		return d, err
	}
	asked, again := f.asks()
	if asked {
		d, err = askShared(f, ctx, again, func(ctx context.Context) (Decision, error) {
			return f.o.Shared.Take(ctx, now, counts...)
		})
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case !asked || err != nil: // what was not yet counted here is so now
		d, err = f.takeHere(ctx, now, f.shares(rest))
	}
	if (err != nil || d.Refused != "") && len(here) > 0 {
		_ = f.o.Local.GiveBack(ctx, now, here...)
	}
	return d, err
}

// GiveBack is Limiter's. What was taken before Shared was lost or came back
// stays counted: it is not known where it was.
func (f *Fallback) GiveBack(ctx context.Context, taken time.Time, counts ...Count) error {
	f.mu.Lock()
	doubtful, lost := !taken.After(f.changed), f.lost != nil
	f.mu.Unlock()
	if doubtful {
		return nil
	}
	if here, _ := f.split(counts); len(here) > 0 {
		if err := f.o.Local.GiveBack(ctx, taken, here...); err != nil {
			return err
		}
	}
	if !lost {
		_, _ = askShared(f, ctx, false, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, f.o.Shared.GiveBack(ctx, taken, counts...)
		})
	}
	return ctx.Err()
}

// Tally is Limiter's. This instance adds up its own part all the time, so that
// it does not begin with nothing when Shared is lost.
func (f *Fallback) Tally(ctx context.Context, now time.Time, tallies ...Tally) ([]Tallied, error) {
	own, err := f.o.Local.Tally(ctx, now, tallies...)
	if err != nil {
		return nil, err
	}
	asked, again := f.asks()
	if !asked {
		return own, nil
	}
	all, err := askShared(f, ctx, again, func(ctx context.Context) ([]Tallied, error) {
		return f.o.Shared.Tally(ctx, now, tallies...)
	})
	if err != nil {
		return own, ctx.Err()
	}
	return all, nil
}

func (f *Fallback) takeHere(ctx context.Context, now time.Time, shares []Count) (Decision, error) {
	if len(shares) == 0 {
		return Decision{}, nil
	}
	return f.o.Local.Take(ctx, now, shares...)
}

// split gives this instance's shares of the counts that are counted here, and
// the counts that are not: all are while Shared is lost, and for a window more.
func (f *Fallback) split(counts []Count) (here, rest []Count) {
	f.mu.Lock()
	lost, changed := f.lost != nil, f.changed
	f.mu.Unlock()
	if changed.IsZero() {
		return nil, counts
	}
	now := f.o.Now()
	for _, c := range counts {
		if lost || now.Before(changed.Add(c.Rule.Window)) {
			here = append(here, c)
		} else {
			rest = append(rest, c)
		}
	}
	return f.shares(here), rest
}

// shares gives this instance's part of the counts. The number of instances is
// the largest seen since the loss: the shares of those who came later must fit
// in as well.
func (f *Fallback) shares(counts []Count) []Count {
	if len(counts) == 0 {
		return nil
	}
	seen := f.o.Instances()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most = max(f.most, seen)
	for _, c := range counts {
		f.longest = max(f.longest, c.Rule.Window)
	}
	return shared(counts, f.most)
}

// asks tells whether Shared is to be asked, and whether to see if it is back:
// while it is lost, one call in a pause does.
func (f *Fallback) asks() (asks, again bool) {
	now := f.o.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost == nil {
		return true, false
	}
	if now.Before(f.askAt) {
		return false, false
	}
	f.askAt = now.Add(f.o.Pause)
	return true, true
}

// askShared asks Shared within the bound, and notes what became of it. That the
// caller has gone is no fault of Shared's; and only who asked a lost one again
// brings it back, not one whose question was on its way when it was lost.
func askShared[T any](f *Fallback, ctx context.Context, again bool, ask func(context.Context) (T, error)) (T, error) {
	within, cancel := context.WithTimeout(ctx, f.o.Bound)
	defer cancel()
	answer, err := ask(within)
	if err != nil && ctx.Err() == nil || err == nil && again {
		f.note(err)
	}
	return answer, err
}

// note turns Shared from there to lost or back, and tells.
func (f *Fallback) note(err error) {
	if f.turn(err) {
		f.o.OnChange(err != nil, err)
	}
}

func (f *Fallback) turn(err error) bool {
	now := f.o.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if (err != nil) == (f.lost != nil) {
		return false
	}
	if err != nil {
		f.askAt = now.Add(f.o.Pause)
		if now.After(f.changed.Add(f.longest)) {
			f.most, f.longest = 0, 0 // those of an earlier loss, which is over
		}
	}
	f.lost, f.changed = err, now
	return true
}
