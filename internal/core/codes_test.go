package core_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/locale"
)

var ctx = context.Background()

func (h *house) begin(number string) core.Challenge {
	h.t.Helper()
	ch, err := h.Signup(ctx, stranger(), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: number}})
	if err != nil {
		h.t.Fatalf("signing up: %v", err)
	}
	return ch
}

func TestC02ACodeDiesAtExactlyItsExpiry(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	early, late := h.begin(alice), h.begin(bob)
	earlyCode, lateCode := h.code(early), h.code(late)

	h.pass(10*time.Minute - time.Millisecond)
	if _, err := h.verify(early, earlyCode); err != nil {
		t.Errorf("one millisecond before expires_at: %v", err)
	}
	h.pass(time.Millisecond)
	_, err := h.verify(late, lateCode)
	want(t, err, core.CodeChallengeExpired)
}

func TestC02AResendExtendsNeitherLifeNorGuesses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ch := h.begin(alice)
	code := h.code(ch)
	for range 4 {
		_, err := h.verify(ch, wrong(code))
		want(t, err, core.CodeInvalidCode)
	}
	for _, wait := range []time.Duration{30, 60, 120, 300} {
		h.pass(wait * time.Second)
		again, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
		want(t, err, "")
		if !again.ExpiresAt.Equal(ch.ExpiresAt) || again.GuessesLeft != 1 {
			t.Errorf("after a resend: expires %v, %d guesses left; want %v and 1", again.ExpiresAt, again.GuessesLeft, ch.ExpiresAt)
		}
		if got := h.code(ch); got != code {
			t.Error("a resend brought another code")
		}
	}
	_, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
	want(t, err, core.CodeRateLimited)
}

func TestResendBeforeItsTimeIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ch := h.begin(alice)
	h.pass(30*time.Second - time.Millisecond)
	_, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
	want(t, err, core.CodeRateLimited)
	h.pass(time.Millisecond)
	if _, err = h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID}); err != nil {
		t.Error(err)
	}
}

