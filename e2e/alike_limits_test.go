package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/captcha/captchatest"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/dialect/native"
	"github.com/countersign/countersign/internal/keyring"
)

// watched is the number that a stranger wants to know about.
var watched = inLand(homeLand, 700*9000)

// C-59, C-61, C-62: with the limits as they come, a stranger takes a number into
// every refusal there is. Over HTTP every byte of every answer, and every header,
// is the same whether it has an account with a password, one without, a disabled
// one or none; but ids, times of day and what a captcha draws by chance.
func TestC61AlikeInEveryRefusal(t *testing.T) {
	t.Parallel()
	houses := map[string]func(*siege){
		"with a password": func(s *siege) { s.signUp(stranger(), watched, goodPassword) },
		"without one":     func(s *siege) { s.signUp(stranger(), watched, "") },
		"disabled": func(s *siege) {
			user := s.signUp(stranger(), watched, goodPassword).User.ID
			if err := s.DisableUser(context.Background(), stranger(), user, "test"); err != nil {
				s.t.Fatal(err)
			}
		},
	}
	nobodys := walkAround(t, func(*siege) {})
	met := strings.Join(nobodys, "\n")
	for _, code := range []core.Code{
		core.CodeRateLimited, core.CodeCaptchaRequired, core.CodeInvalidCode, core.CodeInvalidCredentials,
		core.CodeDeliveryUnavailable, core.CodeChallengeSpent, core.CodeChallengeExpired,
	} {
		if !strings.Contains(met, `"`+string(code)+`"`) {
			t.Errorf("the walk never met %s", code)
		}
	}
	for what, prepare := range houses {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(nobodys, walkAround(t, prepare)); diff != "" {
				t.Errorf("(-nobody's +%s)\n%s", what, diff)
			}
		})
	}
}

// walk is a stranger's way past all limits, and what it looks like.
type walk struct {
	*siege
	*client
	t       *testing.T
	address netip.Addr

	challenge string // begun last
	length    int    // of its code
	reset     bool
	seen      []string
}

func walkAround(t *testing.T, prepare func(*siege)) []string {
	t.Helper()
	s := newSiege(t, newFavours, func(s *core.Settings) { s.CaptchaLifts = true })
	s.orderly = true
	prepare(s)
	s.clock.pass(2 * day)
	edge := dialect.Edge{
		Now: s.clock.read, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Proxies: dialect.Proxies{netip.MustParsePrefix("127.0.0.0/8")},
	}
	api := httptest.NewServer(edge.Wrap(native.New(s.Core)))
	t.Cleanup(api.Close)
	w := &walk{siege: s, client: newClient(api.URL), t: t, address: netip.MustParseAddr("198.51.100.1")}
	defer w.close()
	w.messages()
	w.guesses()
	w.passwords()
	w.places()
	w.everywhere()
	for _, name := range []string{
		"resend", "send_wait", "send_number_hour", "send_number_day", "code_failures_number", "code_failures_address", "failed_passwords",
		"password_failures_address", "begin_address", "send_prefix", "guard_country", "captcha_required", "sms_budget",
	} {
		if s.refusedBy(name) == 0 {
			t.Errorf("%s refused nothing", name)
		}
	}
	return w.seen
}

// messages begins and resends sooner than it may, then more often, then with
// captchas, then not at all.
func (w *walk) messages() {
	paths := []string{"/v1/login/sms", "/v1/password/reset", "/v1/signup"}
	for round := range 9 {
		w.begin(paths[round%3])
		w.resend()
		w.begin(paths[round%3])
		w.clock.pass(31 * time.Second)
		w.resend()
		w.guess()
		w.clock.pass(5 * time.Minute)
		w.guess()
	}
	w.clock.pass(time.Hour)
	for range 4 {
		w.begin("/v1/login/sms")
		w.clock.pass(10 * time.Minute)
		w.guess() // too late
		w.resend()
	}
	for range 5 {
		w.clock.pass(4 * time.Hour)
		w.begin("/v1/password/reset")
		w.clock.pass(6 * time.Minute)
		w.begin("/v1/password/reset")
	}
}

// guesses spends challenges until the number is closed.
func (w *walk) guesses() {
	w.clock.pass(day)
	for range 8 {
		w.begin("/v1/login/sms")
		for range 6 {
			w.guess()
		}
		w.clock.pass(20 * time.Minute)
	}
}

// passwords tries until the number, and then the address, has to wait.
func (w *walk) passwords() {
	for range 6 {
		w.login()
	}
	w.clock.pass(5 * time.Second)
	w.login()
	for i := range 30 {
		_, _ = w.LoginPassword(context.Background(), from(w.address), core.LoginPasswordIn{
			PhoneNumber: anywhere(1000 + i), Password: "not the password",
		})
	}
	w.clock.pass(time.Minute)
	w.login()
	w.address = netip.MustParseAddr("198.51.101.1")
	w.login()
}

