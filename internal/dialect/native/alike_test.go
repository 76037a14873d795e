package native_test

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/dialect"
)

// shape is what a stranger could tell answers apart by: status, header names,
// members, the kinds and lengths of their values.
func shape(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintln(&b, w.Code)
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		fmt.Fprintf(&b, "%s: %d\n", name, len(w.Header().Get(name)))
	}
	members := read[map[string]any](t, w)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		if s, ok := value.(string); ok && name == "challenge_id" {
			value = len(s)
		}
		fmt.Fprintf(&b, "%s %T %v\n", name, value, value)
	}
	return b.String()
}

// C-59: known, unknown and password-less numbers are answered alike, at every
// call and at every step of what follows.
func TestC59Alike(t *testing.T) {
	type person struct{ name, number string }
	people := []person{{"with a password", alice}, {"without a password", bob}, {"unknown", carol}}
	steps := []struct {
		name string
		run  func(h *house, number string) []*httptest.ResponseRecorder
	}{
		{"wrong passwords until the delay", func(h *house, number string) (told []*httptest.ResponseRecorder) {
			for range 5 {
				told = append(told, h.send(request("POST", "/v1/login/password", "", `{"phone_number":"`+number+`","password":"not the right one"}`)))
			}
			return told
		}},
		{"signup", func(h *house, number string) []*httptest.ResponseRecorder { return h.whole("/v1/signup", number, "") }},
		{"code", func(h *house, number string) []*httptest.ResponseRecorder {
			return h.whole("/v1/login/sms", number, "")
		}},
		{"reset", func(h *house, number string) []*httptest.ResponseRecorder {
			// The owner's real password as the new one tells nothing before the code matched (C-15).
			return h.whole("/v1/password/reset", number, `,"new_password":"`+goodPassword+`"`)
		}},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			var first []string
			for i, p := range people {
				h := newHouse(t)
				h.signUp(alice, goodPassword)
				h.signUp(bob, "")
				var shapes []string
				for _, w := range step.run(h, p.number) {
					shapes = append(shapes, shape(t, w))
				}
				if i == 0 {
					first = shapes
				} else if diff := cmp.Diff(first, shapes); diff != "" {
					t.Errorf("a number %s is told apart from one %s:\n%s", p.name, people[0].name, diff)
				}
			}
		})
	}
}

// whole begins a challenge and walks it to its end without the code.
func (h *house) whole(path, number, more string) (told []*httptest.ResponseRecorder) {
	w := h.call(202, "POST", path, "", `{"phone_number":"`+number+`"}`)
	id := uuid.FindString(w.Body.String())
	told = append(told, w)
	post := func(action, body string) {
		told = append(told, h.send(request("POST", "/v1/challenges/"+id+"/"+action, "", body)))
	}
	post("resend", `{}`)
	h.pass(time.Minute)
	post("resend", `{}`)
	post("verify", `{"code":"12"`+more+`}`)
	for range 6 {
		post("verify", `{"code":"`+wrong(h.code(id))+`"`+more+`}`)
	}
	post("resend", `{}`)
	h.pass(10 * time.Minute)
	post("verify", `{"code":"000000"`+more+`}`)
	return told
}

// C-64: foreign, unknown and ill-formed ids are one and the same 404.
func TestC64OneNotFound(t *testing.T) {
	h := newHouse(t)
	mine, theirs := h.signUp(alice, goodPassword), h.signUp(bob, "")
	foreign := h.begin("/v1/me/reauthenticate", theirs.AccessToken, `{}`).ChallengeID
	for _, test := range []struct{ method, before, after, foreign, body string }{
		{"DELETE", "/v1/sessions/", "", theirs.SessionID, ""},
		{"POST", "/v1/challenges/", "/verify", foreign, `{"code":"123456"}`},
		{"POST", "/v1/challenges/", "/resend", foreign, `{}`},
	} {
		var first string
		for _, id := range []string{test.foreign, dialect.NobodysID, "01933b8a-7a3e-7c2e-9f00-0123456789ab", "1", "x%00", strings.ToUpper(test.foreign)} {
			w := h.send(request(test.method, test.before+id+test.after, mine.AccessToken, test.body))
			got := shape(t, w)
			if first == "" {
				first = got
			}
			if w.Code != 404 || got != first {
				t.Errorf("%s %s%s%s: %s", test.method, test.before, id, test.after, cmp.Diff(first, got))
			}
		}
	}
	h.call(200, "GET", "/v1/me", theirs.AccessToken, "")
}

// C-63: that a number is taken is told only to who proved to have it.
func TestC63ConflictAfterProof(t *testing.T) {
	h := newHouse(t)
	set := h.signUp(alice, "")
	h.signUp(bob, "")
	toNobody := h.call(202, "POST", "/v1/me/phone-number", set.AccessToken, `{"phone_number":"`+carol+`"}`)
	toBob := h.call(202, "POST", "/v1/me/phone-number", set.AccessToken, `{"phone_number":"`+bob+`"}`)
	if a, b := shape(t, toNobody), shape(t, toBob); a != b {
		t.Errorf("a taken number is told apart: %s", cmp.Diff(a, b))
	}
	id := uuid.FindString(toBob.Body.String())
	code := h.code(id)
	h.call(401, "POST", "/v1/challenges/"+id+"/verify", set.AccessToken, `{"code":"`+wrong(code)+`"}`)
	w := h.call(409, "POST", "/v1/challenges/"+id+"/verify", set.AccessToken, `{"code":"`+code+`"}`)
	if p := read[dialect.Problem](t, w); p.Code != "conflict" || strings.Contains(w.Body.String(), "555") {
		t.Errorf("%s", w.Body)
	}
}
