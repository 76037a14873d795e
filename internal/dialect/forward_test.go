package dialect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// backEnd is a door that knows one key, and one without the scope.
func backEnd(_ context.Context, caller core.Caller, key keyring.Secret) (core.Caller, error) {
	switch key.Reveal() {
	case "forwards":
		caller.Key = &core.APIKey{ID: "key-1"}
		return caller, nil
	case "reads":
		return caller, &core.Error{Code: core.CodeInsufficientScope}
	case "trouble":
		return caller, &core.Error{Code: core.CodeUnavailable, Cause: errors.New("no store")}
	}
	return caller, &core.Error{Code: core.CodeInvalidToken}
}

// arrives tells who a request's caller is behind an edge, and what the request
// was answered.
func arrives(e Edge, headers map[string][]string) (core.Caller, *httptest.ResponseRecorder) {
	r := httptest.NewRequest("GET", "/v1/me", nil)
	r.RemoteAddr = "198.51.100.7:1"
	for name, values := range headers {
		for _, v := range values {
			r.Header.Add(name, v)
		}
	}
	var got core.Caller
	w := httptest.NewRecorder()
	e.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = CallerFrom(r) })).ServeHTTP(w, r)
	return got, w
}

func TestC44BackEndsNameWhomTheyActFor(t *testing.T) {
	e := edge(new(bytes.Buffer))
	e.Forward = backEnd
	const key, ip = "X-API-Key", "Countersign-Client-IP"
	for _, test := range []struct {
		name    string
		keys    []string
		clients []string
		want    string // the address, or the code of the refusal
		where   string // of invalid_request
	}{
		{"good", []string{"forwards"}, []string{"203.0.113.9"}, "203.0.113.9", ""},
		{"IPv6", []string{"forwards"}, []string{"2001:db8::9"}, "2001:db8::9", ""},
		{"mapped", []string{"forwards"}, []string{"::ffff:203.0.113.9"}, "203.0.113.9", ""},
		{"no client", []string{"forwards"}, nil, "invalid_request", "header.Countersign-Client-IP"},
		{"empty", []string{"forwards"}, []string{""}, "invalid_request", "header.Countersign-Client-IP"},
		{"two clients", []string{"forwards"}, []string{"203.0.113.9", "203.0.113.9"}, "invalid_request", "header.Countersign-Client-IP"},
		{"a list", []string{"forwards"}, []string{"203.0.113.9, 203.0.113.9"}, "invalid_request", "header.Countersign-Client-IP"},
		{"a port", []string{"forwards"}, []string{"203.0.113.9:80"}, "invalid_request", "header.Countersign-Client-IP"},
		{"brackets", []string{"forwards"}, []string{"[2001:db8::9]"}, "invalid_request", "header.Countersign-Client-IP"},
		{"a zone", []string{"forwards"}, []string{"fe80::1%eth0"}, "invalid_request", "header.Countersign-Client-IP"},
		{"a network", []string{"forwards"}, []string{"203.0.113.0/24"}, "invalid_request", "header.Countersign-Client-IP"},
		{"two keys", []string{"forwards", "forwards"}, []string{"203.0.113.9"}, "invalid_request", "header.X-API-Key"},
		{"without the scope", []string{"reads"}, []string{"203.0.113.9"}, "insufficient_scope", ""},
		{"unknown", []string{"guessed"}, []string{"203.0.113.9"}, "insufficient_scope", ""},
		{"empty key", []string{""}, []string{"203.0.113.9"}, "insufficient_scope", ""},
		{"a bad key tells nothing of the address", []string{"guessed"}, []string{"x"}, "insufficient_scope", ""},
		{"no answer from the store", []string{"trouble"}, []string{"203.0.113.9"}, "unavailable", ""},
		{"no key", nil, []string{"203.0.113.9"}, "198.51.100.7", ""},
		{"no key, nonsense", nil, []string{"x", "y"}, "198.51.100.7", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			caller, w := arrives(e, map[string][]string{key: test.keys, ip: test.clients})
			if w.Code == http.StatusOK {
				if caller.Address.String() != test.want || (caller.Key != nil) != (len(test.keys) > 0) {
					t.Errorf("caller %+v, want %s", caller, test.want)
				}
				return
			}
			p := problem(t, w)
			if string(p.Code) != test.want || test.where != "" && (len(p.Errors) != 1 || p.Errors[0].Location != test.where) {
				t.Errorf("%d %s %v, want %s %s", w.Code, p.Code, p.Errors, test.want, test.where)
			}
			if w.Header().Get("X-Request-Id") == "" || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// C-44: without a listed proxy and without a key, no header moves anybody.
func TestC44ForgedHeadersBuyNothing(t *testing.T) {
	e := edge(new(bytes.Buffer))
	for _, door := range []Door{nil, backEnd} {
		e.Forward = door
		for i := range 300 {
			forged := []string{fmt.Sprintf("203.0.113.%d", i%256)}
			caller, _ := arrives(e, map[string][]string{
				"X-Forwarded-For": forged, "Forwarded": {"for=" + forged[0]}, "X-Real-Ip": forged, "True-Client-Ip": forged,
				"Cf-Connecting-Ip": forged, "X-Client-Ip": forged, "Countersign-Client-Ip": forged,
			})
			if caller.Address.String() != "198.51.100.7" {
				t.Fatalf("a forged header made it %s", caller.Address)
			}
		}
	}
	// With no door a key is no header of ours at all.
	e.Forward = nil
	if caller, w := arrives(e, map[string][]string{"X-API-Key": {"forwards"}, "Countersign-Client-IP": {"203.0.113.9"}}); w.Code != 200 || caller.Address.String() != "198.51.100.7" {
		t.Errorf("%d %+v", w.Code, caller)
	}
}

// Browsers have no API keys: a page may not send one.
func TestC93KeysAreNotForBrowsers(t *testing.T) {
	e := edge(new(bytes.Buffer))
	e.Origins, e.Forward = []string{"https://app.example.com"}, backEnd
	r := httptest.NewRequest("OPTIONS", "/v1/me", nil)
	r.Header.Set("Origin", "https://app.example.com")
	r.Header.Set("Access-Control-Request-Method", "POST")
	w := httptest.NewRecorder()
	e.Wrap(http.NotFoundHandler()).ServeHTTP(w, r)
	if allowed := strings.ToLower(w.Header().Get("Access-Control-Allow-Headers")); w.Code != 204 || strings.Contains(allowed, "api-key") || strings.Contains(allowed, "client-ip") {
		t.Errorf("%d allowed %q", w.Code, allowed)
	}
}

func TestC79AnswersAreObserved(t *testing.T) {
	type seen struct {
		route  string
		status int
	}
	var all []seen
	var log bytes.Buffer
	e := edge(&log)
	now := time.Unix(0, 0)
	e.Now = func() time.Time { now = now.Add(time.Second); return now }
	e.Forward = backEnd
	e.Observe = func(route string, status int, took time.Duration) {
		if took < time.Second || took > time.Minute {
			t.Errorf("%s took %s", route, took)
		}
		all = append(all, seen{route, status})
	}
	named := JSON(Route{Method: "GET", Path: "/v1/things/{id}", Name: "thing"}, nil, func(_ context.Context, call Call[NoBody]) (Reply, error) {
		if call.ID == NobodysID {
			return Reply{}, &core.Error{Code: core.CodeNotFound}
		}
		return Reply{Status: http.StatusNoContent}, nil
	})
	h := e.Wrap(NewTable([]Route{
		named,
		{Method: "GET", Path: "/v1/silent", Name: "silent", Serve: func(http.ResponseWriter, *http.Request) {}},
		{Method: "GET", Path: "/v1/panic", Name: "panic", Serve: func(http.ResponseWriter, *http.Request) { panic("x") }},
		{Method: "GET", Path: "/v1/unnamed", Serve: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }},
	}))
	send := func(method, path string, headers ...string) {
		r := httptest.NewRequest(method, path, nil)
		for _, name := range headers {
			r.Header.Set(name, "x")
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	send("GET", "/v1/things/01933b8a-7a3e-7c2e-9f00-0123456789ab")
	send("GET", "/v1/things/anything")
	send("GET", "/v1/silent")
	send("GET", "/v1/panic")
	send("GET", "/v1/unnamed")
	send("POST", "/v1/silent")
	send("GET", "/nothing/"+strings.Repeat("a", 100))
	send("GET", "/v1/silent", "X-API-Key")
	want := []seen{
		{"thing", 204}, {"thing", 404}, {"silent", 200}, {"panic", 500}, {"other", 200}, {"other", 405}, {"other", 404}, {"other", 403},
	}
	if !slices.Equal(all, want) {
		t.Errorf("observed %v, want %v", all, want)
	}
}