func TestC03TwoInstancesEvaluateFiveGuesses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	other := h.coreOver(h.store)
	ch := h.begin(alice)
	code := h.code(ch)
	bad := wrong(code)

	var group sync.WaitGroup
	var mu sync.Mutex
	evaluated := 0
	for i := range 200 {
		instance := h.Core
		if i%2 == 1 {
			instance = other
		}
		group.Go(func() {
			_, err := instance.Verify(ctx, stranger(), core.VerifyIn{ChallengeID: ch.ID, Code: bad})
			if codeOf(err) == core.CodeInvalidCode {
				mu.Lock()
				evaluated++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if evaluated != core.MaxGuesses {
		t.Errorf("%d guesses were evaluated, want %d", evaluated, core.MaxGuesses)
	}
	_, err := h.verify(ch, code)
	want(t, err, core.CodeChallengeSpent)
}

func TestC03GuessesHoldWithLimitsDisabled(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(s *core.Settings) { s.LimitsDisabled = true })
	ch := h.begin(alice)
	code := h.code(ch)
	for i := range core.MaxGuesses {
		_, err := h.verify(ch, wrong(code))
		if left := want(t, err, core.CodeInvalidCode).AttemptsLeft; *left != core.MaxGuesses-1-i {
			t.Errorf("guess %d: attempts_left %d", i+1, *left)
		}
	}
	_, err := h.verify(ch, code)
	want(t, err, core.CodeChallengeSpent)
}

func TestC04ACodeIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ch := h.begin(alice)
	code := h.code(ch)
	var group sync.WaitGroup
	var mu sync.Mutex
	opened := 0
	for range 32 {
		group.Go(func() {
			if _, err := h.verify(ch, code); err == nil {
				mu.Lock()
				opened++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if opened != 1 {
		t.Errorf("one code opened %d sessions", opened)
	}
}

func TestC05ACodeOpensOnlyItsOwnChallenge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	set := h.signUp(alice, goodPassword)
	me := h.as(set)
	begun := map[core.Purpose]core.Challenge{core.PurposeSignup: h.begin(alice)}
	h.pass(sendWaits[0])
	begun[core.PurposeLogin] = h.loginSMS(alice, "")
	h.pass(sendWaits[1])
	var err error
	begun[core.PurposePasswordReset], err = h.ResetPassword(ctx, stranger(), core.BeginIn{PhoneNumber: alice})
	want(t, err, "")
	begun[core.PurposeReauthentication], err = h.ReauthenticateSMS(ctx, me, core.BeginIn{})
	want(t, err, "")
	begun[core.PurposePhoneChange], err = h.ChangePhone(ctx, me, core.BeginIn{PhoneNumber: bob})
	want(t, err, "")

	fresh := keyring.Secret("another fine passphrase 12")
	for purpose, ch := range begun {
		for from, source := range begun {
			if from == purpose {
				continue
			}
			in := core.VerifyIn{ChallengeID: ch.ID, Code: h.code(source)}
			if h.code(source) == h.code(ch) {
				continue // one chance in a million
			}
			if purpose == core.PurposePasswordReset {
				in.NewPassword = &fresh
			}
			if _, err := h.Verify(ctx, me, in); codeOf(err) != core.CodeInvalidCode {
				t.Errorf("the code of %s at %s: %v, want invalid_code", from, purpose, err)
			}
		}
	}
}

func TestC05BoundPurposesNeedTheSessionThatBeganThem(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	mine, other := h.as(h.signUp(alice, "")), h.as(h.signUp(bob, ""))
	ch, err := h.ReauthenticateSMS(ctx, mine, core.BeginIn{})
	want(t, err, "")
	in := core.VerifyIn{ChallengeID: ch.ID, Code: h.code(ch)}

	_, err = h.Verify(ctx, stranger(), in)
	want(t, err, core.CodeInvalidToken)
	_, err = h.Verify(ctx, other, in)
	want(t, err, core.CodeNotFound)
	_, err = h.Resend(ctx, other, core.ResendIn{ChallengeID: ch.ID})
	want(t, err, core.CodeNotFound)
	if now, _ := h.store.Challenge(ctx, ch.ID); now.GuessesLeft != core.MaxGuesses {
		t.Error("another's attempt cost a guess")
	}
	if _, err := h.Verify(ctx, mine, in); err != nil {
		t.Error(err)
	}
}

func TestC07FailedGuessesCountOverAllChallenges(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	for range 10 {
		ch := h.begin(alice)
		h.pass(longestWait)
		code := h.code(ch)
		for range 3 {
			_, err := h.verify(ch, wrong(code))
			want(t, err, core.CodeInvalidCode)
		}
	}
	ch := h.begin(alice)
	_, err := h.verify(ch, h.code(ch))
	refusal := want(t, err, core.CodeRateLimited)
	if refusal.RetryAfter <= 0 || refusal.RetryAfter > 24*time.Hour {
		t.Errorf("retry after %v", refusal.RetryAfter)
	}
}

func TestC09BeginningVoidsNobodyElses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	owner := h.begin(alice)
	code := h.code(owner)
	for _, wait := range sendWaits {
		h.pass(wait)
		h.begin(alice)
	}
	if _, err := h.verify(owner, code); err != nil {
		t.Errorf("the owner's code after strangers began: %v", err)
	}
}

func TestC10NoWordOfTheUserIsInAMessage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, err := h.Signup(ctx, stranger(), core.SignupIn{
		BeginIn: core.BeginIn{PhoneNumber: alice, Device: core.DeviceIn{Name: "https://evil.example"}},
		Name:    "https://evil.example",
	})
	want(t, err, "")
	_, body, err := core.OpenText(h.ring, h.messages()[0])
	want(t, err, "")
	if strings.Contains(body.Body.Reveal(), "evil") || strings.Contains(body.Body.Reveal(), "://") {
		t.Errorf("the message says %q", body.Body.Reveal())
	}
}

// C-10: what a client says of its device chooses between two last lines, both the
// server's own.
func TestC10AnAndroidAppGetsItsHashInPlaceOfTheOrigin(t *testing.T) {
	t.Parallel()
	own, err := locale.ReadTemplates([]byte(`en: {signup: "{app}: {code}, and never share it"}`), locale.Vars{App: "Test", Code: "12345678", Host: "example.com"})
	want(t, err, "")
	for _, c := range []struct{ platform, hash, last string }{
		{"android", "FA+9qCX9VSu", "FA+9qCX9VSu"},
		{"Android", "FA+9qCX9VSu", "FA+9qCX9VSu"},
		{"web", "FA+9qCX9VSu", "@example.com #"},
		{"android", "", "@example.com #"},
	} {
		h := newHouse(t, func(s *core.Settings) { s.AndroidAppHash, s.Texts = c.hash, own })
		_, err := h.Signup(ctx, stranger(), core.SignupIn{BeginIn: core.BeginIn{PhoneNumber: alice, Device: core.DeviceIn{Platform: c.platform}}})
		want(t, err, "")
		_, text, err := core.OpenText(h.ring, h.messages()[0])
		want(t, err, "")
		first, last, _ := strings.Cut(text.Body.Reveal(), "\n")
		if !strings.HasPrefix(last, c.last) || first != "Test: "+text.Code.Reveal()+", and never share it" || text.Locale != "en" {
			t.Errorf("%s, hash %q: %q, %q", c.platform, c.hash, first, last)
		}
	}
}

func TestC11CodesGrowAfterTenFailures(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	known := h.signUp(alice, "")
	fail := func(times int) {
		for range times {
			ch := h.loginSMS(alice, "")
			_, err := h.verify(ch, wrong(h.code(ch)))
			want(t, err, core.CodeInvalidCode)
			h.pass(longestWait)
		}
	}
	fail(9)
	if ch := h.loginSMS(alice, ""); ch.CodeLength != 6 {
		t.Fatalf("after 9 failures a code has %d digits", ch.CodeLength)
	}
	h.pass(longestWait)
	fail(1)
	for name, begin := range map[string]func() core.Challenge{
		"login": func() core.Challenge { return h.loginSMS(alice, "") }, "signup": func() core.Challenge { return h.begin(alice) },
		"known device": func() core.Challenge { return h.loginSMS(alice, known.DeviceToken) },
	} {
		if ch := begin(); ch.CodeLength != 8 {
			t.Errorf("%s after 10 failures: %d digits, want 8", name, ch.CodeLength)
		}
		h.pass(longestWait)
	}
	ch := h.loginSMS(alice, "")
	if _, err := h.verify(ch, h.code(ch)); err != nil {
		t.Fatalf("the eight digits: %v", err)
	}
	if ch := h.loginSMS(alice, ""); ch.CodeLength != 6 {
		t.Errorf("after a stranger's success a code has %d digits, want 6", ch.CodeLength)
	}
	h.pass(longestWait)
	fail(10)
	h.pass(30 * 24 * time.Hour)
	if ch := h.loginSMS(alice, ""); ch.CodeLength != 6 {
		t.Errorf("after 30 quiet days a code has %d digits, want 6", ch.CodeLength)
	}
}

func TestC11DecoysGrowAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	for range 10 {
		ch := h.loginSMS(bob, "")
		_, err := h.verify(ch, "000000")
		want(t, err, core.CodeInvalidCode)
		h.pass(longestWait)
	}
	if ch := h.loginSMS(bob, ""); ch.CodeLength != 8 {
		t.Errorf("a decoy after 10 failures has %d digits, want 8", ch.CodeLength)
	}
}

func TestC40TheThirtyFirstFailedCodeIsNotEvaluated(t *testing.T) {
	t.Parallel()
	for _, number := range []string{alice, bob} { // with and without an account
		h := newHouse(t, unhurried)
		h.signUp(alice, "")
		start := h.clock()
		for range 30 {
			ch := h.loginSMS(number, "")
			_, err := h.verify(ch, keyring.Secret(strings.Repeat("0", ch.CodeLength)))
			want(t, err, core.CodeInvalidCode)
			h.pass(longestWait)
		}
		ch := h.loginSMS(number, "")
		_, err := h.verify(ch, keyring.Secret(strings.Repeat("0", ch.CodeLength)))
		refusal := want(t, err, core.CodeRateLimited)
		if want := start.Add(24 * time.Hour).Sub(h.clock()); refusal.RetryAfter != want {
			t.Errorf("retry after %v, want %v", refusal.RetryAfter, want)
		}
		if now, _ := h.store.Challenge(ctx, ch.ID); now.GuessesLeft != core.MaxGuesses {
			t.Error("an exhausted number spent a guess")
		}
		// The window slides: a day after the first failure one more is let through.
		h.pass(start.Add(24 * time.Hour).Sub(h.clock()))
		ch = h.loginSMS(number, "")
		_, err = h.verify(ch, keyring.Secret(strings.Repeat("0", ch.CodeLength)))
		want(t, err, core.CodeInvalidCode)
		_, err = h.verify(ch, keyring.Secret(strings.Repeat("0", ch.CodeLength)))
		want(t, err, core.CodeRateLimited)
	}
}

func TestC42AStrangerWhoBurnsAllLocksNobodyOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t, unhurried)
	known := h.signUp(alice, goodPassword)
	for range 30 {
		ch := h.loginSMS(alice, "")
		_, err := h.verify(ch, wrong(h.code(ch)))
		want(t, err, core.CodeInvalidCode)
		h.pass(longestWait)
	}
	// Codes are exhausted for strangers; their passwords are not.
	ch := h.loginSMS(alice, "")
	_, err := h.verify(ch, h.code(ch))
	want(t, err, core.CodeRateLimited)
	if _, err := h.loginPassword(alice, goodPassword, ""); err != nil {
		t.Errorf("a stranger's right password with codes exhausted: %v", err)
	}
	for range 5 {
		_, _ = h.loginPassword(alice, "not the password 1", "")
	}
	_, err = h.loginPassword(alice, goodPassword, "")
	want(t, err, core.CodeRateLimited)
	// The known device has its own counters for both.
	ch = h.loginSMS(alice, known.DeviceToken)
	if _, err := h.verify(ch, h.code(ch)); err != nil {
		t.Errorf("the known device's code: %v", err)
	}
	if _, err := h.loginPassword(alice, goodPassword, known.DeviceToken); err != nil {
		t.Errorf("the known device's password: %v", err)
	}
}
