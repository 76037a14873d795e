package dialect

import (
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

func TestBearer(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []string
		me     int    // where a token is required
		maybe  int    // where it is optional: a bad one is none
		told   string // WWW-Authenticate of the former
	}{
		{"good", []string{"Bearer good"}, 200, 200, ""},
		{"scheme in another case", []string{"bEARER good"}, 200, 200, ""},
		{"two blanks", []string{"Bearer  good"}, 200, 200, ""},
		{"none", nil, 401, 200, challenge},
		{"bad", []string{"Bearer bad"}, 401, 200, challengeBadToken},
		{"empty", []string{"Bearer "}, 401, 200, challengeBadToken},
		{"bare scheme", []string{"Bearer"}, 401, 200, challengeBadToken},
		{"twice", []string{"Bearer good", "Bearer good"}, 401, 200, challengeBadToken},
		{"another scheme", []string{"Basic Zm9vOmJhcg=="}, 401, 200, challenge},
		{"no scheme", []string{"good"}, 401, 200, challenge},
		{"list", []string{"Bearer good, Bearer good"}, 401, 200, challengeBadToken},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v1/me", nil)
			r.Header["Authorization"] = test.values
			w := do(r)
			if w.Code != test.me || w.Header().Get("WWW-Authenticate") != test.told {
				t.Errorf("required: %d %q, want %d %q", w.Code, w.Header().Get("WWW-Authenticate"), test.me, test.told)
			}
			if w.Code == 401 && problem(t, w).Code != "invalid_token" {
				t.Errorf("code %s", problem(t, w).Code)
			}
			r = post("/v1/maybe", `{"phone":"1"}`)
			r.Header["Authorization"] = test.values
			if w := do(r); w.Code != test.maybe {
				t.Errorf("optional: %d, want %d", w.Code, test.maybe)
			}
			// Where no token is asked for, none is looked at.
			r = post("/v1/echo", `{"phone":"1"}`)
			r.Header["Authorization"] = test.values
			if w := do(r); w.Code != 200 || strings.Contains(w.Body.String(), `"signed":true`) {
				t.Errorf("none: %d %s", w.Code, w.Body)
			}
		})
	}
}

// C-28: secrets travel in header or body, never in a URL.
func TestC28SecretsInQuery(t *testing.T) {
	for _, name := range []string{"access_token", "refresh_token", "token", "code"} {
		r := httptest.NewRequest("GET", "/v1/me?x=1&"+name+"=good", nil)
		r.Header.Set("Authorization", "Bearer good")
		p := problem(t, do(r))
		if p.Code != CodeInvalidRequest || len(p.Errors) != 1 || p.Errors[0].Location != "query."+name {
			t.Errorf("%s: %s %v", name, p.Code, p.Errors)
		}
	}
	r := httptest.NewRequest("GET", "/v1/me?unknown=1", nil)
	r.Header.Set("Authorization", "Bearer good")
	if w := do(r); w.Code != 200 {
		t.Errorf("an unknown parameter: %d", w.Code)
	}
}

func TestIdempotencyKey(t *testing.T) {
	for _, test := range []struct {
		values []string
		want   string
		ok     bool
	}{
		{nil, "", true},
		{[]string{"8e03978e-40d5-43e8-bc93-6894a57f9324"}, "8e03978e-40d5-43e8-bc93-6894a57f9324", true},
		{[]string{`"8e03978e"`}, "8e03978e", true},
		{[]string{`"a\"b\\c"`}, `a"b\c`, true},
		{[]string{strings.Repeat("k", 128)}, strings.Repeat("k", 128), true},
		{[]string{strings.Repeat("k", 129)}, "", false},
		{[]string{""}, "", false},
		{[]string{`""`}, "", false},
		{[]string{`"`}, "", false},
		{[]string{`"a`}, "", false},
		{[]string{`"a"b"`}, "", false},
		{[]string{`"a\b"`}, "", false},
		{[]string{`"a\"`}, "", false},
		{[]string{"a b"}, "", false},
		{[]string{"é"}, "", false},
		{[]string{"a\x7f"}, "", false},
		{[]string{"a", "a"}, "", false},
		{[]string{`"a"`, `"a"`}, "", false},
	} {
		r := post("/v1/echo", `{"phone":"1"}`)
		r.Header["Idempotency-Key"] = test.values
		w := do(r)
		if !test.ok {
			if p := problem(t, w); p.Code != CodeInvalidRequest || p.Errors[0].Location != "header.Idempotency-Key" {
				t.Errorf("%q: %s %v", test.values, p.Code, p.Errors)
			}
			continue
		}
		var got echo
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Key != test.want {
			t.Errorf("%q: %v, key %q, want %q", test.values, err, got.Key, test.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, s := range []string{"", "short", strings.Repeat("a", 300), strings.Repeat("é", 200), "a" + strings.Repeat("é", 200), "\xff\xfe", strings.Repeat("\x80", 400)} {
		got := cut(s)
		if len(got) > 256 || !utf8.ValidString(got) {
			t.Errorf("cut(%.10q): %d bytes, valid %v", s, len(got), utf8.ValidString(got))
		}
	}
	if got := cut("a" + strings.Repeat("é", 200)); len(got) != 255 {
		t.Errorf("a character was split or too much dropped: %d bytes", len(got))
	}
}
