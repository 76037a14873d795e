package admin_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/admin"
	"github.com/countersign/countersign/internal/event"
)

// scopes is what opens each route, written down again. A route that is missing
// here is open to nobody in these tests, and fails them.
var scopes = map[string]core.KeyScope{
	"GET /admin/v1/stats":  core.ScopeStatsRead,
	"GET /admin/v1/limits": core.ScopeStatsRead,

	"GET /admin/v1/messages":         core.ScopeMessagesRead,
	"GET /admin/v1/messages/{id}":    core.ScopeMessagesRead,
	"POST /admin/v1/messages/search": core.ScopeMessagesRead,
}

func problem(t *testing.T, w *httptest.ResponseRecorder) dialect.Problem {
	t.Helper()
	var p dialect.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d is no problem: %s", w.Code, w.Body)
	}
	return p
}

// C-82: every route by every scope, and no other key.
func TestC82EveryRouteByEveryScope(t *testing.T) {
	h := newHouse(t)
	keys, ids := map[core.KeyScope]string{}, map[core.KeyScope]string{}
	for _, s := range core.KeyScopes() {
		ids[s], keys[s] = h.key("for "+string(s), 0, s)
	}
	_, lapsed := h.key("lapsed", time.Minute, core.KeyScopes()...)
	_, revoked := h.key("revoked", 0, core.KeyScopes()...)
	if err := h.core.RevokeAPIKey(context.Background(), core.Caller{}, "revoked"); err != nil {
		t.Fatal(err)
	}
	h.pass(time.Minute)
	unknown := "cs_" + strings.Repeat("A", 43)
	message := h.message(alice, h.now)
	for _, route := range admin.Routes(nil) {
		call, path := route.Method+" "+route.Path, strings.Replace(route.Path, "{id}", message.ID, 1)
		needed, ok := scopes[call]
		if !ok {
			t.Errorf("%s has no scope in this test", call)
		}
		for _, given := range core.KeyScopes() {
			h.acts()
			w := h.call(route.Method, path, keys[given])
			acts := h.acts()
			if len(acts) != 1 || acts[0].Attributes["api_key"] != ids[given] || acts[0].RequestID != w.Header().Get("X-Request-Id") {
				t.Errorf("%s by %s is told as %+v", call, given, acts)
			}
			if given == needed {
				if w.Code >= 300 || acts[0].Outcome != event.Success || acts[0].Attributes["action"] != route.Name {
					t.Errorf("%s by %s: %d, told as %+v", call, given, w.Code, acts)
				}
				continue
			}
			if p := problem(t, w); w.Code != http.StatusForbidden || p.Code != core.CodeInsufficientScope ||
				acts[0].Outcome != event.Failure || acts[0].Reason != "insufficient_scope" || acts[0].Attributes["scope"] != string(needed) {
				t.Errorf("%s by %s: %d %s, told as %+v", call, given, w.Code, p.Code, acts)
			}
		}
		for bearer, reason := range map[string]string{"": "", lapsed: "expired_key", revoked: "revoked_key", unknown: "unknown_key", "x": "unknown_key"} {
			h.acts()
			w := h.call(route.Method, path, bearer)
			var told []string
			for _, e := range h.acts() {
				told = append(told, e.Reason)
			}
			shown := strings.Contains(w.Header().Get("WWW-Authenticate"), "invalid_token")
			if p := problem(t, w); w.Code != http.StatusUnauthorized || p.Code != core.CodeInvalidToken || shown != (bearer != "") {
				t.Errorf("%s with a key that is %q: %d %s", call, reason, w.Code, p.Code)
			}
			if reason != "" && !slices.Equal(told, []string{reason}) || reason == "" && told != nil {
				t.Errorf("%s with a key that is %q: told %q", call, reason, told)
			}
		}
	}
}

