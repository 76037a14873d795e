package core_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

func TestC24ThePredecessorGetsTheSameSuccessorForTenSeconds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.signUp(alice, "")
	second, err := h.refresh(first.RefreshToken, "")
	want(t, err, "")
	for range 3 { // replays in between do not prolong it
		h.pass(3300 * time.Millisecond)
		again, err := h.refresh(first.RefreshToken, "")
		want(t, err, "")
		if again.RefreshToken != second.RefreshToken {
			t.Fatal("the predecessor got another successor")
		}
	}
	h.pass(99 * time.Millisecond)
	if _, err = h.refresh(first.RefreshToken, ""); err != nil {
		t.Fatalf("after 9.999 s: %v", err)
	}
	h.pass(time.Millisecond)
	_, err = h.refresh(first.RefreshToken, "")
	want(t, err, core.CodeInvalidToken)
	_, err = h.refresh(second.RefreshToken, "")
	want(t, err, core.CodeInvalidToken)
	if count(h.accountEvents(first.User.ID), event.RefreshTokenReused) != 1 {
		t.Error("no refresh_token_reused event")
	}
}

func TestC24ALostAnswerIsFetchedADayLaterByTheSameDeviceAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, stranger := h.signUp(alice, ""), h.signUp(bob, "")
	lost, err := h.refresh(first.RefreshToken, first.DeviceToken)
	want(t, err, "")
	h.pass(24 * time.Hour)
	found, err := h.refresh(first.RefreshToken, first.DeviceToken)
	want(t, err, "")
	if found.RefreshToken != lost.RefreshToken || found.AccessToken == lost.AccessToken {
		t.Error("a day later: another refresh token, or a stale access token")
	}
	_, err = h.refresh(first.RefreshToken, stranger.DeviceToken)
	want(t, err, core.CodeInvalidToken)
	_, err = h.refresh(lost.RefreshToken, first.DeviceToken)
	want(t, err, core.CodeInvalidToken)
}

func TestC24AThiefOneStepBehindEndsTheSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	stolen := h.signUp(alice, "")
	second, err := h.refresh(stolen.RefreshToken, stolen.DeviceToken)
	want(t, err, "")
	third, err := h.refresh(second.RefreshToken, stolen.DeviceToken)
	want(t, err, "")
	// Its successor has been used: not even the device's token helps.
	_, err = h.refresh(stolen.RefreshToken, stolen.DeviceToken)
	want(t, err, core.CodeInvalidToken)
	_, err = h.refresh(third.RefreshToken, stolen.DeviceToken)
	want(t, err, core.CodeInvalidToken)
}

func TestC24FiftyParallelRefreshesAgree(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := h.signUp(alice, "")
	var group sync.WaitGroup
	var mu sync.Mutex
	got := map[keyring.Secret]int{}
	for range 50 {
		group.Go(func() {
			set, err := h.refresh(first.RefreshToken, "")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			got[set.RefreshToken]++
			mu.Unlock()
		})
	}
	group.Wait()
	if len(got) != 1 {
		t.Errorf("50 holders got %d successors", len(got))
	}
}

func TestC25EndedMeansEnded(t *testing.T) {
	t.Parallel()
	ends := map[string]func(h *house, set core.TokenSet) error{
		"logout":     func(h *house, set core.TokenSet) error { return h.Logout(ctx, h.as(set), "") },
		"logout all": func(h *house, set core.TokenSet) error { return h.Logout(ctx, h.as(set), "all") },
		"revoke":     func(h *house, set core.TokenSet) error { return h.Revoke(ctx, stranger(), set.RefreshToken) },
		"revoke by access token": func(h *house, set core.TokenSet) error {
			return h.Revoke(ctx, stranger(), set.AccessToken)
		},
		"disable": func(h *house, set core.TokenSet) error { return h.DisableUser(ctx, stranger(), set.User.ID, "test") },
		"delete":  func(h *house, set core.TokenSet) error { return h.DeleteMe(ctx, h.as(set)) },
		"others":  func(h *house, set core.TokenSet) error { return h.Logout(ctx, h.as(h.signIn(alice)), "others") },
		"password change elsewhere": func(h *house, set core.TokenSet) error {
			return h.changePassword(h.as(h.signIn(alice)), goodPassword, otherPassword)
		},
		"end one": func(h *house, set core.TokenSet) error {
			return h.EndSession(ctx, h.as(h.signIn(alice)), set.SessionID)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			set := h.signUp(alice, goodPassword)
			var group sync.WaitGroup
			for range 50 {
				group.Go(func() { _, _ = h.refresh(set.RefreshToken, set.DeviceToken) })
			}
			want(t, end(h, set), "")
			// The grace window included, and the successor with it.
			_, err := h.refresh(set.RefreshToken, set.DeviceToken)
			want(t, err, core.CodeInvalidToken)
			_, err = h.Authenticate(ctx, stranger(), set.AccessToken)
			want(t, err, core.CodeInvalidToken)
			group.Wait()
			_, err = h.refresh(set.RefreshToken, set.DeviceToken)
			want(t, err, core.CodeInvalidToken)
		})
	}
}

