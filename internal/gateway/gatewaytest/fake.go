package gatewaytest

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Request is one that a Fake was asked.
type Request struct {
	Method, Path string
	Header       http.Header
	Body         string
}

// Answer is what a Fake says.
type Answer struct {
	Status int
	Header map[string]string
	Body   string
}

// Fake stands in for a provider. It is safe for concurrent use.
type Fake struct {
	tb     testing.TB
	server *httptest.Server
	host   string
	judge  func(Request, int) (Answer, error)

	mu     sync.Mutex
	asked  []Request
	script []Answer
}

// newFake starts a provider that is reached as host. Its judge gets each request
// and its number, from 1 on; an error of it is what the document does not allow, any other
// answer is the one where none was told ahead.
func newFake(tb testing.TB, host string, judge func(r Request, n int) (Answer, error)) *Fake {
	f := &Fake{tb: tb, host: host, judge: judge}
	f.server = httptest.NewServer(f)
	tb.Cleanup(f.server.Close)
	return f
}

// URL is where it listens, for a sender whose address is a setting.
func (f *Fake) URL() string { return f.server.URL }

// Toward gives the client's copy that reaches it whatever host is called; https is
// asked of the caller all the same.
func (f *Fake) Toward(client *http.Client) *http.Client { return Divert(client, f.server.URL) }

// Answers tells the next answers, in order; after the last the Fake answers as the
// document says. A request that the document does not allow uses none up.
func (f *Fake) Answers(next ...Answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = append(f.script, next...)
}

// Asked gives all requests so far.
func (f *Fake) Asked() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// Last gives the newest request; the test fails where there is none.
func (f *Fake) Last() Request {
	f.tb.Helper()
	all := f.Asked()
	if len(all) == 0 {
		f.tb.Fatal("the provider was asked nothing")
	}
	return all[len(all)-1]
}

// ServeHTTP judges and answers.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		f.tb.Errorf("reading a request to %s: %v", f.host, err)
	}
	asked := Request{Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Body: string(body)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, asked)
	answer, err := f.judge(asked, len(f.asked))
	if r.Host != f.host && "http://"+r.Host != f.server.URL {
		err = fmt.Errorf("the host is %q, not %q", r.Host, f.host)
	}
	switch {
	case err != nil:
		f.tb.Errorf("%s does not allow this: %v", f.host, err)
		answer = Answer{Status: http.StatusTeapot}
	case len(f.script) > 0:
		answer, f.script = f.script[0], f.script[1:]
	}
	for name, value := range answer.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(answer.Status)
	w.Write([]byte(answer.Body))
}

// Divert gives a client like the one given whose calls, which must be https, all go
// to a server at to, the host they name in their Host header.
func Divert(client *http.Client, to string) *http.Client {
	diverted := *client
	diverted.Transport = diversion{to: to, base: client.Transport}
	return &diverted
}

type diversion struct {
	to   string
	base http.RoundTripper
}

// RoundTrip sends a request elsewhere.
func (d diversion) RoundTrip(r *http.Request) (*http.Response, error) {
	to, err := url.Parse(d.to)
	if err != nil {
		return nil, err
	}
	if r.URL.Scheme != "https" && r.URL.Host != to.Host {
		return nil, fmt.Errorf("a call by %s", r.URL.Scheme)
	}
	r = r.Clone(r.Context())
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL.Scheme, r.URL.Host = to.Scheme, to.Host
	base := d.base
	if base == nil {
		base = http.DefaultTransport
	}
	return base.RoundTrip(r)
}

// field is a field of a request: its rule tells whether a value is allowed. One that
// must stands in every request.
type field struct {
	must bool
	rule func(string) bool
}

// must and may make fields whose values have a form.
func must(rule func(string) bool) field { return field{must: true, rule: rule} }

func may(rule func(string) bool) field { return field{rule: rule} }

// form judges a form body: every field known, each once, of its form.
func form(r Request, fields map[string]field) (url.Values, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != "application/x-www-form-urlencoded" {
		return nil, fmt.Errorf("the content type is %q", r.Header.Get("Content-Type"))
	}
	values, err := url.ParseQuery(r.Body)
	if err != nil {
		return nil, fmt.Errorf("no form: %w", err)
	}
	for name, all := range values {
		f, known := fields[name]
		if !known || len(all) != 1 || !f.rule(all[0]) {
			return nil, fmt.Errorf("the field %s is %q", name, all)
		}
	}
	for name, f := range fields {
		if f.must && !values.Has(name) {
			return nil, fmt.Errorf("the field %s is not there", name)
		}
	}
	return values, nil
}

// strictJSON reads a JSON body into what holds every member that the document
// knows; any other is an error.
func strictJSON(r Request, into any) error {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != "application/json" {
		return fmt.Errorf("the content type is %q", r.Header.Get("Content-Type"))
	}
	decoder := jsontext.NewDecoder(bytes.NewReader([]byte(r.Body)))
	if err := json.UnmarshalDecode(decoder, into, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	return nil
}

// isE164 tells whether a value is a plus and 7 to 15 digits.
func isE164(s string) bool {
	digits, plus := strings.CutPrefix(s, "+")
	return plus && isDigits(digits) && len(digits) >= 7 && len(digits) <= 15
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// isAlphanumeric tells whether a value is a sender of 1 to 11 letters and digits
// with a letter in it.
func isAlphanumeric(s string) bool {
	rest := strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789 ")
	return len(s) >= 1 && len(s) <= 11 && rest == "" && !isDigits(s)
}

// isID tells whether a value is a prefix and 32 hexadecimal digits.
func isID(prefix string) func(string) bool {
	return func(s string) bool {
		rest, ok := strings.CutPrefix(s, prefix)
		return ok && len(rest) == 32 && strings.Trim(rest, "0123456789abcdef") == ""
	}
}

func oneOf(words ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(words, s) }
}

// isWhole tells whether a value is a whole number within bounds.
func isWhole(least, most int) func(string) bool {
	return func(s string) bool {
		var n int
		_, err := fmt.Sscanf(s, "%d", &n)
		return err == nil && fmt.Sprint(n) == s && n >= least && n <= most
	}
}

// isHTTPS tells whether a value is an absolute https URL.
func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != ""
}
