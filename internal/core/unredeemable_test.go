package core_test

import (
	"testing"

	"github.com/countersign/countersign/internal/core"
)

// C-44: while an address has failed at all the codes it may, no stranger behind
// it is sent one that is not judged; a known device is.
func TestC44NoMessageWhoseCodeIsNotJudged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	known := h.signUp(alice, "").DeviceToken
	open := h.begin(carol)
	guess := wrongCodes(func(int) string { return stranger().Address.String() })(h)
	for i := range 60 {
		want(t, guess(i), core.CodeInvalidCode)
	}
	sent := len(h.messages())
	for _, number := range []string{alice, bob} {
		_, err := h.LoginSMS(ctx, stranger(), core.BeginIn{PhoneNumber: number})
		want(t, err, core.CodeRateLimited)
		if h.heardLimit() != "code_failures_address" {
			t.Errorf("refused by %s", h.heardLimit())
		}
	}
	h.pass(sendWaits[0])
	_, err := h.Resend(ctx, stranger(), core.ResendIn{ChallengeID: open.ID})
	want(t, err, core.CodeRateLimited)
	if n := len(h.messages()) - sent; n != 0 {
		t.Errorf("%d messages", n)
	}
	ch := h.loginSMS(alice, known)
	_, err = h.verify(ch, h.code(ch))
	want(t, err, "")
	_, err = h.LoginSMS(ctx, at("203.0.113.5"), core.BeginIn{PhoneNumber: bob})
	want(t, err, "")
}
