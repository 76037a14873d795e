package oauth

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/token"
)

const issuer = "https://id.example.com"

// handler serves the standards by a core without a store: what is asked here
// never gets that far.
func handler(t *testing.T) http.Handler {
	t.Helper()
	masters, err := keyring.ParseMasters("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(masters)
	if err != nil {
		t.Fatal(err)
	}
	key, err := token.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	minter, err := token.New(ring, []token.SigningKey{key}, token.Settings{Issuer: issuer, Audience: issuer, ClientID: "default", TTL: time.Minute}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := core.New(core.Deps{
		Ring: ring, Tokens: minter, Traffic: func(event.Event) {}, Now: time.Now, Rand: rand.Reader,
		Limiter: limit.NewMemory(limit.MemoryOptions{}),
	})
	edge := dialect.Edge{Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
	return edge.Wrap(New(c, issuer))
}

func revoke(form string) *http.Request {
	r := httptest.NewRequest("POST", "/oauth/revoke", strings.NewReader(form))
	r.Header.Set("Content-Type", formType)
	return r
}

func serve(t *testing.T, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler(t).ServeHTTP(w, r)
	return w
}

// C-31: unknown tokens are answered like known ones.
func TestC31UnknownTokens(t *testing.T) {
	for _, form := range []string{
		"token=x", "token=csr_x&token_type_hint=refresh_token", "token=a.b.c&token_type_hint=access_token", "token=x&token_type_hint=unheard_of", "token=x&further=1",
	} {
		w := serve(t, revoke(form))
		if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", form, w.Code, w.Body)
		}
	}
}

func TestRevokeRefusals(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		form   string
		status int
	}{
		{"no token", nil, "token_type_hint=refresh_token", 400},
		{"an empty token", nil, "token=", 400},
		{"no body", nil, "", 400},
		{"twice", nil, "token=x&token=y", 400},
		{"a broken form", nil, "token=%zz", 400},
		{"JSON", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, `{"token":"x"}`, 415},
		{"encoded", func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, "token=x", 415},
		{"too large", nil, "token=" + strings.Repeat("x", dialect.MaxBody), 413},
		{"in the URL (C-28)", func(r *http.Request) { r.URL.RawQuery = "token=x" }, "token=x", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := revoke(test.form)
			if test.change != nil {
				test.change(r)
			}
			w := serve(t, r)
			var told Error
			if err := json.Unmarshal(w.Body.Bytes(), &told, json.RejectUnknownMembers(true)); err != nil {
				t.Fatalf("%d %s: %v", w.Code, w.Body, err)
			}
			if w.Code != test.status || told.Error != "invalid_request" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	if w := serve(t, httptest.NewRequest("GET", "/oauth/revoke", nil)); w.Code != 405 || w.Header().Get("Allow") != "OPTIONS, POST" {
		t.Errorf("GET: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestKeys(t *testing.T) {
	w := serve(t, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	var set JWKSet
	if err := json.Unmarshal(w.Body.Bytes(), &set, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if w.Code != 200 || len(set.Keys) != 1 || set.Keys[0].Kty != "EC" || set.Keys[0].Crv != "P-256" || set.Keys[0].Kid == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("Content-Type") != "application/jwk-set+json" || w.Header().Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("headers %v", w.Header())
	}
}

// C-94: our own URLs come from the settings, whatever a request says.
func TestC94MetadataIgnoresHost(t *testing.T) {
	r := httptest.NewRequest("GET", "/.well-known/oauth-authorization-server", nil)
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("X-Forwarded-Proto", "gopher")
	r.Header.Set("Forwarded", "host=evil.example")
	w := serve(t, r)
	const want = `{"issuer":"https://id.example.com","jwks_uri":"https://id.example.com/.well-known/jwks.json",` +
		`"revocation_endpoint":"https://id.example.com/oauth/revoke","revocation_endpoint_auth_methods_supported":["none"],` +
		`"response_types_supported":[],"grant_types_supported":[]}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
