package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/keyring"
)

// api serves the routes by one core.
type api struct{ core *core.Core }

// New serves /admin/v1 by a core. A dialect.Edge has to stand around it.
func New(c *core.Core) http.Handler { return dialect.NewTable(Routes(c)) }

// Routes lists every call of the admin API. For the document alone the core may
// be nil.
func Routes(c *core.Core) []dialect.Route {
	a := api{c}
	return append([]dialect.Route{
		act(a, core.ScopeStatsRead, dialect.Route{
			Method: http.MethodGet, Path: "/admin/v1/stats", Name: "stats", Tag: "Watch",
			Summary:     "How sign-ins and codes went",
			Description: "Counts of all instances in a window that ends now.",
			Query: []dialect.Param{
				{Name: "window", Description: "how far back: 1m to 2160h, as in 90m or 24h; 1h when absent"},
			},
			Answers: []dialect.Answer{{Status: http.StatusOK, Body: Stats{}, Description: "The counts."}},
		}, a.stats),
		act(a, core.ScopeStatsRead, dialect.Route{
			Method: http.MethodGet, Path: "/admin/v1/limits", Name: "limits", Tag: "Watch",
			Summary:     "The limits in force",
			Description: "The table of limits with this server's settings. COUNTERSIGN_LIMITS changes them by name.",
			Answers:     []dialect.Answer{{Status: http.StatusOK, Body: LimitList{}, Description: "The limits, in order."}},
		}, a.limits),
	}, a.messageRoutes()...)
}

// act makes a route that a key with the scope opens, and nothing else. What it
// did goes into the log by the route's name (C-73).
func act[In any](
	a api, scope core.KeyScope, route dialect.Route, f func(context.Context, dialect.Call[In]) (dialect.Reply, error),
) dialect.Route {
	route.Auth = dialect.AuthRequired
	route.Description += " The API key needs the scope `" + string(scope) + "`."
	route.Refuses = append(route.Refuses, core.CodeInsufficientScope)
	door := func(ctx context.Context, caller core.Caller, key keyring.Secret) (core.Caller, error) {
		return a.core.AuthenticateKey(ctx, caller, key, scope)
	}
	return dialect.JSON(route, door, func(ctx context.Context, call dialect.Call[In]) (dialect.Reply, error) {
		reply, err := f(ctx, call)
		if err == nil {
			a.core.Acted(call.Caller, route.Name)
		}
		return reply, err
	})
}

func (a api) stats(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	window, err := readWindow(call.Query)
	if err != nil {
		return dialect.Reply{}, err
	}
	stats, err := a.core.Stats(ctx, core.StatsIn{Window: window})
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: StatsOf(stats)}, nil
}

func (a api) limits(context.Context, dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	return dialect.Reply{Status: http.StatusOK, Body: limitsOf(a.core.EffectiveLimits())}, nil
}

// readWindow reads ?window; an absent one is 0, which the core takes for its
// default.
func readWindow(query url.Values) (time.Duration, error) {
	if !query.Has("window") {
		return 0, nil
	}
	window, err := time.ParseDuration(query.Get("window"))
	if err != nil || window <= 0 {
		return 0, &dialect.Refusal{Code: core.CodeInvalidRequest, Errors: []dialect.Located{{
			Location: "query.window", Message: "has to be a duration such as 90m or 24h",
		}}}
	}
	return window, nil
}
