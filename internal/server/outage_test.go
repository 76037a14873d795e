package server

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// route is one call of a listener, as its document tells of it.
type route struct{ method, path string }

// routesOf reads a listener's document.
func routesOf(t *testing.T, base string) []route {
	t.Helper()
	_, text := call(t, "GET", base+"/openapi.json", "")
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	read(t, text, &document)
	var routes []route
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for method := range document.Paths[path] {
			routes = append(routes, route{strings.ToUpper(method), strings.ReplaceAll(path, "{id}", "0198c0de-0000-7000-8000-000000000000")})
		}
	}
	return routes
}

// C-93: whatever a listener's document tells of carries the headers, whether it
// is let in or not.
func TestC93EveryRouteOfBothListeners(t *testing.T) {
	s := start(t, settings(t, t.TempDir()), Options{})
	for address, least := range map[string]int{s.Addr(): 20, s.OperatorAddr(): 2} {
		routes := routesOf(t, "http://"+address)
		if len(routes) < least {
			t.Errorf("%s: %d routes", address, len(routes))
		}
		for _, r := range routes {
			for _, body := range []string{"", "{}"} {
				answer, _ := call(t, r.method, "http://"+address+r.path, body)
				for name, want := range map[string]string{
					"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
					"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
				} {
					got := answer.Header.Get(name)
					public := strings.HasPrefix(r.path, "/.well-known/") && strings.HasPrefix(got, "public")
					if got != want && !public {
						t.Errorf("%s %s: %s is %q, want %q", r.method, r.path, name, got, want)
					}
				}
			}
		}
	}
}

// outageBodies are requests that reach the database. None of them is refused
// for itself.
var outageBodies = map[string]string{
	"/v1/signup":               `{"phone_number":"` + number + `"}`,
	"/v1/login/sms":            `{"phone_number":"` + number + `"}`,
	"/v1/login/password":       `{"phone_number":"` + number + `","password":"violet kettle under a bridge"}`,
	"/v1/password/reset":       `{"phone_number":"` + number + `"}`,
	"/v1/challenges/id/verify": `{"code":"123456"}`,
	"/v1/challenges/id/resend": `{}`,
	"/v1/token/refresh":        `{"refresh_token":"$refresh"}`,
	"/v1/logout":               `{}`,
	"/v1/me":                   `{"name":"Ada"}`,
	"/v1/me/password":          `{"new_password":"violet kettle under a bridge"}`,
	"/v1/me/phone-number":      `{"phone_number":"+14155550101"}`,
	"/v1/me/reauthenticate":    `{}`,
}

// C-103 and C-27: without its database the server says 503 on every route that
// needs it, to known and unknown numbers alike, and signs nobody out.
func TestC103WithoutADatabaseEveryRouteIsHonest(t *testing.T) {
	s := start(t, settings(t, t.TempDir()), Options{})
	base := "http://" + s.Addr()
	tokens := signIn(t, base)
	routes := routesOf(t, base)
	if err := s.parts.store.Close(); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, r := range routes {
		if !strings.HasPrefix(r.path, "/v1/") {
			continue
		}
		body := outageBodies[strings.ReplaceAll(r.path, "0198c0de-0000-7000-8000-000000000000", "id")]
		body = strings.ReplaceAll(body, "$refresh", tokens["refresh_token"].(string))
		if r.method == http.MethodGet || r.method == http.MethodDelete {
			body = ""
		}
		bodies := []string{body}
		if strings.HasPrefix(r.path, "/v1/login") || strings.HasPrefix(r.path, "/v1/password") {
			bodies = append(bodies, strings.ReplaceAll(body, number, "+14155550199")) // nobody's
		}
		for _, body := range bodies {
			asked++
			answer, text := call(t, r.method, base+r.path, body, "Authorization", "Bearer "+tokens["access_token"].(string))
			if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "1" ||
				!strings.Contains(text, `"unavailable"`) {
				t.Errorf("%s %s: %d, Retry-After %q: %s", r.method, r.path, answer.StatusCode, answer.Header.Get("Retry-After"), text)
			}
		}
	}
	if asked < 20 {
		t.Errorf("%d routes were asked", asked)
	}
	answer, text := call(t, "POST", base+"/oauth/revoke", "token="+tokens["refresh_token"].(string), "Content-Type", "application/x-www-form-urlencoded")
	if answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a revocation that nobody keeps: %d %s", answer.StatusCode, text)
	}
	if answer, _ := call(t, "GET", base+"/readyz", ""); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", answer.StatusCode)
	}
}

// dry is a source of chance that can run out.
type dry struct {
	io.Reader
	out atomic.Bool
}

func (d *dry) Read(b []byte) (int, error) {
	if d.out.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return d.Reader.Read(b)
}

// C-103: without chance nothing is made that would need it, and nobody is
// signed out either.
func TestC103WithoutChanceEveryRouteIsHonest(t *testing.T) {
	chance := &dry{Reader: rand.Reader}
	s := start(t, settings(t, t.TempDir()), Options{Rand: chance})
	base := "http://" + s.Addr()
	tokens := signIn(t, base)
	refresh := `{"refresh_token":"` + tokens["refresh_token"].(string) + `"}`
	chance.out.Store(true)
	for path, body := range map[string]string{
		"/v1/signup": `{"phone_number":"` + number + `"}`, "/v1/login/sms": `{"phone_number":"+14155550199"}`, "/v1/token/refresh": refresh,
	} {
		answer, text := call(t, "POST", base+path, body)
		if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: %d %s", path, answer.StatusCode, text)
		}
	}
	chance.out.Store(false)
	if answer, text := call(t, "POST", base+"/v1/token/refresh", refresh); answer.StatusCode != http.StatusOK {
		t.Errorf("a refresh afterwards: %d %s", answer.StatusCode, text)
	}
}
