package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/event"
)

// beside opens the core over the data directory for one act of an operator,
// whether a server runs over it or not. A running server sees what was done at
// once, and carries its events.
func beside(ctx context.Context, c config.Config, act func(*parts) error) (err error) {
	if err := haveDatabase(c); err != nil {
		return err
	}
	p := &parts{options: Options{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.openStore(ctx, c, false); err != nil {
		return err
	}
	// What an operator does is an account event; there is no other to tell.
	if err := p.makeCore(c, func(event.Event) {}); err != nil {
		return err
	}
	return act(p)
}
