package e2e

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// Invariant 4: a session has exactly one current refresh token. Its
// predecessor, presented again within the grace window (10 s), gets the same
// successor; later it does so only while that successor is unused and the same
// device shows itself. Any other old token ends the session.
func TestInvariant04(t *testing.T) {
	t.Parallel()
	t.Run("an owner and a thief", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, ownerAndThief)
	})
	t.Run("one token many times at once", func(t *testing.T) {
		t.Parallel()
		onEveryEngine(t, oneTokenAtOnce)
	})
}

// rule is the invariant as a model of one session.
type rule struct {
	pair *pair
	set  core.TokenSet // as signed in

	issued    []keyring.Secret // by counter; the last is the current one
	rotatedAt time.Time        // when the current one was first given for its predecessor
	ended     bool
}

// ownerAndThief lets both present any token that was ever issued, at any time,
// the owner with the device's token and the thief without.
func ownerAndThief(t *testing.T, on engine) {
	p := newPair(t, on)
	p.mustSignUp(number(0), goodPassword)
	rapid.Check(t, func(rt *rapid.T) {
		set, err := p.login(number(0), goodPassword, "")
		if err != nil {
			rt.Fatal(err)
		}
		r := &rule{pair: p, set: set, issued: []keyring.Secret{set.RefreshToken}}
		rt.Repeat(map[string]func(*rapid.T){
			"owner": func(rt *rapid.T) { r.present(rt, set.DeviceToken) },
			"thief": func(rt *rapid.T) { r.present(rt, "") },
			"wait": func(rt *rapid.T) {
				p.clock.pass(rapid.SampledFrom([]time.Duration{
					time.Millisecond, 4 * time.Second, 9999 * time.Millisecond, 10 * time.Second, time.Hour,
				}).Draw(rt, "time"))
			},
			"renew": r.renew,
		})
	})
}

// present shows one of the tokens; the newest ones more often, or every run would
// end at once.
func (r *rule) present(rt *rapid.T, device keyring.Secret) {
	back := rapid.SampledFrom([]int{0, 0, 0, 1, 1, 1, 2, 3}).Draw(rt, "how old")
	counter := max(0, len(r.issued)-1-back)
	now := r.pair.clock.read()
	got, err := r.pair.refresh(r.issued[counter], device)
	switch newest := len(r.issued) - 1; {
	case r.ended:
		refused(rt, "a token of an ended session", err)
	case counter == newest:
		if err != nil {
			rt.Fatalf("the current token: %v", err)
		}
		for _, old := range r.issued {
			if old == got.RefreshToken {
				rt.Fatal("a rotation gave an old token")
			}
		}
		r.issued, r.rotatedAt = append(r.issued, got.RefreshToken), now
	case counter == newest-1 && (now.Sub(r.rotatedAt) < 10*time.Second || device != ""):
		if err != nil || got.RefreshToken != r.issued[newest] {
			rt.Fatalf("the predecessor, %v after the rotation, device shown %v: %v", now.Sub(r.rotatedAt), device != "", err)
		}
	default:
		refused(rt, "an old token", err)
		r.ended = true
	}
	r.checkAccess(rt)
}

// renew proves who the owner is again, which makes a new token too.
func (r *rule) renew(rt *rapid.T) {
	if r.ended {
		return
	}
	// An access token may have lapsed: a current one comes with a refresh.
	got, err := r.pair.refresh(r.issued[len(r.issued)-1], "")
	if err != nil {
		rt.Fatalf("the current token: %v", err)
	}
	caller, err := r.pair.in(got.AccessToken)
	if err != nil {
		rt.Fatal(err)
	}
	again, err := r.pair.one().ReauthenticatePassword(context.Background(), caller, goodPassword)
	if err != nil {
		rt.Fatal(err)
	}
	r.issued = append(r.issued, got.RefreshToken, again.RefreshToken)
	r.rotatedAt = r.pair.clock.read()
	r.set.AccessToken = again.AccessToken
}

// checkAccess wants the session's access token to be worth what the session is.
func (r *rule) checkAccess(rt *rapid.T) {
	if _, err := r.pair.in(r.set.AccessToken); err == nil && r.ended {
		rt.Fatal("an access token of an ended session was accepted")
	}
}

func refused(rt *rapid.T, what string, err error) {
	if codeOf(err) != core.CodeInvalidToken {
		rt.Fatalf("%s: %v, want invalid_token", what, err)
	}
}

// oneTokenAtOnce presents each token of a chain many times at once, as an app
// with many requests in flight does: all get the same successor.
func oneTokenAtOnce(t *testing.T, on engine) {
	p := newPair(t, on)
	set := p.mustSignUp(number(0), "")
	current := set.RefreshToken
	for range 10 {
		successors, errs := make([]keyring.Secret, 16), make([]error, 16)
		together(len(successors), func(i int) {
			got, err := p.refresh(current, "")
			successors[i], errs[i] = got.RefreshToken, err
		})
		for i, err := range errs {
			if err != nil || successors[i] != successors[0] || successors[i] == current {
				t.Fatalf("refresh %d of one token at once: %v, the same successor %v", i, err, successors[i] == successors[0])
			}
		}
		current = successors[0]
	}
}
