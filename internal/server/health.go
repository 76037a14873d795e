package server

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/dialect"
)

// pingTime is how long the database may take to say that it is there.
const pingTime = 2 * time.Second

// health knows whether the server can serve.
type health struct {
	ping     func(context.Context) error
	peers    func() string // of where requests come from; "" for nothing wrong
	limiter  func() string // of limits that are not counted together
	sms      func() string // of providers that take no messages
	clock    func() string // of a machine's clock that is wrong
	stopping atomic.Bool
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Status  string   `json:"status" jsonschema:"ok or unavailable"`
	Failing []string `json:"failing,omitempty" jsonschema:"the parts that cannot serve: database or server, which is stopping"`

	Warnings []string `json:"warnings,omitempty" jsonschema:"what serves, and not as it should: a proxy that no setting names, limits that instances do not count together, a clock that is not the database's, messages that no provider takes"`
}

// failing names the parts that cannot serve now.
func (h *health) failing(ctx context.Context) []string {
	var parts []string
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if h.ping(ctx) != nil {
		parts = append(parts, "database")
	}
	if h.stopping.Load() {
		parts = append(parts, "server")
	}
	return parts
}

// warnings tells of what serves, and not as it should. Strangers are told no
// addresses.
func (h *health) warnings(public bool) []string {
	var all []string
	if peers := h.peers(); peers != "" {
		if public {
			peers = publicWarning
		}
		all = append(all, peers)
	}
	for _, each := range []string{h.limiter(), h.clock(), h.sms()} {
		if each != "" {
			all = append(all, each)
		}
	}
	return all
}

// publicWarning is what strangers are told of a warning, which names addresses.
const publicWarning = "limits by address count everybody as one; the log tells why, and so does this answer on the operators' listener"

// routes are those of one listener.
func (h *health) routes(public bool) []dialect.Route {
	ok := dialect.Answer{Status: http.StatusOK, Body: Health{}, Description: "It does."}
	return []dialect.Route{
		dialect.JSON(dialect.Route{
			Method: http.MethodGet, Path: "/healthz", Name: "healthz", Tag: "Health",
			Summary: "Does the process live?", Answers: []dialect.Answer{ok},
		}, nil, func(context.Context, dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
			return dialect.Reply{Status: http.StatusOK, Body: Health{Status: "ok"}}, nil
		}),
		dialect.JSON(dialect.Route{
			Method: http.MethodGet, Path: "/readyz", Name: "readyz", Tag: "Health",
			Summary: "Can the server serve?",
			Answers: []dialect.Answer{ok, {Status: http.StatusServiceUnavailable, Body: Health{}, Description: "It cannot; `failing` tells which part."}},
		}, nil, func(ctx context.Context, _ dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
			answer := Health{Status: "ok", Failing: h.failing(ctx)}
			answer.Warnings = h.warnings(public)
			if len(answer.Failing) > 0 {
				answer.Status = "unavailable"
				return dialect.Reply{Status: http.StatusServiceUnavailable, Body: answer}, nil
			}
			return dialect.Reply{Status: http.StatusOK, Body: answer}, nil
		}),
	}
}
