package core

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/limit"
)

// captchaOnce is how long it is remembered that a solution was accepted: longer
// than any lives, and always the same, so that a window never shrinks past it.
const captchaOnce = time.Hour

// askCaptcha refuses until a captcha is solved; reason goes into the log.
func (c *Core) askCaptcha(s *sending, reason string, hardness captcha.Hardness) error {
	ask, err := c.captcha.Ask(s.now, c.captchaSubject(s), hardness)
	if err != nil {
		return unavailable("making a captcha", err)
	}
	c.tellRefused(s, reason)
	return &Error{Code: CodeCaptchaRequired, Captcha: &ask}
}

// judgeCaptcha looks at the solution that came along, if any, and says in
// s.solved whether it is one of that hardness, at least, that nobody has used
// before, or in s.unjudged, which it gives, why nobody can say.
func (c *Core) judgeCaptcha(ctx context.Context, s *sending, least captcha.Hardness) error {
	if s.judged || c.captcha == nil || s.solution.Token == "" {
		return s.unjudged
	}
	s.judged = true
	s.solution.Address = s.caller.Address
	spent, err := c.captcha.Verify(ctx, s.now, c.captchaSubject(s), least, s.solution)
	switch {
	case errors.Is(err, captcha.ErrWrong):
	case err != nil:
		s.unjudged = unavailable("having a captcha judged", err)
	default:
		s.solved, s.unjudged = c.spendCaptcha(ctx, s, spent)
	}
	return s.unjudged
}

// spendCaptcha accepts a solution once. An idempotent request that lost its
// answer shows it again, and is told again what it was told.
//
// Which request it was for is the sum of a tally, a number that only we can make
// of it: a sum with anything of others in it is no request's.
func (c *Core) spendCaptcha(ctx context.Context, s *sending, spent captcha.Spent) (bool, error) {
	rule := limit.Rule{Name: "captcha_once", N: 1, Window: captchaOnce, Reserved: true}
	decision, err := c.take(ctx, s.now, limit.Count{Rule: rule, Key: spent.Key})
	if err != nil {
		return false, err
	}
	fresh := decision.Refused == ""
	if s.request == nil {
		return fresh, nil
	}
	mac := c.ring.Fingerprint(labelLimit, []byte("captcha request"), []byte(spent.Key), s.request)
	request := 1 + int64(binary.BigEndian.Uint64(mac)>>16)
	shownBy := limit.Tally{Name: "captcha_request", Key: spent.Key, Window: idempotencyLife, Reserved: true}
	if fresh {
		shownBy.Add = request
	}
	t, err := c.tally(ctx, s.now, shownBy)
	if err != nil {
		return false, err
	}
	return fresh || !t[0].Shared && t[0].Sum == request, nil
}

// captchaSubject is what a solution is good for: this number, from this network.
func (c *Core) captchaSubject(s *sending) string {
	mac := c.ring.Fingerprint(labelLimit, []byte("captcha"), []byte(s.phone.Key), []byte(network(s.caller.Address)))
	return base64.RawURLEncoding.EncodeToString(mac[:16])
}
