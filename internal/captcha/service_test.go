package captcha_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/captcha"
)

const secret = "0x4AAAAAAsecretOfTheSite"

// fake is a siteverify on loopback. It answers what the services' documents show,
// and keeps the form it was sent.
type fake struct {
	*httptest.Server
	status int
	answer string
	form   url.Values
}

func newFake(t *testing.T, answer string) *fake {
	f := &fake{status: http.StatusOK, answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.RawQuery != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%s %s as %s", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		f.form = r.PostForm
		w.Header().Set("Content-Type", "application/json")
		if f.status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(f.status)
		_, _ = w.Write([]byte(f.answer))
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) service(t *testing.T, kind string, change func(*captcha.ServiceOptions)) *captcha.Service {
	t.Helper()
	o := captcha.ServiceOptions{Type: kind, SiteKey: "site-key", Secret: secret, URL: f.URL + "/siteverify"}
	if change != nil {
		change(&o)
	}
	s, err := captcha.NewService(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func token(kind string) captcha.Solution {
	return captcha.Solution{Type: kind, Token: "P1_eyJ&=token", Address: netip.MustParseAddr("::ffff:192.0.2.7")}
}

// What each service documents for success and failure, and which form it wants.
var documented = []struct {
	kind, good, bad string
	more            url.Values
}{
	{
		captcha.TypeHCaptcha,
		`{"success":true,"challenge_ts":"2026-11-24T07:20:30.000000Z","hostname":"id.example.com","credit":false}`,
		`{"success":false,"error-codes":["already-seen-response"]}`,
		url.Values{"sitekey": {"site-key"}},
	},
	{
		captcha.TypeTurnstile,
		`{"success":true,"challenge_ts":"2026-11-24T07:20:30.000Z","hostname":"id.example.com","error-codes":[],"action":"signup","cdata":"","metadata":{"interactive":false}}`,
		`{"success":false,"error-codes":["timeout-or-duplicate"],"messages":[]}`,
		url.Values{"idempotency_key": {"2c1e97c3-8913-44c2-a947-ab7e56524074"}},
	},
	{
		captcha.TypeReCAPTCHA,
		`{"success":true,"score":0.5,"action":"signup","challenge_ts":"2026-11-24T07:20:30Z","hostname":"id.example.com"}`,
		`{"success":false,"error-codes":["invalid-input-response"]}`,
		url.Values{},
	},
}

func TestServicesJudge(t *testing.T) {
	for _, d := range documented {
		t.Run(d.kind, func(t *testing.T) {
			f := newFake(t, d.good)
			s := f.service(t, d.kind, func(o *captcha.ServiceOptions) { o.Hostname = "ID.example.com" })
			spent, err := s.Verify(t.Context(), now, subject, captcha.Easy, token(d.kind))
			if err != nil || !strings.HasPrefix(spent.Key, d.kind+"/") || strings.Contains(spent.Key, "token") {
				t.Errorf("%+v, %v", spent, err)
			}
			want := url.Values{"secret": {secret}, "response": {"P1_eyJ&=token"}, "remoteip": {"192.0.2.7"}}
			for name, values := range d.more {
				want[name] = values
			}
			if diff := cmp.Diff(want, f.form); diff != "" {
				t.Errorf("the form: %s", diff)
			}
			f.answer = d.bad
			if spent, err := s.Verify(t.Context(), now, subject, captcha.Easy, token(d.kind)); !errors.Is(err, captcha.ErrWrong) || spent.Key != "" {
				t.Errorf("a failure: %+v, %v", spent, err)
			}
		})
	}
}

func TestServicesAskBySiteKey(t *testing.T) {
	f := newFake(t, "")
	for _, d := range documented {
		got, err := f.service(t, d.kind, nil).Ask(now, subject, captcha.Hardest)
		if diff := cmp.Diff(captcha.Ask{Type: d.kind, SiteKey: "site-key"}, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
}

func TestSuccessAloneIsNotEnough(t *testing.T) {
	for answer, kind := range map[string]string{
		`{"success":true,"hostname":"evil.example"}`:                               captcha.TypeTurnstile,
		`{"success":true}`:                                                         captcha.TypeHCaptcha,
		`{"success":true,"hostname":"id.example.com","score":0.49}`:                captcha.TypeReCAPTCHA,
		`{"hostname":"id.example.com"}`:                                            captcha.TypeReCAPTCHA,
		`{"success":false,"hostname":"id.example.com","score":1,"error-codes":[]}`: captcha.TypeReCAPTCHA,
	} {
		f := newFake(t, answer)
		s := f.service(t, kind, func(o *captcha.ServiceOptions) { o.Hostname, o.FailOpen = "id.example.com", true })
		if spent, err := s.Verify(t.Context(), now, subject, captcha.Easy, token(kind)); !errors.Is(err, captcha.ErrWrong) || spent.Key != "" {
			t.Errorf("%s: %+v, %v", answer, spent, err)
		}
	}
	// hCaptcha's score goes the other way, and is its own affair.
	f := newFake(t, `{"success":true,"score":0}`)
	if _, err := f.service(t, captcha.TypeHCaptcha, nil).Verify(t.Context(), now, subject, captcha.Easy, token(captcha.TypeHCaptcha)); err != nil {
		t.Error(err)
	}
}

func TestForeignAndEmptyTokensAskNobody(t *testing.T) {
	f := newFake(t, `{"success":true}`)
	s := f.service(t, captcha.TypeTurnstile, func(o *captcha.ServiceOptions) { o.FailOpen = true })
	for _, solution := range []captcha.Solution{
		{}, {Type: captcha.TypeTurnstile}, {Type: captcha.TypeHCaptcha, Token: "x"}, {Type: captcha.TypeALTCHA, Token: "x"},
	} {
		if _, err := s.Verify(t.Context(), now, subject, captcha.Easy, solution); !errors.Is(err, captcha.ErrWrong) || f.form != nil {
			t.Errorf("%+v: %v, %v", solution, err, f.form)
		}
	}
}

// C-103: a service that does not judge is no yes, unless the operator has said
// so; and what a client or the settings can cause is none even then.
func TestC103UnreachableIsNoYes(t *testing.T) {
	long := `{"success":true,"action":"` + strings.Repeat("x", 64<<10) + `"}`
	for _, c := range []struct {
		status int
		answer string
		opens  bool
	}{
		{500, `{"success":true}`, true},
		{503, ``, true},
		{429, ``, true},
		{400, `{"success":true}`, false},
		{413, ``, false},
		{302, `{"success":true}`, false},
		{201, `{"success":true}`, false},
		{200, ``, true},
		{200, `<html>`, true},
		{200, `{"success":"true"}`, true},
		{200, long, true},
		{200, `{"success":false,"error-codes":["internal-error"]}`, true},
		{200, `{"success":false,"error-codes":["invalid-input-secret"]}`, false},
		{200, `{"success":false,"error-codes":["sitekey-secret-mismatch"]}`, false},
	} {
		for _, open := range []bool{false, true} {
			var log bytes.Buffer
			f := newFake(t, c.answer)
			f.status = c.status
			s := f.service(t, captcha.TypeTurnstile, func(o *captcha.ServiceOptions) {
				o.FailOpen, o.Log = open, slog.New(slog.NewTextHandler(&log, nil))
			})
			spent, err := s.Verify(t.Context(), now, subject, captcha.Easy, token(captcha.TypeTurnstile))
			what := fmt.Sprintf("%d %.60s, open %v: %+v, %v", c.status, c.answer, open, spent, err)
			if accepted := err == nil && spent.Key != ""; accepted != (open && c.opens) || !accepted && !errors.Is(err, captcha.ErrUnreachable) {
				t.Error(what)
			}
			if (log.Len() > 0) != (err == nil) {
				t.Errorf("%s, logged %q", what, &log)
			}
			for _, told := range []string{fmt.Sprint(err), log.String()} {
				if strings.Contains(told, secret) || strings.Contains(told, "P1_") {
					t.Errorf("a secret in %q", told)
				}
			}
		}
	}
}

func TestAServiceThatIsGone(t *testing.T) {
	f := newFake(t, "")
	closed := f.service(t, captcha.TypeHCaptcha, nil)
	open := f.service(t, captcha.TypeHCaptcha, func(o *captcha.ServiceOptions) { o.FailOpen = true })
	f.Close()
	if _, err := closed.Verify(t.Context(), now, subject, captcha.Easy, token(captcha.TypeHCaptcha)); !errors.Is(err, captcha.ErrUnreachable) || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
	if spent, err := open.Verify(t.Context(), now, subject, captcha.Easy, token(captcha.TypeHCaptcha)); err != nil || spent.Key == "" {
		t.Errorf("%+v, %v", spent, err)
	}
	// Whoever hangs up has not seen the service fail.
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := open.Verify(gone, now, subject, captcha.Easy, token(captcha.TypeHCaptcha)); !errors.Is(err, captcha.ErrUnreachable) {
		t.Error(err)
	}
}

// The client's own idea of redirects and of patience does not count.
func TestTheClientGivenIsBounded(t *testing.T) {
	f := newFake(t, `{"success":true}`)
	asked := 0
	slow := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked++
		deadline, ok := r.Context().Deadline()
		if left := time.Until(deadline); !ok || left > 5*time.Second {
			t.Errorf("the request may take %v", left)
		}
		return http.DefaultTransport.RoundTrip(r)
	}), CheckRedirect: func(*http.Request, []*http.Request) error { return nil }, Timeout: time.Hour}
	f.status = http.StatusTemporaryRedirect
	s := f.service(t, captcha.TypeHCaptcha, func(o *captcha.ServiceOptions) { o.Client = slow })
	if _, err := s.Verify(t.Context(), now, subject, captcha.Easy, token(captcha.TypeHCaptcha)); !errors.Is(err, captcha.ErrUnreachable) || asked != 1 {
		t.Errorf("%v after %d requests", err, asked)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestServicesThatCannotWork(t *testing.T) {
	good := captcha.ServiceOptions{Type: captcha.TypeHCaptcha, SiteKey: "k", Secret: secret}
	if _, err := captcha.NewService(good); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*captcha.ServiceOptions){
		"a type of ours": func(o *captcha.ServiceOptions) { o.Type = captcha.TypeALTCHA },
		"no type":        func(o *captcha.ServiceOptions) { o.Type = "" },
		"no site key":    func(o *captcha.ServiceOptions) { o.SiteKey = "" },
		"no secret":      func(o *captcha.ServiceOptions) { o.Secret = "" },
		"no TLS":         func(o *captcha.ServiceOptions) { o.URL = "http://captcha.example/siteverify" },
		"no URL":         func(o *captcha.ServiceOptions) { o.URL = "siteverify" },
		"a password":     func(o *captcha.ServiceOptions) { o.URL = "https://a:b@captcha.example/" },
	} {
		o := good
		spoil(&o)
		if s, err := captcha.NewService(o); err == nil || s != nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s, err := captcha.NewService(good)
	if shown := fmt.Sprintf("%+v %#v", s, s); err != nil || strings.Contains(shown, secret) {
		t.Errorf("%v: shown as %s", err, shown)
	}
}
