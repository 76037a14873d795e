package e2e

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// C-17: a flood of password logins meets bounded slots and a bounded queue.
// Whoever finds no place is told so honestly, whether or not the number has an
// account; and who is signed in notices nothing.
func TestC17AFloodOfLoginsStarvesNobody(t *testing.T) {
	t.Parallel()
	h := startHouse(t)
	set := h.signUp(t, number(1), goodPassword)
	const logins = 500
	var judged, busy [2]atomic.Int64 // with an account, without one
	refreshed := make(chan int)
	flooded := make(chan struct{})
	go func() {
		token, n := set.text("refresh_token"), 0
		defer func() { refreshed <- n }()
		for {
			got, err := h.call(http.MethodPost, "/v1/token/refresh", ask{body: members{"refresh_token": token}})
			if err != nil || got.status != http.StatusOK {
				t.Errorf("a refresh in the flood: %d, %v: %s", got.status, err, got.raw)
				return
			}
			token = got.text("refresh_token")
			n++
			select {
			case <-flooded:
				return
			default:
			}
		}
	}()
	began := time.Now()
	together(logins, func(i int) {
		// Every other login is of the account, which soon has to wait (C-41); the
		// others are each of another number that nobody has.
		got, err := h.call(http.MethodPost, "/v1/login/password", ask{body: members{
			"phone_number": number(1 + i%2*i), "password": "not the password 1",
		}})
		switch {
		case err != nil:
			t.Error(err)
		case got.status == http.StatusServiceUnavailable && got.text("code") == "unavailable" && got.header.Get("Retry-After") == "1":
			busy[i%2].Add(1)
		case got.status == http.StatusUnauthorized, got.status == http.StatusTooManyRequests:
			judged[i%2].Add(1)
		default:
			t.Errorf("a login in the flood: %d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.raw)
		}
	})
	close(flooded)
	t.Logf("%d refreshes in %v; judged %d and %d, refused %d and %d", <-refreshed, time.Since(began),
		judged[0].Load(), judged[1].Load(), busy[0].Load(), busy[1].Load())
	if judged[0].Load()+judged[1].Load() == 0 || busy[0].Load() == 0 || busy[1].Load() == 0 {
		t.Error("nobody was judged, or nobody refused")
	}
	// What was refused was not counted: the owner may try, once the delay is over
	// that those judged have earned.
	h.clock.pass(15 * time.Minute)
	h.must(t, http.StatusOK, http.MethodPost, "/v1/login/password",
		ask{body: members{"phone_number": number(1), "password": goodPassword}})
}

// C-36: with the limits switched off a challenge still evaluates five guesses
// (C-03), and nothing else waits.
func TestC36FiveGuessesEvenWithoutLimits(t *testing.T) {
	t.Parallel()
	h := startHouse(t, "COUNTERSIGN_LIMITS_DISABLED=true")
	h.signUp(t, number(1), goodPassword)
	begun := h.must(t, http.StatusAccepted, http.MethodPost, "/v1/login/sms", ask{body: members{"phone_number": number(1)}})
	path := "/v1/challenges/" + begun.text("challenge_id")
	code := h.code(t, begun.text("challenge_id"))
	var evaluated atomic.Int64
	together(50, func(int) {
		got, err := h.call(http.MethodPost, path+"/verify", ask{body: members{"code": wrongCode(code)}})
		switch {
		case err != nil:
			t.Error(err)
		case got.text("code") == "invalid_code":
			evaluated.Add(1)
		case got.text("code") != "challenge_spent":
			t.Errorf("%d %s", got.status, got.raw)
		}
	})
	if n := evaluated.Load(); n != 5 {
		t.Errorf("%d guesses were evaluated", n)
	}
	h.must(t, http.StatusGone, http.MethodPost, path+"/verify", ask{body: members{"code": code}})
	for range 10 {
		h.must(t, http.StatusUnauthorized, http.MethodPost, "/v1/login/password",
			ask{body: members{"phone_number": number(1), "password": "not the password 1"}})
	}
	h.must(t, http.StatusOK, http.MethodPost, "/v1/login/password",
		ask{body: members{"phone_number": number(1), "password": goodPassword}})
}
