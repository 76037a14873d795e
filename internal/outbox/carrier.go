package outbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// carrier brings events to one sink: account events from the sink's queue in
// the store, traffic events from memory. Nothing that this sink does or fails
// to do reaches another.
type carrier struct {
	b      *Outbox
	sink   event.Sink
	claims string // its parts, in Health
	writes string

	fromNow   bool          // what was kept before it came is not its
	gathering time.Duration // how long it waits for more, once there is something

	wake    chan struct{}
	queue   chan event.Event
	dropped atomic.Int64

	// What work alone touches.
	holder     string
	asks       bool          // the store may have events: hinted, polled, or it had a full batch
	polls      *time.Timer   // runs from one asking to the next
	claimed    []event.Event // account events not yet settled
	written    bool          // the sink has them
	claimPause time.Duration // after the store failed
	claimAfter time.Time
	traffic    []event.Event // traffic events not yet written
	toldLost   time.Time
	head       event.Head // as the sink last told
	kept       event.Head // as the store has it
	keptAt     time.Time
}

func newCarrier(b *Outbox, s event.Sink) *carrier {
	return &carrier{
		b: b, sink: s, gathering: gathering,
		claims: "event queue of " + s.Name(), writes: "event sink " + s.Name(),
		wake: make(chan struct{}, 1), queue: make(chan event.Event, queueLength),
	}
}

// newWatcher carries to a sink that only counts: nobody waits for it, so that it
// shares the store's operations with more.
func newWatcher(b *Outbox, s event.Sink) *carrier {
	c := newCarrier(b, s)
	c.fromNow, c.gathering = true, watching
	return c
}

// offer queues a traffic event, or counts it where the queue is full.
func (c *carrier) offer(e event.Event) {
	select {
	case c.queue <- e:
	default:
		c.dropped.Add(1)
	}
}

// work carries until ctx ends, and then once more what waits.
func (c *carrier) work(ctx context.Context, holder string) {
	c.holder, c.asks, c.polls = holder, true, time.NewTimer(c.b.o.Poll)
	defer c.polls.Stop()
	var after time.Duration
	for ctx.Err() == nil {
		switch more, err := c.round(ctx); {
		case err != nil:
			after = longer(after)
			pause(ctx, after)
		case more:
			after = 0
		default:
			after = 0
			c.wait(ctx)
		}
	}
	for range 2 + queueLength/eventBatch {
		c.asks = true
		if more, err := c.round(ctx); err != nil || !more && len(c.queue) == 0 {
			break
		}
	}
	if err := c.keepHead(context.WithoutCancel(ctx)); err != nil {
		c.b.note(c.claims, err)
	}
}

// round claims, writes and settles one batch. more: another is worth a try at
// once. The error is the sink's: while the store fails, traffic events go on.
func (c *carrier) round(ctx context.Context) (more bool, err error) {
	ctx = context.WithoutCancel(ctx)
	now := c.b.o.Now()
	if c.mayHave() && !now.Before(c.claimAfter) {
		c.noteStore(c.claim(ctx, now))
	}
	err = c.write(ctx)
	c.b.note(c.writes, err)
	if err != nil {
		return false, err
	}
	full := len(c.claimed) == eventBatch
	if !now.Before(c.claimAfter) {
		c.noteStore(c.settle(ctx))
	}
	return full && len(c.claimed) == 0 || len(c.queue) >= eventBatch, nil
}

// mayHave tells whether the store is to be asked: not for traffic alone, of which
// it knows nothing.
func (c *carrier) mayHave() bool {
	select {
	case <-c.wake:
		c.asks = true
	case <-c.polls.C:
		c.asks = true
	default:
	}
	return c.asks
}

// noteStore keeps how the store did, and leaves it alone for a while after a
// failure.
func (c *carrier) noteStore(err error) {
	c.b.note(c.claims, err)
	if err == nil {
		c.claimPause = 0
		return
	}
	c.claimPause = longer(c.claimPause)
	c.claimAfter = c.b.o.Now().Add(c.claimPause)
}

