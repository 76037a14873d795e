package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Invariant 9: a stranger cannot learn whether a phone has an account: not by
// status, shape or headers (C-59, C-61), nor by time (TestInvariant09Time).
//
// One script is told over four houses, in which the number has an account with
// a password, one without, a disabled one, and none. Every answer must look the
// same, times and waits included.
func TestInvariant09(t *testing.T) {
	t.Parallel()
	onEveryEngine(t, alikeToStrangers)
}

func alikeToStrangers(t *testing.T, on engine) {
	houses := map[string]func(*pair){
		"with a password": func(p *pair) { p.mustSignUp(number(0), goodPassword) },
		"without one":     func(p *pair) { p.mustSignUp(number(0), "") },
		"disabled": func(p *pair) {
			user := p.mustSignUp(number(0), goodPassword).User.ID
			if err := p.one().DisableUser(context.Background(), stranger(), user, "test"); err != nil {
				p.t.Fatal(err)
			}
		},
	}
	nobodys := tellScript(t, on, func(*pair) {})
	for what, prepare := range houses {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for i, shape := range tellScript(t, on, prepare) {
				if shape != nobodys[i] {
					t.Errorf("the answer is\n%s\nwhere nobody has the number\n%s", shape, nobodys[i])
				}
			}
		})
	}
}

// script is what a stranger does with a number, and what that looks like.
type script struct {
	*client
	t     *testing.T
	clock *clock

	challenge, purpose string // begun last
	length             int    // of its code
	shapes             []string
}

func tellScript(t *testing.T, on engine, prepare func(*pair)) (shapes []string) {
	t.Helper()
	p := newPair(t, on)
	prepare(p)
	s := &script{t: t, client: newClient(p.serve()), clock: p.clock}
	defer s.close()
	s.tell()
	return s.shapes
}

// tell begins in every way; resends too early and in time; spends all guesses
// and one more; lets a challenge expire; tries passwords until they are
// refused; and guesses until the number is closed.
func (s *script) tell() {
	for _, path := range []string{"/v1/login/sms", "/v1/password/reset", "/v1/signup"} {
		s.begin(path, members{})
		s.resend()
		s.clock.pass(31 * time.Second)
		s.resend()
		for range 6 {
			s.guess()
		}
		s.resend()
		s.begin(path, members{})
		s.clock.pass(10 * time.Minute)
		s.guess()
		s.resend()
	}
	s.begin("/v1/signup", members{"password": "a stranger's own choice", "name": "Mallory"})
	s.begin("/v1/signup", members{"password": "short"})
	s.begin("/v1/login/sms", members{"device": members{"token": "csd_nonsense"}})
	for _, password := range []string{"not the password", "", "b", "c", "d"} {
		s.login(password)
	}
	s.clock.pass(2 * time.Second)
	s.login("e")
	for range 5 { // C-11: eight digits by now; C-40: thirty failures are the last
		s.begin("/v1/login/sms", members{})
		for range 5 {
			s.guess()
		}
	}
}

func (s *script) begin(path string, more members) {
	body := members{"phone_number": number(0)}
	maps.Copy(body, more)
	got := s.look(path, body)
	if got.status != http.StatusAccepted {
		return
	}
	s.challenge, s.purpose = "/v1/challenges/"+got.text("challenge_id"), got.text("purpose")
	var err error
	if s.length, err = strconv.Atoi(got.text("code_length")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) resend() { s.look(s.challenge+"/resend", members{}) }

// guess is wrong but once in a million.
func (s *script) guess() {
	body := members{"code": strings.Repeat("0", s.length)}
	if s.purpose == "password_reset" {
		body["new_password"] = "a stranger's own choice"
	}
	s.look(s.challenge+"/verify", body)
}

func (s *script) login(password string) {
	s.look("/v1/login/password", members{"phone_number": number(0), "password": password})
}

// look asks, and keeps all that the answer tells: of what is random, how long
// it is.
func (s *script) look(path string, body members) answer {
	s.t.Helper()
	got, err := s.call(http.MethodPost, path, ask{body: body})
	if err != nil {
		s.t.Fatal(err)
	}
	shape := []string{fmt.Sprintf("status %d, %d bytes", got.status, len(got.raw))}
	for _, name := range slices.Sorted(maps.Keys(got.header)) {
		shape = append(shape, name+": "+unlessRandom(name, got.header.Get(name)))
	}
	object, _ := got.body.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		shape = append(shape, name+" = "+unlessRandom(name, got.text(name)))
	}
	s.shapes = append(s.shapes, strings.Join(shape, "\n"))
	return got
}

func unlessRandom(name, value string) string {
	switch name {
	case "challenge_id", "X-Request-Id", "Date":
		return fmt.Sprintf("%d bytes", len(value))
	default:
		return value
	}
}
