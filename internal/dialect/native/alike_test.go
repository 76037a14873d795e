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

// walker is one number on its way through the calls, and what it was told.
type walker struct {
	h            *house
	name, number string
	challenge    string
	told         []*httptest.ResponseRecorder
}

func (w *walker) post(target, body string) {
	w.told = append(w.told, w.h.send(request("POST", target, "", body)))
}

func (w *walker) begin(path string) {
	w.post(path, `{"phone_number":"`+w.number+`"}`)
	w.challenge = uuid.FindString(w.told[len(w.told)-1].Body.String())
}

func (w *walker) resend() { w.post("/v1/challenges/"+w.challenge+"/resend", `{}`) }

func (w *walker) verify(code, more string) {
	w.post("/v1/challenges/"+w.challenge+"/verify", `{"code":"`+code+`"`+more+`}`)
}

// C-59: known, unknown and password-less numbers are answered alike, at every
// call and at every step of what follows.
func TestC59Alike(t *testing.T) {
	for name, walk := range map[string]func(h *house, all func(func(*walker))){
		"password": func(_ *house, all func(func(*walker))) {
			for range 5 { // the delay begins on the way
				all(func(w *walker) {
					w.post("/v1/login/password", `{"phone_number":"`+w.number+`","password":"not the right one"}`)
				})
			}
		},
		"signup": func(h *house, all func(func(*walker))) { h.toTheEnd(all, "/v1/signup", "") },
		"code":   func(h *house, all func(func(*walker))) { h.toTheEnd(all, "/v1/login/sms", "") },
		// The owner's real password as the new one tells nothing before the code matched (C-15).
		"reset": func(h *house, all func(func(*walker))) {
			h.toTheEnd(all, "/v1/password/reset", `,"new_password":"`+goodPassword+`"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.signUp(alice, goodPassword)
			h.signUp(bob, "")
			walkers := []*walker{
				{h: h, name: "with a password", number: alice}, {h: h, name: "without one", number: bob}, {h: h, name: "unknown", number: carol},
			}
			walk(h, func(step func(*walker)) {
				for _, w := range walkers {
					step(w)
				}
			})
			for i, told := range walkers[0].told {
				for _, other := range walkers[1:] {
					if diff := cmp.Diff(shape(t, told), shape(t, other.told[i])); diff != "" {
						t.Errorf("answer %d: a number %s is told apart from one %s:\n%s", i+1, other.name, walkers[0].name, diff)
					}
				}
			}
		})
	}
}

// toTheEnd begins a challenge for each number and walks it to its end without
// the code.
func (h *house) toTheEnd(all func(func(*walker)), path, more string) {
	all(func(w *walker) { w.begin(path) })
	all((*walker).resend)
	h.pass(time.Minute)
	all((*walker).resend)
	all(func(w *walker) { w.verify("12", more) })
	for range 6 {
		all(func(w *walker) { w.verify(wrong(h.code(w.challenge)), more) })
	}
	all((*walker).resend)
	h.pass(10 * time.Minute)
	all(func(w *walker) { w.verify("000000", more) })
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
