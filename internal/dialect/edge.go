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
}

// hsts is a year (C-92).
const hsts = "max-age=31536000"

// Wrap puts the edge around a handler: a request id of our own (a client's is
// never adopted, C-76), the client's address, the headers of C-93, CORS, and a
// problem in place of a panic. Handlers may set other headers than the edge's.
func (e Edge) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{log: e.Log}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		e.headers(w.Header())
		id, err := keyring.NewID(e.Now(), e.Rand)
		if err != nil {
			Fail(w, r, &core.Error{Code: core.CodeUnavailable, Cause: fmt.Errorf("making a request id: %w", err)})
			return
		}
		w.Header().Set("X-Request-Id", id)
		v.caller = core.Caller{
			Address:   e.Proxies.Client(r),
			UserAgent: cut(r.Header.Get("User-Agent")),
			RequestID: id,
			Languages: cut(r.Header.Get("Accept-Language")),
		}
		if e.cors(w, r) {
			return
		}
		t := &tracker{ResponseWriter: w}
		defer e.rescue(t, r)
		next.ServeHTTP(t, r)
	})
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
	if t.wrote {
		e.Log.Error("request failed", "request_id", CallerFrom(r).RequestID, "error", err)
		panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
	}
	Fail(t, r, err)
}

// tracker knows whether an answer has begun.
type tracker struct {
	http.ResponseWriter
	wrote bool
}

func (t *tracker) WriteHeader(status int) {
	t.wrote = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracker) Write(b []byte) (int, error) {
	t.wrote = true
	return t.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }
