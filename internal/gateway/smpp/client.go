package smpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The errors of Submit, beside a Status (the centre refused the message), a
// *BindError and those of Encode.
var (
	ErrUnwritten  = errors.New("the message was not sent")
	ErrUnanswered = errors.New("the message was sent, and no answer seen")
)

// BindError is the centre's refusal to let a bind in.
type BindError struct {
	Status Status
}

// Error gives the status.
func (e *BindError) Error() string { return "the bind was refused: " + e.Status.Error() }

// Options make a Client.
type Options struct {
	Dial   func(context.Context) (net.Conn, error) // TLS included, where it is wanted
	Login  Bind                                    // Version aside
	Binds  int                                     // sessions side by side; 1 at least
	Window int                                     // unanswered messages of a session; 1 at least

	// Receive takes what the centre delivers, receipts among it, and is called by
	// each session for itself. What it returns nil for is answered as taken; with an
	// error the centre is asked to repeat it.
	Receive func(context.Context, []*Message) error
	Log     *slog.Logger
}

const (
	connectTime  = 5 * time.Second
	responseTime = 10 * time.Second
	idleTime     = 30 * time.Second // without a word from the centre: then it is asked
	leaveTime    = 12 * time.Second // to end a session in order; a response may take most of it
	firstPause   = time.Second      // between binds
	longestPause = time.Minute
	slowDown     = time.Second // after a throttled message
)

// Client keeps a number of binds to one centre, and shares messages among them. It
// is safe for concurrent use.
type Client struct {
	o       Options
	queue   chan *call
	start   sync.Once
	closing context.Context // ended by Close
	stop    context.CancelFunc
	links   sync.WaitGroup

	mu      sync.Mutex
	bound   int
	refused error         // why the newest bind was not let in; nil: it was, or nobody said
	changed chan struct{} // closed when one of them changes
}

// call is a message on its way: first waiting, then either claimed by a session
// that is about to write it, or dropped by its caller.
type call struct {
	message *Message
	state   atomic.Int32
	done    chan answer // has room for one
}

type answer struct {
	id  string
	err error
}

const (
	waiting int32 = iota
	claimed
	dropped
)

// NewClient makes one. It binds at Start or at the first Submit.
func NewClient(o Options) *Client {
	c := &Client{o: o, queue: make(chan *call), changed: make(chan struct{})}
	c.closing, c.stop = context.WithCancel(context.Background())
	return c
}

// Start binds, and keeps binding until Close.
func (c *Client) Start() {
	c.start.Do(func() {
		for range c.o.Binds {
			c.links.Go(c.keep)
		}
	})
}

// Submit sends a message by whichever session has room for it, waits for the answer,
// and gives the centre's id; "" where it told none that can be used. While there is
// no room it waits within the context; where the centre lets no bind in, it says so
// at once.
func (c *Client) Submit(ctx context.Context, m *Message) (id string, err error) {
	c.Start()
	message := &call{message: m, done: make(chan answer, 1)}
	for queued := false; !queued; {
		changed, refused := c.standing()
		if refused != nil {
			return "", refused
		}
		select {
		case c.queue <- message:
			queued = true
		case <-changed:
		case <-c.closing.Done():
			return "", fmt.Errorf("%w: the gateway is being closed", ErrUnwritten)
		case <-ctx.Done():
			return "", fmt.Errorf("%w: no bind had room for it: %w", ErrUnwritten, ctx.Err())
		}
	}
	select {
	case a := <-message.done:
		return a.id, a.err
	case <-ctx.Done():
		if message.state.CompareAndSwap(waiting, dropped) {
			return "", fmt.Errorf("%w: %w", ErrUnwritten, ctx.Err())
		}
	}
	select {
	case a := <-message.done: // just now
		return a.id, a.err
	default:
		return "", fmt.Errorf("%w: %w", ErrUnanswered, ctx.Err())
	}
}

// Close lets messages on their way be answered, unbinds, and waits until all
// sessions have ended: for about 12 s at most.
func (c *Client) Close() {
	c.stop()
	c.start.Do(func() {}) // nothing begins any more
	c.links.Wait()
}

// Try binds once and unbinds.
func Try(ctx context.Context, o Options) error {
	s, err := open(ctx, &o)
	if err != nil {
		return err
	}
	closing := make(chan struct{})
	close(closing)
	if err := s.run(nil, closing); !errors.Is(err, errLeft) {
		return err
	}
	return nil
}

// keep binds again and again. A centre that was of use is called back soon.
func (c *Client) keep() {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		s, err := open(c.closing, &c.o)
		var refused *BindError
		switch {
		case err == nil:
			c.o.Log.Info("bound to the message centre")
			c.stand(+1, nil)
			err = s.run(c.queue, c.closing.Done())
			c.stand(-1, nil)
			if s.hasProved() {
				pause = firstPause
			}
		case errors.As(err, &refused):
			c.stand(0, refused)
		default:
			c.stand(0, nil)
		}
		if c.closing.Err() != nil {
			return
		}
		c.o.Log.Warn("not bound to the message centre", "again_in", pause, "error", err)
		timer := time.NewTimer(pause)
		select {
		case <-c.closing.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// stand notes that a bind was made or lost, or not let in.
func (c *Client) stand(by int, refused error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound += by
	c.refused = refused
	close(c.changed)
	c.changed = make(chan struct{})
}

// standing tells why no bind is let in, nil as long as there is one or hope, and
// what is closed when that changes.
func (c *Client) standing() (changed <-chan struct{}, refused error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bound > 0 {
		return c.changed, nil
	}
	return c.changed, c.refused
}
