package server

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/event"
)

// How often upkeep looks, and how much it takes at a time.
const (
	lookEvery  = 5 * time.Second
	sweepEvery = time.Minute
	sweepLimit = 500
)

// upkeep drops what has lapsed, and tells when the database is lost and found.
type upkeep struct {
	store interface {
		Sweep(context.Context, core.Sweep) (bool, error)
		Ping(context.Context) error
	}
	present interface {
		attend(context.Context) error
		leave(context.Context) error
	}
	review interface {
		look(context.Context) error
		keep(context.Context) error
	}
	keys interface {
		look(context.Context) error
	}
	limiter func(context.Context) // looks whether Redis is there
	peers   *dialect.Peers
	now     func() time.Time
	tell    func(event.Name, event.Outcome, event.Attributes)
	options Options

	lost   bool
	sweeps int    // looks until the next sweep
	warned string // of where all requests come from
}

func newUpkeep(p *parts, peers *dialect.Peers, o Options) *upkeep {
	return &upkeep{
		store: p.store, present: p, review: newReview(p), keys: p.schedule, limiter: p.limiter.ask, peers: peers, now: p.now, tell: p.traffic, options: o,
	}
}

// run keeps up until ctx ends.
func (u *upkeep) run(ctx context.Context) {
	u.limiter(ctx) // a redis_url that leads nowhere does not stop a start: it is told at once
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			u.look(ctx)
		}
	}
}

// finishTime is how long the last counts may take: a database that is out of reach
// must not keep a server from its end.
const finishTime = 5 * time.Second

// finish keeps what was counted until the end.
func (u *upkeep) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, finishTime)
	defer cancel()
	if err := u.review.keep(ctx); err != nil {
		u.options.Log.Error("the last counts are lost", "error", err)
	}
	if err := u.present.leave(ctx); err != nil {
		u.options.Log.Warn("the others will count this instance for a while", "error", err)
	}
}

func (u *upkeep) look(ctx context.Context) {
	u.checkDatabase(ctx)
	u.checkPeers()
	u.limiter(ctx)
	if u.lost || ctx.Err() != nil {
		return
	}
	if err := u.present.attend(ctx); err != nil && ctx.Err() == nil {
		u.options.Log.Error("how many instances there are is not known", "error", err)
	}
	if err := u.review.look(ctx); err != nil && ctx.Err() == nil {
		u.options.Log.Error("reviewing budgets and counts failed", "error", err)
	}
	if err := u.keys.look(ctx); err != nil && ctx.Err() == nil {
		u.options.Log.Error("rotating keys failed", "error", err)
	}
	if u.sweeps--; u.sweeps > 0 || u.lost || ctx.Err() != nil {
		return
	}
	u.sweeps = int(sweepEvery / lookEvery)
	if err := u.sweep(ctx); err != nil && ctx.Err() == nil {
		u.options.Log.Error("sweeping failed", "error", err)
	}
}

func (u *upkeep) checkDatabase(ctx context.Context) {
	pinging, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	err := u.store.Ping(pinging)
	part := event.Attributes{"part": "database"}
	switch {
	case ctx.Err() != nil:
	case err != nil && !u.lost:
		u.lost = true
		u.options.Log.Error("the database does not answer", "error", err)
		u.tell(event.DependencyLost, event.Failure, part)
	case err == nil && u.lost:
		u.lost = false
		u.options.Log.Info("the database answers again")
		u.tell(event.DependencyRestored, event.Success, part)
	}
}

// checkPeers says once where all requests come from, while it looks wrong.
func (u *upkeep) checkPeers() {
	warning := u.peers.Warning()
	if warning != "" && warning != u.warned {
		u.options.Log.Warn(warning, "setting", "trusted_proxies")
	}
	u.warned = warning
}

// sweep drops in small batches until nothing is left to drop.
func (u *upkeep) sweep(ctx context.Context) error {
	const day = 24 * time.Hour
	for more := true; more && ctx.Err() == nil; {
		var err error
		more, err = u.store.Sweep(ctx, core.Sweep{
			Now:            u.now(),
			Limit:          sweepLimit,
			KeepChallenges: day,      // C-102
			KeepEnded:      30 * day, // of what ended or lapsed
			CloseAt:        core.CloseAt,
			KeepAddresses:  90 * day,  // C-102
			KeepEvents:     365 * day, // C-78
		})
		if err != nil {
			return err
		}
	}
	return nil
}
