package server

import (
	"context"
	"net/http"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/event"
)

// queueTime is how long a scrape may wait for the store.
const queueTime = 2 * time.Second

// watch is what counts events in this process: for Prometheus, for alerts, and
// for the numbers that operators ask for. It is one sink.
type watch struct {
	metrics *event.Metrics
	alerts  *event.Alerts
	counter *event.Counter
}

func newWatch(c config.Config, o Options, now func() time.Time, tell func(event.Event)) *watch {
	rules := map[string]event.AlertRule{}
	for name, rate := range c.Alerts {
		rules[name] = event.AlertRule{N: rate.N, Window: rate.Window}
	}
	providers := event.NewProviders(providerNames(c)...)
	return &watch{
		metrics: event.NewMetrics(event.MetricsOptions{Version: o.Version, Providers: providers, Routes: routeNames()}),
		alerts:  event.NewAlerts(event.AlertOptions{Now: now, Rand: o.Rand, Rules: rules, Quiet: c.AlertQuiet, Tell: tell}),
		counter: event.NewCounter(now, providers),
	}
}

func (w *watch) sink() event.Sink { return event.Tee("watch", w.metrics, w.alerts, w.counter) }

// read has the metrics read at each scrape what no event tells.
func (w *watch) read(p *parts) {
	gauge := func(name, help string, read func() float64) { w.metrics.Gauge(name, help, nil, read) }
	gauge(event.GaugeHashesRunning, "Passwords being hashed.", func() float64 { return float64(p.hasher.Busy()) })
	gauge(event.GaugeHashesWaiting, "Requests that wait for a slot to hash in.", func() float64 { return float64(p.hasher.Waiting()) })
	gauge(event.GaugeHashSlots, "How many passwords may be hashed at the same time.", func() float64 { return float64(p.hasher.Slots()) })
	gauge(event.GaugeMessages, "Messages that are due or being sent.", func() float64 { return float64(p.queues().Messages) })
	gauge(event.GaugeOldestMessage, "How old the oldest of them is.", func() float64 { return p.queues().OldestMessage.Seconds() })
	gauge(event.GaugeHeldMessages, "Messages that no budget has room for now.", func() float64 { return float64(p.queues().Held) })
	for _, sink := range []string{"file", "watch"} {
		w.metrics.Gauge(event.GaugeEventsBehind, "Account events that a sink has not had yet.", map[string]string{"sink": sink},
			func() float64 { return float64(p.queues().EventsBehind[sink]) })
	}
	w.metrics.Total(event.StoreCommitsTotal, "Transactions made durable.", nil, func() float64 {
		commits, _ := p.store.Commits()
		return float64(commits)
	})
	w.metrics.Total(event.StoreOperationsTotal, "Operations in them.", nil, func() float64 {
		_, operations := p.store.Commits()
		return float64(operations)
	})
	gauge(event.GaugeLimiterKeys, "Who is counted at the moment.", func() float64 { return float64(p.limiter.memory.Stats().Keys) })
	gauge(event.GaugeLimiterBytes, "What that takes.", func() float64 { return float64(p.limiter.memory.Stats().Bytes) })
	gauge(event.GaugeInstances, "How many instances there are, as this one last saw.", func() float64 { return float64(p.instances()) })
	gauge(event.GaugeLimiterLost, "1 while Redis is set and does not answer: each instance limits to its share.", func() float64 {
		if p.limiter.lost() != nil {
			return 1
		}
		return 0
	})
	w.metrics.Total(event.LimiterSharedTotal, "Counts that went into a shared counter because the memory is full.", nil,
		func() float64 { return float64(p.limiter.memory.Stats().Shared) })
}

// queues tells how far behind the outbox is; nothing while the store does not
// answer, which readiness tells.
func (p *parts) queues() core.Queues {
	ctx, cancel := context.WithTimeout(context.Background(), queueTime)
	defer cancel()
	queues, err := p.store.Queues(ctx, p.now())
	if err != nil {
		return core.Queues{}
	}
	return queues
}

const metricsRoute = "metrics"

// route serves the metrics to whoever reaches the operators' listener.
func (w *watch) route() dialect.Route {
	return dialect.Route{
		Method: http.MethodGet, Path: "/metrics", Name: metricsRoute, Tag: "Watching",
		Summary: "What was counted, for Prometheus.",
		Answers: []dialect.Answer{{Status: http.StatusOK, Body: "", MediaType: "text/plain", Description: "Prometheus' text format."}},
		Serve:   w.metrics.Handler().ServeHTTP,
	}
}
