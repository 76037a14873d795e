package core_test

import (
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

const otherPassword = "nine green bottles hanging 8"

func (h *house) beginReset(number string) core.Challenge {
	h.t.Helper()
	ch, err := h.ResetPassword(ctx, stranger(), core.BeginIn{PhoneNumber: number})
	if err != nil {
		h.t.Fatalf("beginning a reset: %v", err)
	}
	return ch
}

func (h *house) redeemReset(ch core.Challenge, code keyring.Secret, fresh string) (core.TokenSet, error) {
	secret := keyring.Secret(fresh)
	out, err := h.Verify(ctx, stranger(), core.VerifyIn{ChallengeID: ch.ID, Code: code, NewPassword: &secret})
	if err != nil {
		return core.TokenSet{}, err
	}
	return *out.Tokens, nil
}

func (h *house) changePassword(caller core.Caller, current, fresh string) error {
	in := core.ChangePasswordIn{New: keyring.Secret(fresh)}
	if current != "" {
		secret := keyring.Secret(current)
		in.Current = &secret
	}
	return h.ChangePassword(ctx, caller, in)
}

func TestC15AResetTellsAStrangerNothingOfTheAccount(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.signUp(alice, goodPassword)
	for _, number := range []string{alice, bob} {
		ch := h.beginReset(number)
		// The owner's real password as the new one: judged only after the code.
		_, err := h.redeemReset(ch, "000000", goodPassword)
		if left := want(t, err, core.CodeInvalidCode).AttemptsLeft; *left != 4 {
			t.Errorf("%s: attempts_left %d, want 4", number, *left)
		}
		_, err = h.redeemReset(ch, "000000", "short")
		want(t, err, core.CodeWeakPassword)
		if now, _ := h.store.Challenge(ctx, ch.ID); now.GuessesLeft != 4 {
			t.Errorf("%s: a statically weak password cost a guess", number)
		}
	}
}

func TestC15ChecksAfterTheCodeConsumeNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.signUp(alice, goodPassword)
	ch := h.beginReset(alice)
	code := h.code(ch)
	_, err := h.redeemReset(ch, code, goodPassword)
	want(t, err, core.CodeWeakPassword)
	if now, _ := h.store.Challenge(ctx, ch.ID); now.GuessesLeft != core.MaxGuesses || !now.RedeemedAt.IsZero() {
		t.Error("a refused new password consumed the code or a guess")
	}
	if _, err := h.redeemReset(ch, code, otherPassword); err != nil {
		t.Error(err)
	}
}

func TestC18TheLastFivePasswordsAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	current := goodPassword
	for _, fresh := range []string{otherPassword, "third passphrase of mine", "fourth passphrase of mine", "fifth passphrase of mine"} {
		want(t, h.changePassword(h.as(set), current, fresh), "")
		current = fresh
	}
	want(t, h.changePassword(h.as(set), current, goodPassword), core.CodeWeakPassword)
	ch := h.beginReset(alice)
	code := h.code(ch)
	_, err := h.redeemReset(ch, code, goodPassword)
	want(t, err, core.CodeWeakPassword)
	set, err = h.redeemReset(ch, code, "sixth passphrase of mine")
	want(t, err, "")
	want(t, h.changePassword(h.as(set), "sixth passphrase of mine", goodPassword), "")
}

func TestC19SettingAPasswordNeedsTheCurrentOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	me := h.as(h.signUp(alice, goodPassword))
	want(t, h.changePassword(me, "", otherPassword), core.CodeInvalidRequest)
	for range 3 {
		want(t, h.changePassword(me, "not the password 1", otherPassword), core.CodeInvalidCredentials)
	}
	refusal := want(t, h.changePassword(me, goodPassword, otherPassword), core.CodeRateLimited)
	if refusal.RetryAfter != time.Second {
		t.Errorf("retry after %v, want 1s", refusal.RetryAfter)
	}
	h.pass(time.Second)
	want(t, h.changePassword(me, goodPassword, otherPassword), "")
}

func TestC19WithoutOneItNeedsFreshAuthentication(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, "")
	h.pass(10*time.Minute + time.Millisecond)
	set, err := h.refresh(set.RefreshToken, "")
	want(t, err, "")
	want(t, h.changePassword(h.as(set), "", otherPassword), core.CodeReauthenticationRequired)

	ch, err := h.ReauthenticateSMS(ctx, h.as(set), core.BeginIn{})
	want(t, err, "")
	out, err := h.Verify(ctx, h.as(set), core.VerifyIn{ChallengeID: ch.ID, Code: h.code(ch)})
	want(t, err, "")
	want(t, h.changePassword(h.as(*out.Tokens), "", otherPassword), "")
}

