package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

func TestC61ADecoyActsAsARealOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.signUp(alice, "")
	type step struct {
		code   core.Code
		left   int
		retry  time.Duration
		digits int
	}
	script := func(number string) []step {
		var steps []step
		ch := h.loginSMS(number, "")
		note := func(err error) {
			s := step{digits: ch.CodeLength}
			if e := refusalOf(err); e != nil {
				s.code, s.retry = e.Code, e.RetryAfter
				if e.AttemptsLeft != nil {
					s.left = *e.AttemptsLeft
				}
			}
			steps = append(steps, s)
		}
		other := h.coreOver(h.store)
		for i := range 3 {
			instance := []*core.Core{h.Core, other}[i%2]
			_, err := instance.Verify(ctx, stranger(), core.VerifyIn{ChallengeID: ch.ID, Code: "999999"})
			note(err)
		}
		_, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
		note(err)
		h.pass(30 * time.Second)
		again, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID})
		note(err)
		if d := again.ResendAt.Sub(h.clock()); d != time.Minute {
			t.Errorf("%s may be resent in %v", number, d)
		}
		for range 3 {
			_, err := h.verify(ch, "999999")
			note(err)
		}
		h.pass(10 * time.Minute)
		_, err = h.verify(ch, "999999")
		note(err)
		return steps
	}
	real, decoy := script(alice), script(bob)
	for i := range real {
		if real[i] != decoy[i] {
			t.Errorf("step %d: a real one answers %+v, a decoy %+v", i, real[i], decoy[i])
		}
	}
	for _, m := range h.messages() {
		if m.PhoneKey == h.ring.Pseudonym(bob) {
			t.Error("a decoy's message was handed out to be sent")
		}
	}
}

func TestC64ForeignUnknownAndMalformedIDsAreOneAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	me := h.as(h.signUp(alice, ""))
	for _, id := range []string{"", "x", "0198c0de-0000-7000-8000-000000000000", "0198C0DE-0000-7000-8000-000000000000"} {
		_, err := h.Verify(ctx, me, core.VerifyIn{ChallengeID: id, Code: "123456"})
		want(t, err, core.CodeNotFound)
		_, err = h.Resend(ctx, me, core.ResendIn{ChallengeID: id})
		want(t, err, core.CodeNotFound)
		want(t, h.EndSession(ctx, me, id), core.CodeNotFound)
	}
}

func TestC70OnlyDigitsBlanksAndHyphensAreACode(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ch := h.begin(alice)
	code := h.code(ch).Reveal()
	for _, typed := range []string{"", "12345", "1234567", "12345a", "١٢٣٤٥٦", "１２３４５６", "12 34 5", "12\t3456", "+123456", "12345\u00a06"} {
		_, err := h.verify(ch, keyring.Secret(typed))
		want(t, err, core.CodeInvalidRequest)
	}
	if now, _ := h.store.Challenge(ctx, ch.ID); now.GuessesLeft != core.MaxGuesses {
		t.Error("an ill-formed code cost a guess")
	}
	if _, err := h.verify(ch, keyring.Secret(" "+code[:3]+" - "+code[3:]+" ")); err != nil {
		t.Errorf("with blanks and a hyphen: %v", err)
	}
}

func TestIdempotentBeginAndVerify(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	begin := func(key, body string) (core.Challenge, error) {
		return h.Signup(ctx, stranger(), core.SignupIn{BeginIn: core.BeginIn{
			PhoneNumber: alice, Idempotency: core.Idempotency{Key: key, Body: []byte(body)},
		}})
	}
	first, err := begin("k", "b")
	want(t, err, "")
	again, err := begin("k", "b")
	want(t, err, "")
	if again.ID != first.ID || len(h.messages()) != 1 {
		t.Errorf("a repeated begin: challenge %v, %d messages", again.ID == first.ID, len(h.messages()))
	}
	_, err = begin("k", "another body")
	want(t, err, core.CodeIdempotencyConflict)

	verify := func(key, body string) (core.TokenSet, error) {
		out, err := h.Verify(ctx, stranger(), core.VerifyIn{
			ChallengeID: first.ID, Code: h.code(first), Idempotency: core.Idempotency{Key: key, Body: []byte(body)},
		})
		if err != nil {
			return core.TokenSet{}, err
		}
		return *out.Tokens, nil
	}
	one, err := verify("v", "b")
	want(t, err, "")
	two, err := verify("v", "b")
	want(t, err, "")
	if one.RefreshToken != two.RefreshToken || one.SessionID != two.SessionID || !two.Created {
		t.Error("a repeated verify did not tell the same session")
	}
	_, err = verify("v", "another body")
	want(t, err, core.CodeIdempotencyConflict)
	_, err = verify("another key", "b")
	want(t, err, core.CodeChallengeSpent)
	_, err = h.refresh(one.RefreshToken, "")
	want(t, err, "")
	_, err = verify("v", "b")
	want(t, err, core.CodeChallengeSpent)

	h.pass(10 * time.Minute)
	later, err := begin("k", "another body")
	want(t, err, "")
	if later.ID == first.ID {
		t.Error("a key was remembered for more than ten minutes")
	}
}

func TestTestNumbersGetNoMessageAndAFixedCode(t *testing.T) {
	t.Parallel()
	const reviewer = "+15005550006"
	h := newHouse(t, func(s *core.Settings) { s.TestNumbers = map[string]string{reviewer: "123456"} })
	ch := h.begin(reviewer)
	h.pass(30 * time.Second)
	if _, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: ch.ID}); err != nil {
		t.Fatal(err)
	}
	if n := len(h.messages()); n != 0 {
		t.Errorf("%d messages to a test number", n)
	}
	if _, err := h.verify(ch, "123456"); err != nil {
		t.Errorf("the fixed code: %v", err)
	}
}

func TestC73CodesLeaveTheirEvents(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	user := h.signUp(alice, "").User.ID
	ch := h.loginSMS(alice, "")
	code := h.code(ch)
	_, _ = h.verify(ch, wrong(code))
	_, err := h.verify(ch, code)
	want(t, err, "")
	_, err = h.verify(ch, code)
	want(t, err, core.CodeChallengeSpent)

	events := h.accountEvents(user)
	for name, n := range map[event.Name]int{
		event.AccountCreated: 1, event.SuccessfulLogin: 2, event.LoginStarted: 1, event.CodeFailed: 1,
	} {
		if got := count(events, name); got != n {
			t.Errorf("%d %s events, want %d", got, name, n)
		}
	}
	for _, e := range events {
		if e.UserID != user || e.PhonePseudonym == "" || e.PhoneNumber == "" || e.IPAddress != "192.0.2.7" ||
			e.UserAgent == "" || e.RequestID == "" || e.Outcome == "" {
			t.Errorf("an event lacks members: %+v", e)
		}
		if strings.Contains(e.PhoneNumber, "5550") {
			t.Errorf("%s shows the number as %s", e.Name, e.PhoneNumber)
		}
	}
	if got := count(h.traffic, event.CodeRefused); got != 1 {
		t.Errorf("%d code_refused events, want 1", got)
	}
}