func (h *house) signIn(number string) core.TokenSet {
	h.t.Helper()
	ch := h.loginSMS(number, "")
	set, err := h.verify(ch, h.code(ch))
	if err != nil {
		h.t.Fatalf("signing in: %v", err)
	}
	return set
}

func TestC26SessionsEndWhenIdleAndInAnyCase(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	idle := h.signUp(alice, "")
	h.pass(30*24*time.Hour - time.Millisecond)
	idle, err := h.refresh(idle.RefreshToken, "")
	want(t, err, "")
	h.pass(30 * 24 * time.Hour)
	_, err = h.refresh(idle.RefreshToken, "")
	want(t, err, core.CodeInvalidToken)

	busy := h.signIn(alice)
	for h.clock().Before(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC).Add(60*24*time.Hour + 364*24*time.Hour)) {
		h.pass(29 * 24 * time.Hour)
		next, err := h.refresh(busy.RefreshToken, "")
		if err != nil {
			break
		}
		busy = next
	}
	sessions, err := h.store.Sessions(ctx, busy.User.ID, h.clock())
	if err != nil || len(sessions) > 1 {
		t.Fatalf("%d sessions, %v", len(sessions), err)
	}
	h.pass(30 * 24 * time.Hour)
	_, err = h.refresh(busy.RefreshToken, "")
	want(t, err, core.CodeInvalidToken)
	if busy.RefreshExpiresAt.Sub(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC).Add(60*24*time.Hour-time.Millisecond)) > 365*24*time.Hour {
		t.Errorf("a session would live until %v", busy.RefreshExpiresAt)
	}
}

// failing is a store whose reads and writes fail.
type failing struct{ core.Store }

var errDown = errors.New("the disk is gone")

func (failing) RotateSession(context.Context, core.RotateSession) (core.SessionResult, error) {
	return core.SessionResult{}, errDown
}

func (failing) Session(context.Context, string) (core.Session, core.User, error) {
	return core.Session{}, core.User{}, errDown
}

func TestC27AFailingStoreIsNeverSignedOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, "")
	broken := h.coreOver(failing{h.store})
	_, err := broken.Refresh(ctx, stranger(), core.RefreshIn{RefreshToken: set.RefreshToken})
	want(t, err, core.CodeUnavailable)
	_, err = broken.Authenticate(ctx, stranger(), set.AccessToken)
	want(t, err, core.CodeUnavailable)
	if _, err := h.refresh(set.RefreshToken, ""); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestC29TokensStateWhatWasProved(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	check := func(name string, set core.TokenSet, acr string, amr ...string) {
		t.Helper()
		access, err := h.tokens.ParseAccess(set.AccessToken.Reveal(), h.clock())
		want(t, err, "")
		same := len(access.AMR) == len(amr)
		for i := range amr {
			same = same && access.AMR[i] == amr[i]
		}
		if access.ACR != acr || !same {
			t.Errorf("%s: acr %s, amr %v; want %s, %v", name, access.ACR, access.AMR, acr, amr)
		}
	}
	check("signup", set, "aal1", "sms")
	byPassword, err := h.loginPassword(alice, goodPassword, "")
	want(t, err, "")
	check("password", byPassword, "aal1", "pwd")
	h.pass(time.Minute)
	both, err := h.ReauthenticatePassword(ctx, h.as(set), goodPassword)
	want(t, err, "")
	check("code, then password", both, "aal2", "sms", "pwd", "mfa")
	access, err := h.tokens.ParseAccess(both.AccessToken.Reveal(), h.clock())
	want(t, err, "")
	if !access.AuthTime.Equal(h.clock()) {
		t.Errorf("auth_time %v, want %v", access.AuthTime, h.clock())
	}
	if both.RefreshToken == set.RefreshToken || both.SessionID != set.SessionID {
		t.Error("C-21: reauthentication minted no new credentials, or another session")
	}
	h.pass(time.Minute)
	refreshed, err := h.refresh(both.RefreshToken, "")
	want(t, err, "")
	check("refreshed", refreshed, "aal2", "sms", "pwd", "mfa")
	access, _ = h.tokens.ParseAccess(refreshed.AccessToken.Reveal(), h.clock())
	if !access.AuthTime.Equal(h.clock().Add(-time.Minute)) {
		t.Error("a refresh moved auth_time")
	}
}