func TestAWeakNewPasswordAfterTheRightOneCountsNoFailure(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	me := h.as(h.signUp(alice, goodPassword))
	for range 5 {
		want(t, h.changePassword(me, goodPassword, goodPassword), core.CodeWeakPassword)
	}
}

func TestC41FailedPasswordsWaitLongerAndLonger(t *testing.T) {
	t.Parallel()
	for _, number := range []string{alice, bob} { // with and without an account
		h := newHouse(t)
		h.signUp(alice, goodPassword)
		for range 3 {
			_, err := h.loginPassword(number, "not the password 1", "")
			want(t, err, core.CodeInvalidCredentials)
		}
		for _, seconds := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900} {
			wait := time.Duration(seconds) * time.Second
			h.pass(wait - time.Millisecond)
			// C-62: refused before evaluation, right or wrong, and not counted.
			_, err := h.loginPassword(number, goodPassword, "")
			if refusal := want(t, err, core.CodeRateLimited); refusal.RetryAfter != time.Second {
				t.Errorf("a millisecond early: retry after %v", refusal.RetryAfter)
			}
			h.pass(time.Millisecond)
			_, err = h.loginPassword(number, "not the password 1", "")
			want(t, err, core.CodeInvalidCredentials)
		}
	}
}

func TestC41AHundredFailuresCloseTheNumberToStrangersAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.signUp(alice, goodPassword)
	for range 100 {
		_, err := h.loginPassword(alice, "not the password 1", "")
		want(t, err, core.CodeInvalidCredentials)
		h.pass(900 * time.Second)
	}
	h.pass(30 * 24 * time.Hour)
	_, err := h.loginPassword(alice, goodPassword, "")
	want(t, err, core.CodeRateLimited)
	if _, err := h.loginPassword(alice, goodPassword, known.DeviceToken); err != nil {
		t.Errorf("the known device: %v", err)
	}
	_, err = h.loginPassword(alice, goodPassword, "")
	want(t, err, core.CodeRateLimited) // a success clears only the counter it was tried under
	ch := h.loginSMS(alice, "")
	if _, err := h.verify(ch, h.code(ch)); err != nil {
		t.Fatalf("codes stay open: %v", err)
	}
	if _, err := h.loginPassword(alice, goodPassword, ""); err != nil {
		t.Errorf("after another method succeeded: %v", err)
	}
}

func TestC41AnOperatorUnlocks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.signUp(alice, goodPassword)
	for range 3 {
		_, _ = h.loginPassword(alice, "not the password 1", "")
	}
	want(t, h.UnlockNumber(ctx, stranger(), alice), "")
	_, err := h.loginPassword(alice, goodPassword, "")
	want(t, err, "")
}

func TestC43NoFailureIsLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(s *core.Settings) { s.LimitsDisabled = true })
	user := h.signUp(alice, goodPassword).User.ID
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() { _, _ = h.loginPassword(alice, "not the password 1", "") })
	}
	group.Wait()
	if got := count(h.accountEvents(user), event.FailedLogin); got != 100 {
		t.Errorf("%d failures were told of, want 100", got)
	}
	tried, err := h.store.TryPassword(ctx, core.TryPassword{PhoneKey: h.ring.Pseudonym(alice), Now: h.clock()})
	if err != nil || tried.Failures != 101 {
		t.Errorf("the next try is number %d (%v), want 101", tried.Failures, err)
	}
}

func TestC73LocksTellAttemptsAndSeconds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	user := h.signUp(alice, goodPassword).User.ID
	for range 3 {
		_, _ = h.loginPassword(alice, "not the password 1", "")
	}
	h.pass(time.Second)
	_, err := h.loginPassword(alice, goodPassword, "")
	want(t, err, "")
	events := h.accountEvents(user)
	if count(events, event.AccountLocked) != 1 || count(events, event.AccountUnlocked) != 1 {
		t.Fatalf("locked %d times, unlocked %d times", count(events, event.AccountLocked), count(events, event.AccountUnlocked))
	}
	for _, e := range events {
		if e.Name == event.AccountLocked && (e.Attributes["failed_attempts"] != int64(3) || e.Attributes["lock_seconds"] != int64(1)) {
			t.Errorf("account_locked has attributes %v", e.Attributes)
		}
	}
}

