package dialect

import (
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date (go test -update writes it anew); got:\n%s", path, got)
	}
}

// edge is an Edge whose log can be read.
func edge(log *bytes.Buffer) Edge {
	return Edge{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(log, nil))}
}

// inner is a nested member of the test request.
type inner struct {
	Name string `json:"name,omitzero"`
}

// request is a body as dialects have them.
type request struct {
	Phone  *string         `json:"phone"`
	Secret *keyring.Secret `json:"secret,omitzero"`
	Flag   bool            `json:"flag,omitzero"`
	Inner  inner           `json:"inner,omitzero"`
}

// echo answers what it was asked, so that tests see what came through.
type echo struct {
	Phone  string `json:"phone"`
	Secret string `json:"secret"`
	ID     string `json:"id"`
	Key    string `json:"key"`
	Signed bool   `json:"signed"`
}

func echoRoutes() []Route {
	door := func(_ context.Context, caller core.Caller, token keyring.Secret) (core.Caller, error) {
		if token.Reveal() != "good" {
			return caller, &core.Error{Code: core.CodeInvalidToken}
		}
		caller.Signed = &core.Signed{}
		return caller, nil
	}
	post := func(_ context.Context, call Call[request]) (Reply, error) {
		answer := echo{ID: call.ID, Key: call.Idempotency.Key, Signed: call.Caller.Signed != nil}
		if call.In.Phone != nil {
			answer.Phone = *call.In.Phone
		}
		if call.In.Secret != nil {
			answer.Secret = call.In.Secret.Reveal()
		}
		return Reply{http.StatusOK, answer}, nil
	}
	get := func(_ context.Context, call Call[NoBody]) (Reply, error) {
		return Reply{http.StatusOK, echo{ID: call.ID, Signed: call.Caller.Signed != nil}}, nil
	}
	remove := func(context.Context, Call[NoBody]) (Reply, error) { return Reply{Status: http.StatusNoContent}, nil }
	return []Route{
		JSON(Route{Method: "POST", Path: "/v1/echo", Idempotent: true}, door, post),
		JSON(Route{Method: "POST", Path: "/v1/maybe", Auth: AuthOptional, BodyOptional: true}, door, post),
		JSON(Route{Method: "GET", Path: "/v1/me", Auth: AuthRequired}, door, get),
		JSON(Route{Method: "DELETE", Path: "/v1/me", Auth: AuthRequired}, door, remove),
		JSON(Route{Method: "GET", Path: "/v1/things/{id}"}, door, get),
		JSON(Route{Method: "POST", Path: "/v1/things/{id}/do"}, door, get),
	}
}

// do sends a request to the echo routes behind an edge.
func do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	edge(new(bytes.Buffer)).Wrap(NewTable(echoRoutes())).ServeHTTP(w, r)
	return w
}

func post(path, body string) *http.Request {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func problem(t *testing.T, w *httptest.ResponseRecorder) Problem {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("status %d with content type %q, want a problem; body: %s", w.Code, got, w.Body)
	}
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != w.Code {
		t.Errorf("the problem says %d, the status line %d", p.Status, w.Code)
	}
	return p
}
