package dialect

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// C-93: every answer of the API, good or bad, carries the same headers.
func TestC93Headers(t *testing.T) {
	good := httptest.NewRequest("GET", "/v1/me", nil)
	good.Header.Set("Authorization", "Bearer good")
	for name, r := range map[string]*http.Request{
		"good": good, "401": httptest.NewRequest("GET", "/v1/me", nil), "404": httptest.NewRequest("GET", "/none", nil),
		"405": httptest.NewRequest("PUT", "/v1/me", nil), "400": post("/v1/echo", "x"), "OPTIONS": httptest.NewRequest("OPTIONS", "/v1/me", nil),
	} {
		h := do(r).Header()
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Strict-Transport-Security": "",
		} {
			if got := h.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		if !keyring.ValidID(h.Get("X-Request-Id")) {
			t.Errorf("%s: X-Request-Id %q", name, h.Get("X-Request-Id"))
		}
	}
	e := edge(new(bytes.Buffer))
	e.HSTS = true
	w := httptest.NewRecorder()
	e.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if got := w.Header().Get("Strict-Transport-Security"); got != "max-age=31536000" {
		t.Errorf("HSTS %q", got)
	}
}

// C-93: browsers may call from exactly the listed origins.
func TestC93CORS(t *testing.T) {
	e := edge(new(bytes.Buffer))
	e.Origins = []string{"https://app.example.com"}
	h := e.Wrap(NewTable(echoRoutes()))
	send := func(method, origin, asks string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/v1/me", nil)
		r.Header.Set("Origin", origin)
		if asks != "" {
			r.Header.Set("Access-Control-Request-Method", asks)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, origin := range []string{
		"https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "https://app.example.com:444",
		"https://APP.example.com", "null", "https://sub.app.example.com", "",
	} {
		for _, w := range []*httptest.ResponseRecorder{send("GET", origin, ""), send("OPTIONS", origin, "GET")} {
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s: allowed %q", origin, got)
			}
			if w.Header().Get("Vary") != "Origin" {
				t.Errorf("%s: Vary %q", origin, w.Header().Get("Vary"))
			}
		}
	}
	w := send("GET", "https://app.example.com", "")
	if w.Code != 401 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
		w.Header().Get("Access-Control-Expose-Headers") != "X-Request-Id, Retry-After, DPoP-Nonce" ||
		w.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("listed: %d %v", w.Code, w.Header())
	}
	w = send("OPTIONS", "https://app.example.com", "PATCH")
	if w.Code != 204 || !strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "PATCH") ||
		w.Header().Get("Access-Control-Allow-Headers") != "authorization, content-type, idempotency-key, dpop" {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
}

// C-76: the request id is ours, and a client's is never adopted.
func TestC76RequestID(t *testing.T) {
	const theirs = "01933b8a-7a3e-7c2e-9f00-0123456789ab"
	r := httptest.NewRequest("GET", "/v1/me", nil)
	r.Header.Set("X-Request-Id", theirs)
	first, second := do(r).Header().Get("X-Request-Id"), do(r).Header().Get("X-Request-Id")
	if first == theirs || first == second {
		t.Errorf("ids %s and %s", first, second)
	}
}

func TestCallerFromEdge(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "198.51.100.7:1"
	r.Header.Set("User-Agent", strings.Repeat("a", 300))
	r.Header.Set("Accept-Language", "de")
	var got core.Caller
	w := httptest.NewRecorder()
	edge(new(bytes.Buffer)).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = CallerFrom(r) })).ServeHTTP(w, r)
	if got.Address.String() != "198.51.100.7" || len(got.UserAgent) != 256 || got.Languages != "de" || got.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("caller %+v", got)
	}
}

// C-75: a panic is a problem, logged once, without the text that it was raised
// with: that might be a secret.
func TestC75Panic(t *testing.T) {
	var log bytes.Buffer
	w := httptest.NewRecorder()
	edge(&log).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("hunter2") })).
		ServeHTTP(w, httptest.NewRequest("GET", "/?q=hunter3", nil))
	if p := problem(t, w); p.Status != 500 || p.Code != CodeInternal {
		t.Errorf("%d %s", p.Status, p.Code)
	}
	if strings.Contains(log.String(), "hunter") || strings.Contains(w.Body.String(), "hunter") {
		t.Errorf("the panic's text got out: %s", log.String())
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), w.Header().Get("X-Request-Id")) {
		t.Errorf("logged: %s", log.String())
	}
	// Half an answer is cut off, not completed.
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("half an answer was not aborted")
		}
	}()
	edge(&log).Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("late")
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

// C-103: without chance there is an honest 503.
func TestC103NoEntropy(t *testing.T) {
	e := edge(new(bytes.Buffer))
	e.Rand = failing{}
	w := httptest.NewRecorder()
	e.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if p := problem(t, w); p.Code != core.CodeUnavailable || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%s, Retry-After %q", p.Code, w.Header().Get("Retry-After"))
	}
}

// What is not the caller's to see is logged with the request's id, once, and hidden.
func TestFaultsAreHidden(t *testing.T) {
	var log bytes.Buffer
	w := httptest.NewRecorder()
	edge(&log).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Fail(w, r, errors.New("table users is gone")) })).
		ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), "users") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if strings.Count(log.String(), "users is gone") != 1 || !strings.Contains(log.String(), w.Header().Get("X-Request-Id")) {
		t.Errorf("logged: %s", log.String())
	}
}
