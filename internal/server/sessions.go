package server

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
)

// EndAllSessions ends everybody's sessions and challenges that were made up to
// now, beside a running server or without one. A server refuses them at once.
func EndAllSessions(ctx context.Context, c config.Config, why string, stdout io.Writer) error {
	return beside(ctx, c, func(p *parts) error {
		until, err := p.core.EndAllSessions(ctx, core.Caller{UserAgent: "countersign sessions"}, why)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "Every session and every code made up to %s has ended: everybody signs in anew.\n"+
			"Is that the time? Where this machine's clock is behind, so is what has ended.\n"+
			"API keys go on: `countersign apikey list` shows them.\n", until.UTC().Format(time.RFC3339Nano))
		return err
	})
}