// places comes from an address, and to a prefix, that others have used up.
func (w *walk) places() {
	w.clock.pass(2 * day)
	w.begin("/v1/login/sms")
	for i := range 13 {
		ch, wait := w.siege.begin(from(w.address), anywhere(2000+i))
		for range core.MaxGuesses {
			if wait > 0 {
				break // no more of its codes are judged
			}
			w.siege.guess(&ledger{}, from(w.address), ch)
		}
	}
	w.guess()
	for i := range 47 {
		_, _ = w.LoginSMS(context.Background(), from(w.address), core.BeginIn{PhoneNumber: anywhere(3000 + i)})
	}
	w.clock.pass(31 * time.Second)
	w.resend()
	w.begin("/v1/login/sms")
	w.address = netip.MustParseAddr("198.51.102.1")
	for i := range 20 {
		_, _ = w.LoginSMS(context.Background(), from(botnet(i)), core.BeginIn{PhoneNumber: inLand(homeLand, 700*(1+i))})
	}
	w.clock.pass(5 * time.Minute)
	w.begin("/v1/login/sms")
}

// everywhere comes while all numbers are attacked, while the country is paused,
// and once the money is spent.
func (w *walk) everywhere() {
	w.clock.pass(2 * day)
	for i := range 61 {
		ch, _ := w.siege.begin(from(botnet(1000+i)), anywhere(4000+i))
		for range core.MaxGuesses {
			w.siege.guess(&ledger{}, from(botnet(1000+i)), ch)
		}
	}
	w.begin("/v1/login/sms")
	w.guess()
	w.login()
	w.clock.pass(2 * day)
	for i := range 60 {
		w.siege.begin(from(botnet(2000+i)), inLand(homeLand, 1+i))
	}
	w.clock.pass(6 * time.Minute)
	w.begin("/v1/signup")
	w.clock.pass(2 * day)
	w.SetBudgetState(core.BudgetState{ClosedToStrangers: map[string]bool{"US": true}})
	w.begin("/v1/password/reset")
}

// begin begins a challenge, and once more with a captcha solved where one is
// asked for.
func (w *walk) begin(path string) {
	got := w.look(path, members{"phone_number": watched})
	if got.text("captcha") != "-" {
		got = w.look(path, members{"phone_number": watched, "captcha": w.solve(got)})
	}
	if got.status != http.StatusAccepted {
		return
	}
	w.challenge, w.reset = "/v1/challenges/"+got.text("challenge_id"), path == "/v1/password/reset"
	var err error
	if w.length, err = strconv.Atoi(got.text("code_length")); err != nil {
		w.t.Fatal(err)
	}
}

func (w *walk) resend() { w.look(w.challenge+"/resend", members{}) }

// guess is wrong but once in a million.
func (w *walk) guess() {
	body := members{"code": strings.Repeat("0", w.length)}
	if w.reset {
		body["new_password"] = "a stranger's own choice"
	}
	w.look(w.challenge+"/verify", body)
}

func (w *walk) login() {
	body := members{"phone_number": watched, "password": "not the password"}
	if got := w.look("/v1/login/password", body); got.text("captcha") != "-" {
		body["captcha"] = w.solve(got)
		w.look("/v1/login/password", body)
	}
}

func (w *walk) solve(got answer) members {
	w.t.Helper()
	var asked captcha.Ask
	if err := json.Unmarshal([]byte(got.text("captcha")), &asked); err != nil {
		w.t.Fatal(err)
	}
	if raced { // the work is done elsewhere under the race detector, too
		return members{"type": asked.Type, "token": string(asked.Challenge)}
	}
	solved, err := captchatest.Solve(asked)
	if err != nil {
		w.t.Fatal(err)
	}
	return members{"type": solved.Type, "token": solved.Token.Reveal()}
}

// favours is our own proof of work, which others may leave undone: they show what
// they were asked.
type favours struct{ captcha.Verifier }

func newFavours(ring *keyring.Ring) captcha.Verifier { return favours{work(ring)} }

func (f favours) Verify(ctx context.Context, now time.Time, subject string, h captcha.Hardness, s captcha.Solution) (captcha.Spent, error) {
	if token := s.Token.Reveal(); strings.HasPrefix(token, "{") {
		return captcha.Spent{Key: token}, nil
	}
	return f.Verifier.Verify(ctx, now, subject, h, s)
}

var random = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}`)

// look asks, and keeps the answer: of what is random, how long it is.
func (w *walk) look(path string, body members) answer {
	w.t.Helper()
	got, err := w.call(http.MethodPost, path, ask{body: body, header: http.Header{"X-Forwarded-For": {w.address.String()}}})
	if err != nil {
		w.t.Fatal(err)
	}
	masked := func(text string) string {
		return random.ReplaceAllStringFunc(text, func(s string) string { return fmt.Sprintf("<%d>", len(s)) })
	}
	lines := []string{fmt.Sprintf("%s at %v: %d, %d bytes", masked(path), w.clock.read(), got.status, len(got.raw))}
	for _, name := range slices.Sorted(maps.Keys(got.header)) {
		if name != "Date" {
			lines = append(lines, name+": "+masked(strings.Join(got.header[name], ", ")))
		}
	}
	w.seen = append(w.seen, strings.Join(append(lines, masked(got.raw)), "\n"))
	return got
}