func TestC30FiftySessionsAndAnothersIsNotFound(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	oldest := h.signUp(alice, "")
	var newest core.TokenSet
	for range core.MaxSessions {
		h.pass(longestWait)
		newest = h.signIn(alice)
	}
	_, err := h.refresh(oldest.RefreshToken, "")
	want(t, err, core.CodeInvalidToken)
	me := h.as(newest)
	views, err := h.Sessions(ctx, me)
	want(t, err, "")
	current := 0
	for _, v := range views {
		if v.Current {
			current++
		}
	}
	if len(views) != core.MaxSessions || current != 1 {
		t.Errorf("%d sessions listed, %d of them current", len(views), current)
	}
	other := h.as(h.signUp(bob, ""))
	want(t, h.EndSession(ctx, other, newest.SessionID), core.CodeNotFound)
	want(t, h.EndSession(ctx, me, views[10].ID), "")
	want(t, h.EndSession(ctx, me, views[10].ID), core.CodeNotFound)
}

func TestC31RevokingUnknownTokensIsNoError(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, shown := range []keyring.Secret{"", "x", "csr_AAAA", "a.b.c"} {
		want(t, h.Revoke(ctx, stranger(), shown), "")
	}
}

func TestC33ACopiedDeviceIDHasNoPrivilege(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.signUp(alice, goodPassword)
	for range 3 {
		_, _ = h.loginPassword(alice, "not the password 1", "")
	}
	other := h.signUp(bob, "")
	for _, device := range []core.DeviceIn{{ID: "the owner's phone"}, {Token: "csd_forged"}, {Token: other.DeviceToken}} {
		_, err := h.LoginPassword(ctx, stranger(), core.LoginPasswordIn{PhoneNumber: alice, Password: goodPassword, Device: device})
		want(t, err, core.CodeRateLimited)
	}
}

func TestC33LogoutAllForgetsTheDevices(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	want(t, h.Logout(ctx, h.as(set), "all"), "")
	state, err := h.store.Number(ctx, h.ring.Pseudonym(alice), h.deviceOf(set))
	want(t, err, "")
	if state.KnownDevice {
		t.Error("after logout-all the device is known")
	}
}

func TestC34ARefreshFromANewNetworkAndAgentIsAnEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, "")
	from := func(address, agent string) {
		t.Helper()
		caller := core.Caller{Address: netip.MustParseAddr(address), UserAgent: agent}
		next, err := h.Refresh(ctx, caller, core.RefreshIn{RefreshToken: set.RefreshToken})
		want(t, err, "")
		set = next
	}
	moved := func() int { return count(h.accountEvents(set.User.ID), event.RefreshFromNewNetwork) }
	from("192.0.2.200", "other/1")  // same /24
	from("198.51.100.1", "other/1") // new network, same agent
	if moved() != 0 {
		t.Errorf("one of the two changed: %d events", moved())
	}
	from("203.0.113.1", "third/1")
	if moved() != 1 {
		t.Errorf("both changed: %d events", moved())
	}
}

func TestLogoutOthersKeepsTheOneThatAsks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first, second := h.signUp(alice, ""), h.signIn(alice)
	want(t, h.Logout(ctx, h.as(second), "others"), "")
	_, err := h.refresh(first.RefreshToken, first.DeviceToken)
	want(t, err, core.CodeInvalidToken)
	_, err = h.refresh(second.RefreshToken, "")
	want(t, err, "")
	want(t, h.Logout(ctx, h.as(second), "everyone"), core.CodeInvalidRequest)
}
