package server

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/admin"
	"github.com/countersign/countersign/internal/dialect/native"
	"github.com/countersign/countersign/internal/dialect/oauth"
	"github.com/countersign/countersign/internal/dialect/pages"
	"github.com/countersign/countersign/internal/dialect/receipts"
	"github.com/countersign/countersign/internal/keyring"
)

// receiptsPrefix precedes a provider's name where its receipts come in.
const receiptsPrefix = "/receipts/"

// publicHandler is what strangers reach. To add a dialect is to add its mounts.
func (s *Server) publicHandler() http.Handler {
	c := s.parts.core
	standards := oauth.New(c, s.config.PublicURL)
	health := dialect.NewTable(s.health.routes(true))
	front := pages.Options{}
	if s.config.InboxServed() {
		front = pages.Options{Inbox: s.parts.inbox, Withheld: c.Withheld, DefaultRegion: s.config.DefaultRegion}
	}
	shown := pages.New(front)
	mounts := []dialect.Mount{
		{Prefix: "/v1/", Handler: native.New(c)},
		{Prefix: receiptsPrefix, Handler: receipts.New(receipts.Options{
			Core: c, Senders: s.parts.senders(), PublicURL: s.config.PublicURL, Currency: s.config.SMSCurrency, Now: s.options.Now,
		})},
		{Prefix: "/oauth/", Handler: standards},
		{Prefix: "/.well-known/", Handler: standards},
		{Prefix: "/openapi.json", Handler: s.openAPI(aboutPublic, "", native.Routes(nil), oauth.Routes(nil, s.config.PublicURL), s.health.routes(true))},
		{Prefix: "/healthz", Handler: health},
		{Prefix: "/readyz", Handler: health},
		{Prefix: "/", Handler: exactly("/", shown)},
		{Prefix: "/docs", Handler: shown},
		{Prefix: "/assets/", Handler: shown},
		{Prefix: "/dev/inbox", Handler: s.guardInbox(shown)},
	}
	hosts := loopbackHosts(s.config.Listen)
	hosts[urlHost(s.config.PublicURL)] = true
	edge := s.edge()
	edge.Peers = s.peers
	edge.Forward = func(ctx context.Context, caller core.Caller, key keyring.Secret) (core.Caller, error) {
		return c.AuthenticateKey(ctx, caller, key, core.ScopeClientsForward)
	}
	return s.around(edge, s.config.Listen, hosts, dialect.Mounts(mounts...))
}

// operatorHandler is what operators reach; nothing of it is on the public
// listener.
func (s *Server) operatorHandler() http.Handler {
	health := dialect.NewTable(s.health.routes(false))
	shown := pages.New(pages.Options{})
	watching := []dialect.Route{s.parts.watch.route()}
	return s.around(s.edge(), s.config.OperatorListen, loopbackHosts(s.config.OperatorListen), dialect.Mounts(
		dialect.Mount{Prefix: "/admin/v1/", Handler: admin.New(s.parts.core)},
		dialect.Mount{Prefix: "/metrics", Handler: dialect.NewTable(watching)},
		dialect.Mount{Prefix: "/healthz", Handler: health},
		dialect.Mount{Prefix: "/readyz", Handler: health},
		dialect.Mount{Prefix: "/openapi.json", Handler: s.openAPI(aboutOperators, dialect.BearerAPIKey, admin.Routes(nil), watching, s.health.routes(false))},
		dialect.Mount{Prefix: "/docs", Handler: shown},
		dialect.Mount{Prefix: "/assets/", Handler: shown},
	))
}

// routeNames are those that answers are counted by.
func routeNames() []string {
	var names []string
	for _, route := range slices.Concat(native.Routes(nil), oauth.Routes(nil, ""), admin.Routes(nil), (&health{}).routes(false)) {
		names = append(names, route.Name)
	}
	return append(append(names, receipts.Names()...), metricsRoute)
}

// around puts around a listener's mounts what all requests pass.
func (s *Server) around(edge dialect.Edge, address string, hosts map[string]bool, next http.Handler) http.Handler {
	if config.Loopback(address) {
		next = onlyHosts(hosts, next)
	}
	return edge.Wrap(next)
}

// edge is what both listeners have in common.
func (s *Server) edge() dialect.Edge {
	return dialect.Edge{
		Proxies: s.config.TrustedProxies,
		Origins: s.config.AllowedOrigins,
		HSTS:    s.config.TLSCert != "" || s.proxied(),
		Now:     s.options.Now,
		Rand:    s.options.Rand,
		Log:     s.options.Log,
		Observe: s.parts.watch.metrics.ObserveHTTP,
	}
}

// proxied tells whether the settings speak of a proxy in front of the server:
// one is trusted, or clients know the server by a name of the world's.
func (s *Server) proxied() bool {
	return len(s.config.TrustedProxies) > 0 || !config.LoopbackHost(urlHost(s.config.PublicURL))
}

// guardInbox keeps the inbox on this machine, unless --dev says that strangers
// may read it: a proxy brings them to a loopback listener, and not every proxy
// stands in the settings.
func (s *Server) guardInbox(inbox http.Handler) http.Handler {
	if s.config.Dev {
		return inbox
	}
	return fromHere(inbox)
}

// exactly serves one path, and nothing under it.
func exactly(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != path {
			dialect.Fail(w, r, &core.Error{Code: core.CodeNotFound})
			return
		}
		next.ServeHTTP(w, r)
	})
}

const aboutOperators = "What operators and their programs may ask of the server, with an API key (`countersign apikey create`)."

const aboutPublic = "Phone-first sign-in. Errors are problem documents (RFC 9457); `code` is the word to program against."

// openAPI serves a listener's document, made from its routes when it is first
// asked for.
func (s *Server) openAPI(about, bearer string, routes ...[]dialect.Route) http.Handler {
	document := sync.OnceValues(func() ([]byte, error) {
		types, err := native.Types()
		if err != nil {
			return nil, err
		}
		return dialect.OpenAPI(dialect.Info{
			Title: s.config.AppName, Version: s.options.Version, Description: about, Bearer: bearer,
		}, types, slices.Concat(routes...))
	})
	return dialect.NewTable([]dialect.Route{{
		Method: http.MethodGet, Path: "/openapi.json",
		Serve: func(w http.ResponseWriter, r *http.Request) {
			body, err := document()
			if err != nil {
				dialect.Fail(w, r, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body) // the client may be gone; there is nobody to tell
		},
	}})
}
