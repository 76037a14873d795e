package core_test

import (
	"context"
	"slices"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// Whoever moves an account to another number is a stranger there: the devices
// of the account give no guesses beside the 30 a day that all strangers share.
func TestC40DevicesOfAnotherAccountAreStrangersToANumber(t *testing.T) {
	h := newHouse(t, unhurried)
	h.signUp(alice, "")
	judged := 0
	for range 8 {
		ch := h.loginSMS(alice, "") // each sign-in without its token is a new device
		set, err := h.verify(ch, h.code(ch))
		want(t, err, "")
		caller := h.as(set)
		for range 2 {
			ch, err := h.ChangePhone(context.Background(), caller, core.BeginIn{PhoneNumber: bob})
			want(t, err, "")
			h.pass(longestWait)
			code := wrong(h.code(ch))
			for range core.MaxGuesses {
				_, err := h.Verify(context.Background(), caller, core.VerifyIn{ChallengeID: ch.ID, Code: code})
				if codeOf(err) == core.CodeInvalidCode {
					judged++
				}
			}
		}
	}
	if judged > 30 {
		t.Errorf("%d guesses of codes to one number were judged, of which 30 are for strangers", judged)
	}
}

// hangUp is a store before which the client is gone as soon as a try is taken.
type hangUp struct {
	core.Store
	gone context.CancelFunc
}

func (s hangUp) TryPassword(ctx context.Context, in core.TryPassword) (core.TryPasswordResult, error) {
	result, err := s.Store.TryPassword(ctx, in)
	s.gone()
	return result, err
}

// Who hangs up in the middle of a wrong password is told of all the same.
func TestC73HangingUpHidesNoFailedPassword(t *testing.T) {
	h := newHouse(t)
	owner := h.signUp(alice, goodPassword)
	for range 3 {
		ctx, gone := context.WithCancel(context.Background())
		_, err := h.coreOver(hangUp{h.store, gone}).LoginPassword(ctx, stranger(), core.LoginPasswordIn{
			PhoneNumber: alice, Password: "not the password",
		})
		want(t, err, core.CodeInvalidCredentials)
	}
	events := h.accountEvents(owner.User.ID)
	if failed, locked := count(events, event.FailedLogin), count(events, event.AccountLocked); failed != 3 || locked != 1 {
		t.Errorf("%d failed_login and %d account_locked after 3 wrong passwords, want 3 and 1", failed, locked)
	}
}

// Who hangs up behind a right password has not failed.
func TestC41HangingUpBehindARightPasswordIsNoFailure(t *testing.T) {
	h := newHouse(t)
	owner := h.signUp(alice, goodPassword)
	right := keyring.Secret(goodPassword)
	for name, act := range map[string]func(context.Context, *core.Core) error{
		"login": func(ctx context.Context, c *core.Core) error {
			_, err := c.LoginPassword(ctx, stranger(), core.LoginPasswordIn{PhoneNumber: alice, Password: right})
			return err
		},
		"reauthentication": func(ctx context.Context, c *core.Core) error {
			_, err := c.ReauthenticatePassword(ctx, h.as(owner), right)
			return err
		},
		"the same password again": func(ctx context.Context, c *core.Core) error {
			return c.ChangePassword(ctx, h.as(owner), core.ChangePasswordIn{Current: &right, New: right})
		},
	} {
		for range 4 {
			ctx, gone := context.WithCancel(context.Background())
			err := act(ctx, h.coreOver(hangUp{h.store, gone}))
			if codeOf(err) != "" && codeOf(err) != core.CodeWeakPassword {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if locked := slices.ContainsFunc(h.accountEvents(owner.User.ID), func(e event.Event) bool { return e.Name == event.AccountLocked }); locked {
		t.Error("right passwords locked the account")
	}
}

// A code that matched and opened nothing leaves its line in the log.
func TestC73RefusalsAfterProofAreLogged(t *testing.T) {
	h := newHouse(t)
	ctx := context.Background()
	heard := func(reason, userID string) bool {
		return slices.ContainsFunc(h.traffic, func(e event.Event) bool {
			return e.Name == event.CodeRefused && e.Reason == reason && e.UserID == userID
		})
	}
	disabled := h.signUp(alice, "").User.ID
	want(t, h.DisableUser(ctx, core.Caller{}, disabled, "test"), "")
	ch := h.loginSMS(alice, "")
	_, err := h.verify(ch, h.code(ch))
	want(t, err, core.CodeAccountDisabled)
	if !heard("disabled", disabled) {
		t.Error("nothing tells of a disabled user who had the code")
	}

	mover := h.signUp(bob, "")
	h.signUp(carol, "")
	ch, err = h.ChangePhone(ctx, h.as(mover), core.BeginIn{PhoneNumber: carol})
	want(t, err, "")
	_, err = h.Verify(ctx, h.as(mover), core.VerifyIn{ChallengeID: ch.ID, Code: h.code(ch)})
	want(t, err, core.CodeConflict)
	if !heard("taken", mover.User.ID) {
		t.Error("nothing tells of a change to a number that is taken")
	}
}
