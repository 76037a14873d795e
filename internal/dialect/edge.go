package dialect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// Edge stands around everything that a listener serves.
type Edge struct {
	Proxies Proxies  // whose forwarding headers are believed
	Origins []string // exact origins that browsers may call from (CORS)
	HSTS    bool     // the listener is reached by TLS
	Now     func() time.Time
	Rand    io.Reader
	Log     *slog.Logger

	// Forward judges the API key of a back end that names the address of whom it
	// acts for. nil: no address is taken from a back end.
	Forward Door
	// Observe is told of every answer: the Name of the route that gave it or
	// OtherRoute, its status, and how long it took. nil: nobody is.
	Observe func(route string, status int, took time.Duration)
	Peers   *Peers // watches where requests come from; nil: nobody does
}

// OtherRoute is told to Observe in place of a route's name where none served.
const OtherRoute = "other"

// hsts is a year (C-92).
const hsts = "max-age=31536000"

// Wrap puts the edge around a handler: a request id of our own (a client's is
// never adopted, C-76), the client's address, the headers of C-93, CORS, and a
// problem in place of a panic. Handlers may set other headers than the edge's.
func (e Edge) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{log: e.Log, route: OtherRoute}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		t := &tracker{ResponseWriter: w}
		if e.Observe != nil {
			defer e.observe(t, v, e.Now())
		}
		defer e.rescue(t, r)
		e.headers(t.Header())
		if err := e.meet(t, r, v); err != nil {
			Fail(t, r, err)
			return
		}
		if e.cors(t, r) {
			return
		}
		if err := e.forward(r, v); err != nil {
			Fail(t, r, err)
			return
		}
		next.ServeHTTP(t, r)
	})
}

// meet learns who asks, and gives the request its id.
func (e Edge) meet(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := keyring.NewID(e.Now(), e.Rand)
	if err != nil {
		return &core.Error{Code: core.CodeUnavailable, Cause: fmt.Errorf("making a request id: %w", err)}
	}
	w.Header().Set("X-Request-Id", id)
	v.caller = core.Caller{
		Address:   e.Proxies.Client(r),
		UserAgent: cut(r.Header.Get("User-Agent")),
		RequestID: id,
		Languages: cut(r.Header.Get("Accept-Language")),
	}
	return nil
}

// forward takes the address of a person from a back end that shows an API key
// for it; without a key what it names is not looked at. Where the back end is
// not named, its own address is counted among those that requests come from.
func (e Edge) forward(r *http.Request, v *visit) error {
	if e.Forward == nil || len(r.Header["X-Api-Key"]) == 0 || probes(r) {
		e.Peers.saw(r)
		return nil
	}
	caller, err := forwarded(r, v.caller, e.Forward)
	if err != nil {
		return err
	}
	v.caller = caller
	return nil
}

// observe tells of an answer that has been given.
func (e Edge) observe(t *tracker, v *visit, began time.Time) {
	status := t.status
	if status == 0 {
		status = http.StatusOK // nothing was written: the server answers so
	}
	e.Observe(v.route, status, e.Now().Sub(began))
}

func (e Edge) headers(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if e.HSTS {
		h.Set("Strict-Transport-Security", hsts)
	}
}

// cors lets listed origins read answers, and answers their preflights; done
// tells that it did. No credentials: tokens travel in headers alone.
func (e Edge) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	if len(e.Origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origins := r.Header["Origin"]
	if len(origins) != 1 || !slices.Contains(e.Origins, origins[0]) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origins[0])
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, DPoP-Nonce")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "authorization, content-type, idempotency-key, dpop")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// rescue turns a panic into a problem. It logs where it happened, and its text
// only where the runtime wrote it: any other value might hold a secret (C-75).
func (e Edge) rescue(t *tracker, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(cause)
	}
	what := fmt.Sprintf("%T", cause)
	if fault, ok := cause.(runtime.Error); ok {
		what = fault.Error()
	}
	err := fmt.Errorf("panic: %s\n%s", what, debug.Stack())
	if t.status != 0 {
		e.Log.Error("request failed", "request_id", CallerFrom(r).RequestID, "error", err)
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	Fail(t, r, err)
}

// tracker knows whether an answer has begun, and how.
type tracker struct {
	http.ResponseWriter
	status int // 0: it has not
}

func (t *tracker) WriteHeader(status int) {
	t.began(status)
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracker) Write(b []byte) (int, error) {
	t.began(http.StatusOK)
	return t.ResponseWriter.Write(b)
}

func (t *tracker) began(status int) {
	if t.status == 0 {
		t.status = status
	}
}

// Unwrap serves http.ResponseController.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }
