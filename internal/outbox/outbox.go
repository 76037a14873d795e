package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

const (
	messageSlots = 128 // messages in hand, at most; half of them by one provider where there are several
	eventBatch   = 256 // account events claimed, and traffic events taken, at most
	queueLength  = 1024

	sendTimeout  = 10 * time.Second
	settleTries  = 3
	settlePause  = time.Second
	settleBound  = 5 * time.Second  // of the lease, kept for settling
	messageLease = 20 * time.Second // sending and settling fit in; a crash delays by it
	writeTimeout = 10 * time.Second
	eventLease   = 30 * time.Second
	headEvery    = time.Second
	lostQuiet    = time.Minute           // between two tellings that traffic events were lost
	gathering    = 10 * time.Millisecond // a tenth of what the queue holds at 10,000 events a second
	watching     = 50 * time.Millisecond

	// stopBound is how long Run waits after its end for what is in hand: a send,
	// its settling, a last write of each sink.
	stopBound = 25 * time.Second

	budgetPause = 30 * time.Second // until a message is offered again that no budget had room for
	askEvery    = 5 * time.Second  // how often it is asked how many such messages there are
	firstPause  = time.Second      // after a failure, doubling
	maxPause    = 30 * time.Second
)

// Options say what is carried from where to where.
type Options struct {
	Store    core.Store
	Ring     *keyring.Ring
	Routes   []Route      // in the operator's order; their senders stay the caller's to close
	Routing  Routing      // Learn by default
	Currency string       // ISO 4217, of all prices and budgets: what a provider tells in another is not taken over
	Sinks    []event.Sink // stay the caller's to close

	// Watchers are sinks in this process that only count: they begin with the
	// events to come, and may lag behind by a moment.
	Watchers []event.Sink
	Budgets  core.Budgets // what messages may cost
	LogName  string       // names the chained log of this instance in the store; "": instances share one

	Now  func() time.Time
	Rand io.Reader
	Log  *slog.Logger
	Poll time.Duration // how often the queues are looked at without a hint; 0: a second
}

// Outbox sends messages and carries events while it runs.
type Outbox struct {
	o        Options
	router   *router
	carriers []*carrier

	randMu sync.Mutex // Rand need not be safe for concurrent use

	mu      sync.Mutex
	failing map[string]error // by part
	parts   []string         // in order, for Health
}

// New makes an outbox, which does nothing before Run.
func New(o Options) *Outbox {
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	most := messageSlots
	if len(o.Routes) > 1 {
		most = messageSlots / 2
	}
	b := &Outbox{
		o: o, router: newRouter(o.Routes, o.Routing, most),
		failing: map[string]error{}, parts: []string{partMessages, partTries, partBudget, partLearning},
	}
	for _, r := range o.Routes {
		b.parts = append(b.parts, partSending+r.Sender.Name())
	}
	for _, s := range o.Sinks {
		b.carriers = append(b.carriers, newCarrier(b, s))
	}
	for _, s := range o.Watchers {
		b.carriers = append(b.carriers, newWatcher(b, s))
	}
	for _, c := range b.carriers {
		b.parts = append(b.parts, c.claims, c.writes)
	}
	return b
}

// Run works until ctx ends. Then it finishes what is in hand, writes the
// traffic events that wait, and returns, after 25 seconds at most: its error
// names what hangs beyond that.
func (b *Outbox) Run(ctx context.Context) error {
	run, err := b.newID()
	if err != nil {
		return fmt.Errorf("naming this run of the outbox: %w", err)
	}
	var (
		mu      sync.Mutex
		running = map[string]bool{}
		all     sync.WaitGroup
	)
	start := func(name string, loop func()) {
		running[name] = true
		all.Go(func() {
			loop()
			mu.Lock()
			defer mu.Unlock()
			delete(running, name)
		})
	}
	mu.Lock()
	start("messages", func() { newMessenger(b, run).work(ctx) })
	start("hints", func() { b.fanOut(ctx) })
	start("routes", func() { b.lookAfterRoutes(ctx) })
	for _, c := range b.carriers {
		start("events to "+c.sink.Name(), func() { c.work(ctx, run) })
	}
	mu.Unlock()

	ended := make(chan struct{})
	go func() {
		all.Wait()
		close(ended)
	}()
	<-ctx.Done()
	timer := time.NewTimer(stopBound)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		mu.Lock()
		defer mu.Unlock()
		return fmt.Errorf("stopping the outbox: still at work after %v: %s", stopBound, keys(running))
	}
}

// Traffic gives an event to every sink. It never blocks: a sink that is behind
// loses the event, and is told how many it lost.
func (b *Outbox) Traffic(e event.Event) {
	for _, c := range b.carriers {
		c.offer(e)
	}
}

// Receipt notes whether a message that a provider took for a country has failed, as
// its receipt says, or arrived: its circuit counts it.
func (b *Outbox) Receipt(provider, country string, failed bool) {
	b.tellShut(b.router.receipt(provider, country, failed, b.o.Now()))
}

// Circuits are the ways to countries that are shut, or were a moment ago, by
// provider and country.
func (b *Outbox) Circuits() []CircuitState { return b.router.states(b.o.Now()) }

// Health is nil while all parts do their work, else it names those whose last
// try failed. Errors of a provider are shown without numbers and texts.
func (b *Outbox) Health() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []error
	for _, part := range b.parts {
		if err := b.failing[part]; err != nil {
			all = append(all, fmt.Errorf("%s: %w", part, err))
		}
	}
	return errors.Join(all...)
}

// note keeps how a part's last try went, and logs when that changes.
func (b *Outbox) note(part string, err error) {
	b.mu.Lock()
	before := b.failing[part]
	b.failing[part] = err
	b.mu.Unlock()
	switch {
	case err != nil && before == nil:
		b.o.Log.Error("outbox fails", "part", part, "error", err)
	case err == nil && before != nil:
		b.o.Log.Info("outbox works again", "part", part)
	}
}

// fanOut passes the store's hint on to every carrier.
func (b *Outbox) fanOut(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.o.Store.EventsQueued():
			for _, c := range b.carriers {
				select {
				case c.wake <- struct{}{}:
				default:
				}
			}
		}
	}
}

func (b *Outbox) newID() (string, error) {
	b.randMu.Lock()
	defer b.randMu.Unlock()
	return keyring.NewID(b.o.Now(), b.o.Rand)
}

// pause waits, but not beyond the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// longer is the pause after another failure.
func longer(d time.Duration) time.Duration {
	return min(maxPause, max(firstPause, 2*d))
}

func keys(set map[string]bool) string {
	var all []string
	for k := range set {
		all = append(all, k)
	}
	return strings.Join(all, ", ")
}
