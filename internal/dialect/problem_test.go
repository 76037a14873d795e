package dialect

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/core"
)

func TestGoldenProblems(t *testing.T) {
	left := 3
	var out bytes.Buffer
	write := func(err error) {
		w := httptest.NewRecorder()
		Fail(w, httptest.NewRequest("GET", "/", nil), err)
		fmt.Fprintf(&out, "%d", w.Code)
		for _, name := range []string{"Retry-After", "WWW-Authenticate"} {
			if value := w.Header().Get(name); value != "" {
				fmt.Fprintf(&out, "\n%s: %s", name, value)
			}
		}
		fmt.Fprintf(&out, "\n%s\n\n", w.Body)
	}
	for _, code := range slices.Sorted(maps.Keys(kinds)) {
		write(&core.Error{Code: code})
	}
	write(&core.Error{Code: core.CodeInvalidToken, NoToken: true})
	write(&core.Error{Code: core.CodeInvalidCode, AttemptsLeft: &left})
	write(&core.Error{Code: core.CodeRateLimited, RetryAfter: 1500 * time.Millisecond})
	write(&core.Error{Code: core.CodeInvalidRequest, Fields: []core.Field{{Name: "device.name", Message: "is too long"}}})
	write(&core.Error{Code: core.CodeCaptchaRequired, Captcha: &captcha.Ask{Type: captcha.TypeTurnstile, SiteKey: "1x00000000000000000000AA"}})
	write(&core.Error{Code: core.CodeCaptchaRequired, Captcha: &captcha.Ask{
		Type: captcha.TypeALTCHA, Challenge: []byte(`{"parameters":{"cost":500},"signature":"09"}`),
	}})
	write(&core.Error{Code: "a code that nobody listed"})
	write(fmt.Errorf("reading: %w", &core.Error{Code: core.CodeNotFound}))
	golden(t, "testdata/problems.golden", out.Bytes())
}

// The statuses of API.md, written down again.
func TestStatuses(t *testing.T) {
	for status, codes := range map[int][]core.Code{
		400: {"malformed_request"},
		401: {"invalid_credentials", "invalid_code", "invalid_token"},
		403: {"reauthentication_required", "insufficient_scope", "account_disabled", "country_not_allowed", "captcha_required"},
		404: {"not_found"},
		405: {"method_not_allowed"},
		409: {"conflict"},
		410: {"challenge_expired", "challenge_spent"},
		413: {"content_too_large"},
		415: {"unsupported_media_type"},
		422: {"invalid_request", "invalid_phone_number", "weak_password", "idempotency_conflict"},
		429: {"rate_limited"},
		500: {"internal_error", "a code that nobody listed"},
		503: {"delivery_unavailable", "unavailable"},
	} {
		for _, code := range codes {
			if got := StatusOf(code); got != status {
				t.Errorf("%s: %d, want %d", code, got, status)
			}
		}
	}
}

// 429 and 503 say when to come back: whole seconds, rounded up, at least one.
func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", 15 * time.Minute: "900", -time.Second: "1",
	} {
		for _, code := range []core.Code{core.CodeRateLimited, core.CodeUnavailable, "delivery_unavailable"} {
			w := httptest.NewRecorder()
			Fail(w, httptest.NewRequest("GET", "/", nil), &core.Error{Code: code, RetryAfter: wait})
			if got := w.Header().Get("Retry-After"); got != want || *problem(t, w).RetryAfter == 0 {
				t.Errorf("%s after %s: %q, want %q", code, wait, got, want)
			}
		}
	}
}

func TestC59TimesHaveOneLength(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 7, 20, 31, 0, time.FixedZone("", 3600))
	for _, d := range []time.Duration{0, 120 * time.Millisecond, 123 * time.Millisecond} {
		w := httptest.NewRecorder()
		WriteJSON(w, http.StatusOK, "application/json", struct{ At, Next *time.Time }{At: new(at.Add(d))})
		want := `{"At":"2026-11-24T06:20:31.` + fmt.Sprintf("%03d", d.Milliseconds()) + `Z","Next":null}`
		if got := w.Body.String(); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
