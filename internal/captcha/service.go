package captcha

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

const (
	// serviceTimeout is how long a service may take to judge.
	serviceTimeout = 5 * time.Second

	// leastScore is what reCAPTCHA v3, which gives 0 (a robot) to 1, has to give
	// at least; half is what Google recommends to begin with.
	leastScore = 0.5
)

// addresses are where the services judge.
var addresses = map[string]string{
	TypeHCaptcha:  "https://api.hcaptcha.com/siteverify",
	TypeTurnstile: "https://challenges.cloudflare.com/turnstile/v0/siteverify",
	TypeReCAPTCHA: "https://www.google.com/recaptcha/api/siteverify",
}

// Service has hCaptcha, Turnstile or reCAPTCHA judge.
type Service struct {
	keyring.Redacted
	options ServiceOptions
	client  *http.Client
}

// ServiceOptions are what a Service is made of.
type ServiceOptions struct {
	Type    string // TypeHCaptcha, TypeTurnstile or TypeReCAPTCHA
	SiteKey string // what clients show the captcha with
	Secret  keyring.Secret
	URL     string       // where to ask; "" is the service's own
	Client  *http.Client // nil is one of our own

	// FailOpen lets everybody through while the service is down. What only a
	// client can have caused, or the operator has to put right, lets nobody.
	FailOpen bool
	Hostname string       // where solutions have to come from; "" is anywhere
	Log      *slog.Logger // told of whom FailOpen lets through; nil is nobody
}

// NewService fails where the options could never work.
func NewService(o ServiceOptions) (*Service, error) {
	own, ok := addresses[o.Type]
	switch {
	case !ok:
		return nil, fmt.Errorf("captcha: no service is called %q", o.Type)
	case o.SiteKey == "" || o.Secret == "":
		return nil, fmt.Errorf("captcha: %s needs a site key and a secret", o.Type)
	}
	if o.URL == "" {
		o.URL = own
	}
	if err := checkURL(o.URL); err != nil {
		return nil, err
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	client := *o.Client
	client.Timeout = serviceTimeout
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Service{options: o, client: &client}, nil
}

// checkURL wants TLS: the secret travels there. This machine may do without.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return errors.New("captcha: the service's URL is none")
	}
	address, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && err == nil && address.IsLoopback() {
		return nil
	}
	return errors.New("captcha: the service's URL has to begin with https://")
}

// Ask names the service; the subject and the hardness make no difference to it.
func (s *Service) Ask(time.Time, string, Hardness) (Ask, error) {
	return Ask{Type: s.options.Type, SiteKey: s.options.SiteKey}, nil
}

// Verify asks the service, for 5 seconds at most; how hard a captcha was, the
// service has decided. It fails with ErrWrong, or
// with ErrUnreachable unless FailOpen says otherwise.
func (s *Service) Verify(ctx context.Context, _ time.Time, _ string, _ Hardness, solution Solution) (Spent, error) {
	if solution.Type != s.options.Type || solution.Token == "" {
		return Spent{}, fmt.Errorf("%w: of another type, or empty", ErrWrong)
	}
	sum := sha256.Sum256([]byte(solution.Token))
	judged, err := s.judge(ctx, solution, sum)
	switch {
	case err == nil:
		err = s.accept(judged)
	case s.options.FailOpen && ctx.Err() == nil && errors.As(err, new(outage)):
		s.options.Log.Warn("a captcha was accepted unseen", "service", s.options.Type, "error", err)
		err = nil
	}
	if err != nil {
		return Spent{}, err
	}
	return Spent{Key: s.options.Type + "/" + base64.RawURLEncoding.EncodeToString(sum[:16])}, nil
}

// accept tells whether what the service says is good enough for us.
func (s *Service) accept(j judgement) error {
	switch {
	case !j.Success:
		return fmt.Errorf("%w: the service says so", ErrWrong)
	case s.options.Hostname != "" && !strings.EqualFold(j.Hostname, s.options.Hostname):
		return fmt.Errorf("%w: from another host", ErrWrong)
	case s.options.Type == TypeReCAPTCHA && j.Score != nil && *j.Score < leastScore:
		return fmt.Errorf("%w: too low a score", ErrWrong)
	}
	return nil
}
