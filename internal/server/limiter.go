package server

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/redis"
)

// limiter counts for this instance, and with Redis for all together.
type limiter struct {
	limit.Limiter
	memory *limit.Memory
	ask    func(context.Context) // looks whether Redis is there
	lost   func() error          // why Redis does not count just now; nil: it does, or there is none
	close  func()
}

// newLimiter makes what the settings ask for: over a shared database without
// Redis each instance counts its share of every limit.
func newLimiter(c config.Config, p *parts) (*limiter, error) {
	memory := limit.NewMemory(limit.MemoryOptions{Bytes: c.LimiterMemory << 20})
	l := &limiter{Limiter: memory, memory: memory, ask: func(context.Context) {}, lost: func() error { return nil }, close: func() {}}
	switch {
	case c.RedisURL.Reveal() != "":
		all, err := redis.New(redis.Options{URL: c.RedisURL.Reveal(), Secret: p.ring.LimiterSecret(), Now: p.options.Now})
		if err != nil {
			return nil, fmt.Errorf("redis_url: %w", err)
		}
		fallback := limit.NewFallback(limit.FallbackOptions{
			Shared: all, Local: memory, Instances: p.instances, Now: p.options.Now, OnChange: p.limiterChanged,
		})
		l.Limiter, l.ask, l.lost, l.close = fallback, fallback.Ask, fallback.Lost, all.Close
	case shared(c):
		l.Limiter = limit.Shares{Local: memory, Instances: p.instances}
	}
	return l, nil
}

// limiterChanged tells that Redis does not answer, or does again.
func (p *parts) limiterChanged(lost bool, err error) {
	part := event.Attributes{"part": "limiter"}
	if lost {
		p.options.Log.Error("Redis does not answer as it should: each instance limits to its share", "setting", "redis_url", "error", err)
		p.traffic(event.DependencyLost, event.Failure, part)
		return
	}
	p.options.Log.Info("Redis answers again")
	p.traffic(event.DependencyRestored, event.Success, part)
}

// warning is what readiness tells of limits that are not counted together.
func (l *limiter) warning() string {
	if l.lost() == nil {
		return ""
	}
	return "limiter: Redis does not answer as it should (the log tells why; redis_url says where it is), each instance limits to its share"
}
