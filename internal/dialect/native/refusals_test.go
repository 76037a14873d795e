package native_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/native"
)

// goodBodies are requests that would be carried out; each refusal is one step
// away from them.
var goodBodies = map[string]string{
	"signup":         `{"phone_number":"` + carol + `"}`,
	"loginSMS":       `{"phone_number":"` + alice + `"}`,
	"loginPassword":  `{"phone_number":"` + alice + `","password":"` + goodPassword + `"}`,
	"resetPassword":  `{"phone_number":"` + alice + `"}`,
	"verify":         `{"code":"123456"}`,
	"resend":         `{}`,
	"refresh":        `{"refresh_token":"csr_x"}`,
	"logout":         `{"scope":"others"}`,
	"editMe":         `{"name":"Mallory"}`,
	"changePassword": `{"current_password":"` + goodPassword + `","new_password":"some other password 5"}`,
	"changePhone":    `{"phone_number":"` + carol + `"}`,
	"reauthenticate": `{}`,
}

// refusals sends one route every kind of refusal.
type refusals struct {
	*testing.T
	house  *house
	route  dialect.Route
	bearer string
	id     string // of something that the caller may act on
}

// Every endpoint gets every kind of refusal, and nothing changes.
func TestEveryEndpointEveryRefusal(t *testing.T) {
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	other := h.signUp(bob, "")
	open := h.begin("/v1/login/sms", "", `{"phone_number":"`+alice+`"}`)
	before := h.state(set.AccessToken) + h.state(other.AccessToken)
	for _, route := range native.Routes(nil) {
		t.Run(route.Name, func(t *testing.T) {
			id := open.ChallengeID
			if strings.HasPrefix(route.Path, "/v1/sessions") {
				id = set.SessionID
			}
			r := refusals{t, h, route, set.AccessToken, id}
			r.methods()
			r.tokens()
			r.queries()
			r.ids()
			if route.Body != nil {
				r.bodies()
				r.members(route.Body, "")
			}
			if route.Idempotent {
				for _, key := range []string{"", "a b", `"`, strings.Repeat("k", 129), "é"} {
					req := r.request(goodBodies[route.Name])
					req.Header["Idempotency-Key"] = []string{key}
					r.want(req, 422, "invalid_request", "header.Idempotency-Key")
				}
			}
		})
	}
	if after := h.state(set.AccessToken) + h.state(other.AccessToken); after != before {
		t.Errorf("something changed. Before:\n%s\nafter:\n%s", before, after)
	}
	if n := len(h.messages()); n != 3 {
		t.Errorf("%d messages were queued, want the 3 of the setting", n)
	}
}

// state is all that a user can see.
func (h *house) state(bearer string) string {
	var all string
	for _, path := range []string{"/v1/me", "/v1/sessions", "/v1/me/events"} {
		all += h.call(200, "GET", path, bearer, "").Body.String() + "\n"
	}
	return all
}

func (r refusals) target() string { return strings.Replace(r.route.Path, "{id}", r.id, 1) }

// request is a request that only its body (or what the caller changes) can spoil.
func (r refusals) request(body string) *http.Request {
	bearer := r.bearer
	if r.route.Auth != dialect.AuthRequired {
		bearer = ""
	}
	req := request(r.route.Method, r.target(), bearer, body)
	req.Header.Set("Content-Type", "application/json")
	return req
}

// want sends a request and wants a problem; location "" is not looked at.
func (r refusals) want(req *http.Request, status int, code core.Code, location string) *httptest.ResponseRecorder {
	r.Helper()
	w := r.house.send(req)
	p := read[dialect.Problem](r.T, w)
	if w.Code != status || p.Code != code {
		r.Errorf("%s %s: %d %s, want %d %s", req.Method, req.URL, w.Code, p.Code, status, code)
		return w
	}
	if location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != location) {
		r.Errorf("%s %s: errors %v, want one at %s", req.Method, req.URL, p.Errors, location)
	}
	if w.Header().Get("X-Request-Id") == "" || w.Header().Get("Cache-Control") != "no-store" {
		r.Errorf("%s %s: headers %v", req.Method, req.URL, w.Header())
	}
	return w
}

func (r refusals) methods() {
	for _, method := range []string{"PUT", "TRACE", "BREW"} {
		req := r.request(goodBodies[r.route.Name])
		req.Method = method
		if w := r.want(req, 405, "method_not_allowed", ""); !strings.Contains(w.Header().Get("Allow"), r.route.Method) {
			r.Errorf("Allow %q", w.Header().Get("Allow"))
		}
	}
}

