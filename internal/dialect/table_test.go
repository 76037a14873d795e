package dialect

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// C-67: no encoded, doubled or dotted path reaches another route, and nothing redirects.
func TestC67Paths(t *testing.T) {
	for _, target := range []string{
		"/v1%2Fme", "/v1/./me", "/v1/../v1/me", "//v1/me", "/v1//me", "/v1/me/", "/v1/%6De", "/V1/me", "/v1/me%00",
		"/v1/me%20", "/v1/me;x=1", "/v1/me/..", "/v1/things/", "/v1/things/a/b", "/v1/things//do", "/", "/v1", "/v1/",
		"/v1/things/a%2Fdo", "/v1/me.json", `/v1\me`,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		u, err := url.ParseRequestURI(target) // as the server reads a request line
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		r.Header.Set("Authorization", "Bearer good")
		w := do(r)
		if strings.HasPrefix(target, "/v1/things/a%2F") {
			if w.Code != 200 || !strings.Contains(w.Body.String(), NobodysID) {
				t.Errorf("%s: %d %s, want it to be an ill-formed id", target, w.Code, w.Body)
			}
			continue
		}
		if w.Code != http.StatusNotFound || problem(t, w).Code != "not_found" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		if w.Header().Get("Location") != "" {
			t.Errorf("%s redirects to %s", target, w.Header().Get("Location"))
		}
	}
}

// C-67: unknown methods are 405 with Allow.
func TestC67Methods(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "TRACE", "CONNECT", "PROPFIND", "get", "BREW"} {
		r := httptest.NewRequest("GET", "/v1/me", nil)
		r.Method = method
		w := do(r)
		if p := problem(t, w); p.Code != CodeMethodNotAllowed || p.Status != 405 {
			t.Errorf("%s: %s", method, p.Code)
		}
		if got := w.Header().Get("Allow"); got != "DELETE, GET, HEAD, OPTIONS" {
			t.Errorf("%s: Allow %q", method, got)
		}
	}
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "DELETE": 204, "OPTIONS": 204} {
		r := httptest.NewRequest(method, "/v1/me", nil)
		r.Header.Set("Authorization", "Bearer good")
		if w := do(r); w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
	}
	if w := do(httptest.NewRequest("GET", "/v1/things/x/do", nil)); w.Code != 405 || w.Header().Get("Allow") != "OPTIONS, POST" {
		t.Errorf("GET of a POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

// C-64: whatever cannot be an id is the id of nothing.
func TestC64IllFormedIDs(t *testing.T) {
	const id = "01933b8a-7a3e-7c2e-9f00-0123456789ab"
	for path, want := range map[string]string{
		id: id, strings.ToUpper(id): NobodysID, "1": NobodysID, id + "0": NobodysID, "%20": NobodysID,
		"{" + id + "}": NobodysID, "urn:uuid:" + id: NobodysID, "'--": NobodysID,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath = "/v1/things/"+path, ""
		if w := do(r); w.Code != 200 || !strings.Contains(w.Body.String(), `"id":"`+want+`"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestMounts(t *testing.T) {
	said := func(word string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(word)) })
	}
	h := Mounts(Mount{"/", said("front")}, Mount{"/v1/", said("api")}, Mount{"/v1/x/", said("x")}, Mount{"/docs", said("docs")})
	for path, want := range map[string]string{
		"/": "front", "/v1/me": "api", "/v1/x/y": "x", "/docs": "docs", "/docs/": "front", "/v1": "front", "/v1%2Fme": "front", "//v1/me": "front",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Body.String() != want {
			t.Errorf("%s went to %q, want %q", path, w.Body, want)
		}
	}
	w := httptest.NewRecorder()
	Mounts(Mount{"/v1/", said("api")}).ServeHTTP(w, httptest.NewRequest("GET", "/other", nil))
	if w.Code != 404 {
		t.Errorf("nobody's path: %d", w.Code)
	}
}
