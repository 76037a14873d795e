package captcha

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// The kinds of captcha, as API clients name them.
const (
	TypeALTCHA    = "altcha"
	TypeHCaptcha  = "hcaptcha"
	TypeTurnstile = "turnstile"
	TypeReCAPTCHA = "recaptcha"
)

// Hardness is how much is asked for, from Easy to Hardest. Only a proof of work
// knows the difference.
type Hardness int

// The ends of the scale; each step doubles the work at least.
const (
	Easy    Hardness = 1
	Hardest Hardness = 5
)

// Ask is what a client has to solve: the captcha member of a captcha_required
// problem.
type Ask struct {
	Type      string          `json:"type"`
	Challenge json.RawMessage `json:"challenge,omitempty"` // of a proof of work
	SiteKey   string          `json:"site_key,omitempty"`  // of a service
}

// Solution is what a client sends back.
type Solution struct {
	Type    string
	Token   keyring.Secret
	Address netip.Addr // of who sends it
}

// Spent names a solution that was accepted. It counts once: whoever accepts it
// sees to it that nobody else does for ten minutes, twice what any is good for.
type Spent struct{ Key string }

// ErrWrong says that a solution is none: ill-formed, forged, too late, or made
// for something else.
var ErrWrong = errors.New("captcha: not a solution")

// ErrUnreachable says that the service which has to judge does not answer.
var ErrUnreachable = errors.New("captcha: the service does not answer")

// Verifier asks for captchas and judges their solutions. The subject is what a
// solution is good for: a keyed hash, never a number.
type Verifier interface {
	Ask(now time.Time, subject string, hardness Hardness) (Ask, error)

	// Verify fails with ErrWrong, also where less was solved than the least that
	// is good enough now, or with ErrUnreachable.
	Verify(ctx context.Context, now time.Time, subject string, least Hardness, s Solution) (Spent, error)
}