func (r refusals) tokens() {
	if r.route.Auth != dialect.AuthRequired {
		return
	}
	req := r.request("")
	req.Header.Del("Authorization")
	if w := r.want(req, 401, "invalid_token", ""); w.Header().Get("WWW-Authenticate") != `Bearer realm="countersign"` {
		r.Errorf("no token: %q", w.Header().Get("WWW-Authenticate"))
	}
	for _, bad := range []string{"x", r.bearer + "x", r.bearer[:len(r.bearer)-5] + "AAAAA", "..", "csr_x"} {
		req := r.request(goodBodies[r.route.Name])
		req.Header.Set("Authorization", "Bearer "+bad)
		if w := r.want(req, 401, "invalid_token", ""); !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_token"`) {
			r.Errorf("a bad token: %q", w.Header().Get("WWW-Authenticate"))
		}
	}
}

// C-28 on every route.
func (r refusals) queries() {
	for _, name := range []string{"access_token", "refresh_token", "token", "code"} {
		req := r.request(goodBodies[r.route.Name])
		req.URL.RawQuery = name + "=" + r.bearer
		w := r.want(req, 422, "invalid_request", "query."+name)
		if strings.Contains(w.Body.String(), r.bearer) {
			r.Errorf("the token came back: %s", w.Body)
		}
	}
}

func (r refusals) ids() {
	if !strings.Contains(r.route.Path, "{id}") {
		return
	}
	for _, id := range []string{dialect.NobodysID, "1", "%27--", strings.ToUpper(r.id), r.id + "0"} {
		r.id = id
		r.want(r.request(goodBodies[r.route.Name]), 404, "not_found", "")
	}
}

func (r refusals) bodies() {
	good := goodBodies[r.route.Name]
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"} {
		req := r.request(good)
		req.Header.Set("Content-Type", contentType)
		r.want(req, 415, "unsupported_media_type", "")
	}
	encoded := r.request(good)
	encoded.Header.Set("Content-Encoding", "gzip")
	r.want(encoded, 415, "unsupported_media_type", "")
	r.want(r.request(good+strings.Repeat(" ", dialect.MaxBody)), 413, "content_too_large", "")
	for _, body := range []string{
		"x", good + "{}", good[:len(good)-1], "{,}", `{"x":1,"x":2}`, "{\"x\":\"\xff\"}", `{"x":"\ud800"}`, "\ufeff" + good,
	} {
		r.want(r.request(body), 400, "malformed_request", "")
	}
	if !r.route.BodyOptional {
		r.want(r.request(""), 400, "malformed_request", "")
	}
	for _, body := range []string{"null", "[]", `"x"`, "1", "false"} {
		r.want(r.request(body), 422, "invalid_request", "body")
	}
	r.want(r.request(`{"is_admin":true}`), 422, "invalid_request", "body.is_admin")
}

// members ill-types every member, and leaves out each that is required.
func (r refusals) members(t reflect.Type, parent string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		kind := field.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
			if !strings.Contains(options, "omit") {
				r.missing(name)
			}
		}
		if field.Anonymous {
			r.members(kind, parent)
			continue
		}
		ill := []string{"1", "true", "null", "[]", `["x"]`}
		if kind.Kind() == reflect.Struct {
			ill = append(ill, `"x"`)
			r.members(kind, name)
		} else {
			ill = append(ill, `{}`)
		}
		for _, value := range ill {
			if parent != "" {
				r.want(r.request(`{"`+parent+`":{"`+name+`":`+value+`}}`), 422, "invalid_request", "body."+parent+"."+name)
			} else {
				r.want(r.request(`{"`+name+`":`+value+`}`), 422, "invalid_request", "body."+name)
			}
		}
		if name == "channel" {
			r.channels()
		}
		upper := strings.ToUpper(name[:1]) + name[1:]
		if parent == "" {
			r.want(r.request(`{"`+upper+`":"x"}`), 422, "invalid_request", "body."+upper)
		}
	}
}

// channels are refused unless they are offered; one that is empty is not absent.
func (r refusals) channels() {
	for _, none := range []string{"", "SMS", "pigeon"} {
		body := strings.TrimSuffix(goodBodies[r.route.Name], "}") + `,"channel":"` + none + `"}`
		r.want(r.request(strings.Replace(body, "{,", "{", 1)), 422, "invalid_request", "body.channel")
	}
}

func (r refusals) missing(name string) {
	w := r.want(r.request(`{}`), 422, "invalid_request", "")
	if !strings.Contains(w.Body.String(), `"location":"body.`+name+`"`) {
		r.Errorf("%s is missing, which was answered with %s", name, w.Body)
	}
}