func TestC57AResetEndsEverythingAndTellsTheOwner(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	me := h.as(set)
	change, err := h.ChangePhone(ctx, me, core.BeginIn{PhoneNumber: bob})
	want(t, err, "")
	login := h.loginSMS(alice, "")
	loginCode := h.code(login)

	h.pass(sendWaits[0])
	ch := h.beginReset(alice)
	if _, err := h.refresh(set.RefreshToken, ""); err != nil {
		t.Fatalf("a reset changed something before proof: %v", err)
	}
	fresh, err := h.redeemReset(ch, h.code(ch), otherPassword)
	want(t, err, "")

	_, err = h.refresh(set.RefreshToken, set.DeviceToken)
	want(t, err, core.CodeInvalidToken)
	_, err = h.Authenticate(ctx, stranger(), set.AccessToken)
	want(t, err, core.CodeInvalidToken)
	_, err = h.verify(login, loginCode)
	want(t, err, core.CodeChallengeSpent)
	_, err = h.Verify(ctx, h.as(fresh), core.VerifyIn{ChallengeID: change.ID, Code: h.code(change)})
	want(t, err, core.CodeNotFound) // C-53: the thief's pending change died
	_, err = h.loginPassword(alice, goodPassword, "")
	want(t, err, core.CodeInvalidCredentials)
	if _, err := h.loginPassword(alice, otherPassword, ""); err != nil {
		t.Error(err)
	}
	// C-33: the old device token is no device any more.
	state, err := h.store.Number(ctx, h.ring.Pseudonym(alice), h.deviceOf(set))
	if err != nil || state.KnownDevice {
		t.Errorf("after a reset the old device is known: %v %v", state.KnownDevice, err)
	}
	if h.notices("password_reset_notice") != 1 {
		t.Error("the owner was not told")
	}
}

func (h *house) deviceOf(set core.TokenSet) string {
	h.t.Helper()
	d, err := h.tokens.ParseDevice(set.DeviceToken.Reveal())
	if err != nil {
		h.t.Fatal(err)
	}
	return d.DeviceID
}

func (h *house) notices(purpose string) int {
	n := 0
	for _, m := range h.messages() {
		if m.Purpose == purpose {
			n++
		}
	}
	return n
}

func TestC25ALoginUnderAnOldPasswordMakesNoSession(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(s *core.Settings) { s.LimitsDisabled = true })
	set := h.signUp(alice, goodPassword)
	me := h.as(set)
	var group sync.WaitGroup
	var mu sync.Mutex
	var opened []core.TokenSet
	race := func(f func() (core.TokenSet, error)) {
		group.Go(func() {
			if s, err := f(); err == nil {
				mu.Lock()
				opened = append(opened, s)
				mu.Unlock()
			}
		})
	}
	for i := range core.MaxSessions - 1 { // one more could end the session that changes the password, as surplus
		if i == core.MaxSessions/2 {
			group.Go(func() {
				if err := h.changePassword(me, goodPassword, otherPassword); err != nil {
					t.Errorf("changing the password: %v", err)
				}
			})
		}
		race(func() (core.TokenSet, error) { return h.loginPassword(alice, goodPassword, "") })
	}
	group.Wait()
	for _, s := range opened {
		if _, err := h.refresh(s.RefreshToken, s.DeviceToken); codeOf(err) != core.CodeInvalidToken {
			t.Fatalf("a session opened with the old password refreshes: %v", err)
		}
		if _, err := h.Authenticate(ctx, stranger(), s.AccessToken); codeOf(err) != core.CodeInvalidToken {
			t.Fatalf("its access token is let in: %v", err)
		}
	}
	if _, err := h.refresh(set.RefreshToken, ""); err != nil {
		t.Errorf("the session that changed the password: %v", err)
	}
}

func TestC63ADisabledAccountIsToldOnlyAfterProof(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	want(t, h.DisableUser(ctx, stranger(), set.User.ID, "abuse"), "")

	_, err := h.loginPassword(alice, "not the password 1", "")
	want(t, err, core.CodeInvalidCredentials)
	_, err = h.loginPassword(alice, goodPassword, "")
	want(t, err, core.CodeAccountDisabled)
	for _, begin := range []func() core.Challenge{
		func() core.Challenge { return h.loginSMS(alice, "") }, func() core.Challenge { return h.begin(alice) },
	} {
		ch := begin()
		_, err = h.verify(ch, wrong(h.code(ch)))
		want(t, err, core.CodeInvalidCode)
		_, err = h.verify(ch, h.code(ch))
		want(t, err, core.CodeAccountDisabled)
	}
	reset := h.beginReset(alice)
	_, err = h.redeemReset(reset, h.code(reset), otherPassword)
	want(t, err, core.CodeAccountDisabled)
	_, err = h.refresh(set.RefreshToken, set.DeviceToken)
	want(t, err, core.CodeInvalidToken)
	_, err = h.Authenticate(ctx, stranger(), set.AccessToken)
	want(t, err, core.CodeInvalidToken)

	want(t, h.EnableUser(ctx, stranger(), set.User.ID, "appeal"), "")
	_, err = h.refresh(set.RefreshToken, set.DeviceToken)
	want(t, err, core.CodeInvalidToken)
	_, err = h.loginPassword(alice, goodPassword, "")
	want(t, err, "")
}
