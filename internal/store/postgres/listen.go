package postgres

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// hintChannel is the NOTIFY channel; its payloads are what was queued.
const (
	hintChannel = "countersign"
	forMessages = "messages"
	forEvents   = "events"
)

const (
	listenAgain = time.Second           // after the connection was lost; meanwhile, whoever claims polls
	tellAgain   = 50 * time.Millisecond // at the earliest: whoever queued it claims it first anyway
)

// hints tell that something was queued: here at once, and by NOTIFY on the other
// instances. The commits themselves notify nobody, for all that do wait for one
// another; one goroutine does, and what is queued while it is at it shares the
// next.
type hints struct {
	messages, events chan struct{} // for who claims here

	tellMessages, tellEvents chan struct{} // for the others, to be told

	stop    context.CancelFunc
	stopped sync.WaitGroup
}

// listen begins to tell and, where connections are not lent, to listen.
func listen(pool *pgxpool.Pool, log *slog.Logger, own bool) *hints {
	ctx, stop := context.WithCancel(context.Background())
	one := func() chan struct{} { return make(chan struct{}, 1) }
	h := &hints{messages: one(), events: one(), tellMessages: one(), tellEvents: one(), stop: stop}
	h.stopped.Go(func() { h.tell(ctx, pool, log) })
	if own {
		config := pool.Config().ConnConfig
		h.stopped.Go(func() { h.listen(ctx, config, log) })
	}
	return h
}

func (h *hints) close() {
	h.stop()
	h.stopped.Wait()
}

// send hints at what a commit has queued.
func (h *hints) send(message, event bool) {
	if message {
		hint(h.messages)
		hint(h.tellMessages)
	}
	if event {
		hint(h.events)
		hint(h.tellEvents)
	}
}

func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting to be read
	}
}

// tell notifies the other instances.
func (h *hints) tell(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) {
	for {
		var what string
		select {
		case <-ctx.Done():
			return
		case <-h.tellMessages:
			what = forMessages
		case <-h.tellEvents:
			what = forEvents
		}
		bounded, cancel := context.WithTimeout(ctx, patience)
		if _, err := pool.Exec(bounded, "SELECT pg_notify($1, $2)", hintChannel, what); err != nil && ctx.Err() == nil {
			log.Debug("the other instances were not told of what was queued; they poll", "error", err)
		}
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-time.After(tellAgain):
		}
	}
}

// listen hears the other instances, on a connection of its own.
func (h *hints) listen(ctx context.Context, config *pgx.ConnConfig, log *slog.Logger) {
	for {
		err := h.hear(ctx, config)
		if ctx.Err() != nil {
			return
		}
		log.Debug("nobody listens for what other instances queue", "again_in", listenAgain, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(listenAgain):
		}
	}
}

func (h *hints) hear(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(bounded) // what was to be heard was heard
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+hintChannel); err != nil {
		return err
	}
	for {
		heard, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		switch heard.Payload {
		case forMessages:
			hint(h.messages)
		case forEvents:
			hint(h.events)
		}
	}
}