// A back end's key opens nothing of the operator's, however it is sent, and an
// operator's key names nobody.
func TestC82KeysAreGoodAtTheirOwnDoor(t *testing.T) {
	h := newHouse(t)
	_, forwards := h.key("shop", 0, core.ScopeClientsForward)
	_, reads := h.key("dashboard", 0, core.ScopeStatsRead)
	send := func(bearer, key string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/admin/v1/limits", nil)
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		r.Header.Set("X-API-Key", key)
		r.Header.Set("Countersign-Client-IP", "203.0.113.9")
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		return w
	}
	for _, test := range []struct {
		bearer, key string
		status      int
		address     string // of the last admin_action
	}{
		{"", forwards, 401, ""},
		{forwards, forwards, 403, "203.0.113.9"},
		{reads, reads, 403, "192.0.2.1"},
		{"", reads, 403, "192.0.2.1"},
		{reads, forwards, 200, "203.0.113.9"},
	} {
		h.acts()
		w := send(test.bearer, test.key)
		acts := h.acts()
		if w.Code != test.status {
			t.Errorf("%d, want %d", w.Code, test.status)
		}
		if test.address != "" && (len(acts) != 1 || acts[0].IPAddress != test.address) {
			t.Errorf("%d: told %+v, want from %s", w.Code, acts, test.address)
		}
	}
}

func TestStats(t *testing.T) {
	h := newHouse(t)
	_, key := h.key("dashboard", 0, core.ScopeStatsRead)
	sms := event.Series{Name: event.SMSSent, Method: "sms", Outcome: event.Success, Country: "US", Provider: "acme"}
	right := event.Series{Name: event.SuccessfulLogin, Method: "sms", Outcome: event.Success, Country: "US"}
	wrong := event.Series{Name: event.CodeFailed, Method: "sms", Outcome: event.Failure, Reason: "wrong_code"}
	unknown := event.Series{Name: event.SMSWithheld, Method: "sms", Outcome: event.Success}
	err := h.store.AddRollups(context.Background(), core.AddRollups{Instance: "one", Rollups: []event.Rollup{
		{Minute: h.now, Series: sms, N: 3}, {Minute: h.now, Series: right, N: 2}, {Minute: h.now, Series: wrong, N: 1}, {Minute: h.now, Series: unknown, N: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := h.call("GET", "/admin/v1/stats?window=90m", key)
	const want = `{"since":"2026-11-24T07:30:00.000Z","until":"2026-11-24T09:01:00.000Z",` +
		`"sign_ins":[{"method":"sms","successes":2,"failures":1,"success_rate":0.6667,"reasons":[{"name":"wrong_code","count":1}]}],` +
		`"codes":[{"country":"US","sent":3,"delivered":0,"failed":0,"withheld":0,"redeemed":2,"conversion":0.6667,` +
		`"providers":[{"provider":"acme","sent":3,"delivered":0,"failed":0}]},` +
		`{"country":null,"sent":0,"delivered":0,"failed":0,"withheld":1,"redeemed":0,"conversion":null,"providers":[]}],` +
		`"accounts_created":0,"locks":0,"refreshes":{"successes":0,"failures":0,"reuses":0},"rate_limited":[]}`
	if got := w.Body.String(); w.Code != 200 || got != want {
		t.Errorf("%d %s\nwant %s", w.Code, got, want)
	}
	newChecker(t).answer(t, "GET", "/admin/v1/stats", w)
	for _, bad := range []string{"", "x", "1", "0", "-1h", "59s", "2160h1m", "1d"} {
		h.acts()
		p := problem(t, h.call("GET", "/admin/v1/stats?window="+bad, key))
		if p.Code != core.CodeInvalidRequest || len(p.Errors) != 1 || p.Errors[0].Location != "query.window" {
			t.Errorf("%q: %s %v", bad, p.Code, p.Errors)
		}
		if acts := h.acts(); len(acts) != 0 {
			t.Errorf("%q: told %+v", bad, acts)
		}
	}
}

func TestLimitsAreThoseInForce(t *testing.T) {
	h := newHouse(t)
	_, key := h.key("dashboard", 0, core.ScopeStatsRead)
	w := h.call("GET", "/admin/v1/limits", key)
	newChecker(t).answer(t, "GET", "/admin/v1/limits", w)
	var list admin.LimitList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if rows := core.LimitTable(); len(list.Limits) != len(rows) {
		t.Fatalf("%d limits, want %d", len(list.Limits), len(rows))
	}
	for i, row := range h.core.EffectiveLimits() {
		l := list.Limits[i]
		if l.Name != row.Name || l.N != row.N || l.Window != int64(row.Window/time.Second) || l.Durable != row.Store || l.Who == "" || l.Doc == "" {
			t.Errorf("%+v, want %+v", l, row)
		}
		if l.Name == "send_total" && (l.N != 7 || l.Window != 60) {
			t.Errorf("the settings' own: %+v", l)
		}
	}
}