// claim leases account events, unless those of the last claim are in hand.
func (c *carrier) claim(ctx context.Context, now time.Time) error {
	if len(c.claimed) > 0 {
		return nil
	}
	claimed, err := c.b.o.Store.ClaimEvents(ctx, c.sink.Name(), core.Claim{
		Holder: c.holder, Limit: eventBatch, Lease: eventLease, Now: now, FromNow: c.fromNow,
	})
	if err != nil {
		return fmt.Errorf("claiming events: %w", err)
	}
	c.claimed, c.written = claimed, false
	c.asks = len(claimed) == eventBatch
	c.polls.Reset(c.b.o.Poll)
	return nil
}

// write gives the sink what it has not had yet.
func (c *carrier) write(ctx context.Context) error {
	if err := c.takeTraffic(); err != nil {
		return err
	}
	var batch []event.Event
	if !c.written {
		batch = append(batch, c.claimed...)
	}
	batch = append(batch, c.traffic...)
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	head, err := c.sink.Write(ctx, batch)
	if err != nil {
		return fmt.Errorf("writing events: %w", err)
	}
	c.head, c.written, c.traffic = head, true, nil
	return nil
}

// takeTraffic takes waiting traffic events, and tells how many were lost.
func (c *carrier) takeTraffic() error {
	for len(c.traffic) < eventBatch {
		select {
		case e := <-c.queue:
			c.traffic = append(c.traffic, e)
			continue
		default:
		}
		break
	}
	lost := c.dropped.Load()
	if lost == 0 || c.b.o.Now().Sub(c.toldLost) < lostQuiet {
		return nil
	}
	id, err := c.b.newID()
	if err != nil {
		return fmt.Errorf("telling of lost events: %w", err)
	}
	c.dropped.Add(-lost)
	c.traffic = append(c.traffic, event.Event{
		ID: id, Time: c.b.o.Now(), Name: event.Alert, Outcome: event.Failure, Reason: "events_dropped",
		Attributes: event.Attributes{
			"sink": c.sink.Name(), "dropped": lost, "seen": lost, "threshold": int64(1), "unit": "events", "severity": "warning",
			"window_seconds": int64(lostQuiet / time.Second), "subject": c.sink.Name(),
			"advice": "More is refused or refreshed than this sink can write: block the flood before the server. What was lost changed nothing; what changed something is never lost.",
		},
	})
	c.toldLost = c.b.o.Now()
	return nil
}

// settle tells the store what the sink has. A claim that has passed to another
// is the other's to settle.
func (c *carrier) settle(ctx context.Context) error {
	if len(c.claimed) == 0 {
		if c.b.o.Now().Sub(c.keptAt) < headEvery {
			return nil
		}
		return c.keepHead(ctx)
	}
	if err := c.tell(ctx, c.claimed[len(c.claimed)-1].ID); err != nil {
		return fmt.Errorf("settling events: %w", err)
	}
	c.claimed = nil
	return nil
}

// keepHead has the store keep the head of a sink that wrote traffic alone.
func (c *carrier) keepHead(ctx context.Context) error {
	if c.head == c.kept {
		return nil
	}
	if err := c.tell(ctx, ""); err != nil {
		return fmt.Errorf("keeping the head of the log: %w", err)
	}
	return nil
}

func (c *carrier) tell(ctx context.Context, through string) error {
	now := c.b.o.Now()
	outcome, err := c.b.o.Store.SettleEvents(ctx, core.SettleEvents{
		Sink: c.sink.Name(), Log: c.b.o.LogName, Holder: c.holder, Through: through, Head: c.head, Now: now,
	})
	if err != nil {
		return err
	}
	c.keptAt = now
	if outcome == core.Done {
		c.kept = c.head
	}
	return nil
}

// wait returns when there may be something to do: a moment after it came, so
// that more of it shares the sink's fsync and the store's operations.
func (c *carrier) wait(ctx context.Context) {
	poll := c.b.o.Poll
	if c.head != c.kept {
		poll = min(poll, headEvery)
	}
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
		return
	case <-c.polls.C:
		c.asks = true
		return
	case <-c.wake:
		c.asks = true
	case e := <-c.queue:
		c.traffic = append(c.traffic, e)
	}
	pause(ctx, c.gathering)
}
