package core_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/password"
)

// C-29, each path: what a token says was proved is what was proved, and when.
func TestC29EveryPathStatesItsProof(t *testing.T) {
	t.Parallel()
	code, pwd, both := []string{"sms"}, []string{"pwd"}, []string{"sms", "pwd", "mfa"}
	// Each path ends with a proof of identity at the time that the clock shows.
	for name, path := range map[string]struct {
		walk func(h *house) (core.TokenSet, error)
		amr  []string
	}{
		"signup":            {func(h *house) (core.TokenSet, error) { return h.signUp(bob, goodPassword), nil }, code},
		"code":              {func(h *house) (core.TokenSet, error) { return h.signIn(alice), nil }, code},
		"password":          {func(h *house) (core.TokenSet, error) { return h.loginPassword(alice, goodPassword, "") }, pwd},
		"signup of a known": {func(h *house) (core.TokenSet, error) { return h.signUp(alice, otherPassword), nil }, code},
		"reset": {func(h *house) (core.TokenSet, error) {
			ch := h.beginReset(alice)
			return h.redeemReset(ch, h.code(ch), otherPassword)
		}, code},
		"code, then password": {func(h *house) (core.TokenSet, error) {
			set := h.signIn(alice)
			h.pass(time.Minute)
			return h.ReauthenticatePassword(ctx, h.as(set), goodPassword)
		}, both},
		"code twice": {func(h *house) (core.TokenSet, error) {
			set := h.signIn(alice)
			h.pass(time.Minute)
			return h.reauthenticate(set)
		}, code},
		"password twice": {func(h *house) (core.TokenSet, error) {
			set, err := h.loginPassword(alice, goodPassword, "")
			want(h.t.(*testing.T), err, "")
			h.pass(time.Minute)
			return h.ReauthenticatePassword(ctx, h.as(set), goodPassword)
		}, pwd},
		"password, then code": {func(h *house) (core.TokenSet, error) {
			set, err := h.loginPassword(alice, goodPassword, "")
			want(h.t.(*testing.T), err, "")
			h.pass(time.Minute)
			return h.reauthenticate(set)
		}, both},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.signUp(alice, goodPassword)
			h.pass(time.Minute)
			set, err := path.walk(h)
			want(t, err, "")
			proved := h.clock()
			h.pass(time.Minute)
			refreshed, err := h.refresh(set.RefreshToken, "")
			want(t, err, "")
			for when, set := range map[string]core.TokenSet{"at once": set, "refreshed": refreshed} {
				access, err := h.tokens.ParseAccess(set.AccessToken.Reveal(), h.clock())
				want(t, err, "")
				acr := "aal1"
				if len(path.amr) > 1 {
					acr = "aal2"
				}
				got := slices.Sorted(slices.Values(access.AMR))
				if access.ACR != acr || !slices.Equal(got, slices.Sorted(slices.Values(path.amr))) || !access.AuthTime.Equal(proved) {
					t.Errorf("%s: acr %s, amr %v, auth_time %v; want %s, %v, %v", when, access.ACR, access.AMR, access.AuthTime, acr, path.amr, proved)
				}
			}
		})
	}
}

// reauthenticate proves a session's number anew.
func (h *house) reauthenticate(set core.TokenSet) (core.TokenSet, error) {
	h.t.Helper()
	ch, err := h.ReauthenticateSMS(ctx, h.as(set), core.BeginIn{})
	if err != nil {
		return core.TokenSet{}, err
	}
	out, err := h.Verify(ctx, h.as(set), core.VerifyIn{ChallengeID: ch.ID, Code: h.code(ch)})
	if err != nil {
		return core.TokenSet{}, err
	}
	return *out.Tokens, nil
}

// C-16: a password that was hashed with weaker parameters is hashed anew when
// it signs in, or is shown again in a session; and still opens the account.
func TestC16AnOldHashIsUpgradedWhereItIsShown(t *testing.T) {
	t.Parallel()
	for name, show := range map[string]func(h *house, set core.TokenSet) error{
		"login": func(h *house, _ core.TokenSet) error { _, err := h.loginPassword(alice, goodPassword, ""); return err },
		"reauthentication": func(h *house, set core.TokenSet) error {
			_, err := h.ReauthenticatePassword(ctx, h.as(set), goodPassword)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			set := h.signUp(alice, goodPassword)
			hash := func() string {
				state, err := h.store.Number(ctx, h.ring.Pseudonym(alice), "")
				want(t, err, "")
				return string(state.User.PasswordHash)
			}
			before := hash()
			h.hasher = password.NewHasher(password.HasherOptions{
				Ring: h.ring, Slots: 1, Params: password.Params{MemoryKiB: 128, Time: 2, Threads: 1}, Rand: rand.Reader,
			})
			h.Core = h.coreOver(h.store)
			want(t, show(h, set), "")
			after := hash()
			if after == before || !strings.Contains(after, "m=128,t=2,p=1") {
				t.Error("the old hash was kept")
			}
			want(t, show(h, set), "")
			if hash() != after {
				t.Error("a hash that is good was replaced")
			}
			_, err := h.loginPassword(alice, "not the password 1", "")
			want(t, err, core.CodeInvalidCredentials)
		})
	}
}
