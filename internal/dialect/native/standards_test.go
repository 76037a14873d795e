package native_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/dialect/native"
)

// Whoever has no working access token logs out by /oauth/revoke. A refresh or
// an access token ends its session, and no other (C-31, C-23).
func TestC31Revoke(t *testing.T) {
	h := newHouse(t)
	first := h.signUp(alice, goodPassword)
	signIn := func() native.TokenSet {
		return read[native.TokenSet](t, h.call(200, "POST", "/v1/login/password", "", `{"phone_number":"`+alice+`","password":"`+goodPassword+`"}`))
	}
	revoke := func(token string) {
		r := httptest.NewRequest("POST", "/oauth/revoke", strings.NewReader("token="+token))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if w := h.send(r); w.Code != 200 || w.Body.Len() != 0 {
			t.Fatalf("revoking: %d %s", w.Code, w.Body)
		}
	}
	second, third := signIn(), signIn()
	revoke(second.RefreshToken)
	revoke(second.RefreshToken) // repeatable
	revoke(third.AccessToken)
	revoke("csr_unknown")
	for _, ended := range []native.TokenSet{second, third} {
		h.call(401, "GET", "/v1/me", ended.AccessToken, "")
		h.call(401, "POST", "/v1/token/refresh", "", `{"refresh_token":"`+ended.RefreshToken+`"}`)
	}
	h.call(200, "GET", "/v1/me", first.AccessToken, "")
	h.call(200, "GET", "/.well-known/jwks.json", "", "")
	h.call(200, "GET", "/.well-known/oauth-authorization-server", "", "")
}

// HEAD is served where GET is; a route without a body does not mind one.
func TestHeadAndStrayBodies(t *testing.T) {
	h := newHouse(t)
	set := h.signUp(alice, "")
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, request("HEAD", "/v1/me", set.AccessToken, ""))
	if w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
	h.call(200, "GET", "/v1/me", set.AccessToken, "not JSON at all")
	h.call(204, "DELETE", "/v1/sessions/"+set.SessionID, set.AccessToken, "{}")
}

// limit and cursor of the event list.
func TestEventQuery(t *testing.T) {
	h := newHouse(t)
	set := h.signUp(alice, "")
	for _, query := range []string{"limit=0", "limit=101", "limit=-1", "limit=x", "limit=", "limit=99999999999999999999", "limit=1e1", "cursor=x"} {
		w := h.call(422, "GET", "/v1/me/events?"+query, set.AccessToken, "")
		name, _, _ := strings.Cut(query, "=")
		if !strings.Contains(w.Body.String(), `"location":"query.`+name+`"`) {
			t.Errorf("%s: %s", query, w.Body)
		}
	}
	if page := read[eventPage](t, h.call(200, "GET", "/v1/me/events?limit=100&unknown=1", set.AccessToken, "")); len(page.Events) == 0 || page.NextCursor != nil {
		t.Errorf("%+v", page)
	}
}
