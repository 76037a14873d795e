package captcha

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/keyring"
)

// maxJudgement bounds what is read of a service's answer, in bytes.
const maxJudgement = 64 << 10

// judgement is a service's answer.
type judgement struct {
	Success  bool     `json:"success"`
	Hostname string   `json:"hostname"`
	Score    *float64 `json:"score"` // reCAPTCHA v3
	Errors   []string `json:"error-codes"`
}

// outage is the fault of the service, and of nobody's request.
type outage struct{ cause error }

func (o outage) Error() string { return ErrUnreachable.Error() + ": " + o.cause.Error() }

func (o outage) Unwrap() []error { return []error{ErrUnreachable, o.cause} }

// misset are error codes that no solution causes: the settings are wrong.
var misset = []string{
	"missing-input-secret", "invalid-input-secret", "sitekey-secret-mismatch", "not-using-dummy-passcode",
}

// judge asks the service once. All failures are ErrUnreachable.
func (s *Service) judge(ctx context.Context, solution Solution, sum [sha256.Size]byte) (judgement, error) {
	form := s.form(solution, sum).Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.options.URL, strings.NewReader(form))
	if err != nil {
		return judgement{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	answer, err := s.client.Do(r)
	if err != nil {
		return judgement{}, outage{err}
	}
	defer answer.Body.Close()
	if err := checkStatus(answer.StatusCode); err != nil {
		return judgement{}, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxJudgement+1))
	if err != nil {
		return judgement{}, outage{err}
	}
	return readJudgement(body)
}

// form is what every service takes, and what one takes more.
func (s *Service) form(solution Solution, sum [sha256.Size]byte) url.Values {
	form := url.Values{"secret": {s.options.Secret.Reveal()}, "response": {solution.Token.Reveal()}}
	if solution.Address.IsValid() {
		form.Set("remoteip", solution.Address.Unmap().WithZone("").String())
	}
	switch s.options.Type {
	case TypeHCaptcha:
		form.Set("sitekey", s.options.SiteKey)
	case TypeTurnstile:
		form.Set("idempotency_key", repeatable(sum))
	}
	return form
}

// repeatable is the UUID by which Turnstile knows a token that it has judged
// already, so that a client whose answer was lost may send it again. It has the
// form of a random one (RFC 9562 5.4).
func repeatable(sum [sha256.Size]byte) string {
	id := [16]byte(sum[:16])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return keyring.FormatID(id)
}

// checkStatus wants 200, which services answer to wrong solutions too. What is
// the caller's fault is no outage, or a client could make one for itself.
func checkStatus(status int) error {
	err := fmt.Errorf("status %d", status)
	switch {
	case status == http.StatusOK:
		return nil
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return outage{err}
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func readJudgement(body []byte) (judgement, error) {
	var j judgement
	if len(body) > maxJudgement {
		return judgement{}, outage{fmt.Errorf("an answer of more than %d bytes", maxJudgement)}
	}
	if err := json.Unmarshal(body, &j); err != nil {
		return judgement{}, outage{fmt.Errorf("reading the answer: %w", err)}
	}
	if slices.Contains(j.Errors, "internal-error") {
		return judgement{}, outage{errors.New("internal-error")}
	}
	for _, code := range misset {
		if slices.Contains(j.Errors, code) {
			return judgement{}, fmt.Errorf("%w: the site key or the secret is wrong: %s", ErrUnreachable, code)
		}
	}
	return j, nil
}
