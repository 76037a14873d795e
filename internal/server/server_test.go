package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
)

// settings are those of a server on free ports over a directory, and others as
// the environment names them, without their prefix.
func settings(t *testing.T, dir string, others ...string) config.Config {
	t.Helper()
	var env []string
	for _, pair := range append([]string{"LISTEN=127.0.0.1:0", "OPERATOR_LISTEN=127.0.0.1:0", "DATA_DIR=" + dir}, others...) {
		env = append(env, config.EnvPrefix+pair)
	}
	c, err := config.Load(config.Sources{Env: env, Limits: LimitTable(), Alerts: AlertTable(), Providers: ProviderTable()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs a server until the test ends.
func start(t *testing.T, c config.Config, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return s
}

// call does one request and gives its answer and body.
func call(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

const number = "+14155550100"

// signIn does the whole main job over HTTP and gives the TokenSet.
func signIn(t *testing.T, base string) map[string]any {
	t.Helper()
	answer, text := call(t, "POST", base+"/v1/signup", `{"phone_number":"`+number+`"}`)
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("signup: %d %s", answer.StatusCode, text)
	}
	var challenge struct {
		ID string `json:"challenge_id"`
	}
	read(t, text, &challenge)
	code := codeOf(t, base, challenge.ID)
	answer, text = call(t, "POST", base+"/v1/challenges/"+challenge.ID+"/verify", `{"code":"`+code+`"}`)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("verify: %d %s", answer.StatusCode, text)
	}
	var tokens map[string]any
	read(t, text, &tokens)
	return tokens
}

// codeOf waits for a challenge's message in the inbox.
func codeOf(t *testing.T, base, challengeID string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		_, text := call(t, "GET", base+"/dev/inbox?to=%2B14155550100", "")
		var messages []struct {
			Body      string `json:"body"`
			Challenge string `json:"challenge_id"`
		}
		read(t, text, &messages)
		for _, m := range messages {
			if m.Challenge == challengeID {
				return regexp.MustCompile(`\d{6,8}`).FindString(m.Body)
			}
		}
	}
	t.Fatal("no message arrived")
	return ""
}

func read(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func TestTheMainJobAndARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var log bytes.Buffer
	s, err := Start(t.Context(), settings(t, dir), Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + s.Addr()
	tokens := signIn(t, base)
	if err := s.Stop(t.Context()); err != nil {
		t.Fatalf("stopping: %v", err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatalf("stopping again: %v", err)
	}

	again := start(t, settings(t, dir), Options{})
	answer, text := call(t, "POST", "http://"+again.Addr()+"/v1/token/refresh", `{"refresh_token":"`+tokens["refresh_token"].(string)+`"}`)
	if answer.StatusCode != http.StatusOK {
		t.Errorf("a refresh after the restart: %d %s", answer.StatusCode, text)
	}
	if strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the log tells of errors:\n%s", &log)
	}
	for file, mode := range map[string]os.FileMode{"": 0o700, "master.key": 0o600, "security.log": 0o600} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, want %v (%v)", file, info.Mode().Perm(), mode, err)
		}
	}
	lines := securityLog(t, dir)
	for _, name := range []string{"server_started", "key_created", "signup_started", "sms_sent", "account_created", "successful_login", "server_stopped"} {
		if !strings.Contains(lines, `"event":"`+name+`"`) {
			t.Errorf("the security log does not tell of %s", name)
		}
	}
}

func securityLog(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestIssuerHasTheTakenPort(t *testing.T) {
	s := start(t, settings(t, t.TempDir()), Options{})
	_, text := call(t, "GET", "http://"+s.Addr()+"/.well-known/oauth-authorization-server", "")
	if !strings.Contains(text, `"issuer":"http://`+s.Addr()+`"`) {
		t.Errorf("metadata %s, want the issuer http://%s", text, s.Addr())
	}
}

// What a listener serves, and what it does not.
func TestC83NothingOfTheOperatorsIsPublic(t *testing.T) {
	s := start(t, settings(t, t.TempDir()), Options{})
	for path, want := range map[string][2]int{
		"/healthz":               {200, 200},
		"/readyz":                {200, 200},
		"/openapi.json":          {200, 200},
		"/":                      {200, 404},
		"/docs":                  {200, 200},
		"/dev/inbox":             {200, 404},
		"/.well-known/jwks.json": {200, 404},
		"/v1/me":                 {401, 404},
		"/admin/v1/users":        {404, 404},
		"/admin/v1/stats":        {404, 401},
		"/console":               {404, 404},
		"/metrics":               {404, 200},
		"/debug/pprof/":          {404, 404},
		"/nothing":               {404, 404},
		"//v1/me":                {404, 404},
		"/v1/%6de":               {404, 404},
		"/x/../v1/me":            {404, 404},
	} {
		for i, address := range []string{s.Addr(), s.OperatorAddr()} {
			answer, _ := call(t, "GET", "http://"+address+path, "")
			if answer.StatusCode != want[i] {
				t.Errorf("%s on listener %d: %d, want %d", path, i, answer.StatusCode, want[i])
			}
			if id := answer.Header.Get("X-Request-Id"); id == "" {
				t.Errorf("%s on listener %d: no X-Request-Id", path, i)
			}
		}
	}
}

func TestC93HeadersOnEveryAPIAnswer(t *testing.T) {
	s := start(t, settings(t, t.TempDir(), "ALLOWED_ORIGINS=https://a.example"), Options{})
	for _, path := range []string{"/v1/me", "/healthz", "/readyz", "/openapi.json", "/nothing"} {
		answer, _ := call(t, "GET", "http://"+s.Addr()+path, "", "Origin", "https://a.example")
		for name, want := range map[string]string{
			"X-Content-Type-Options":        "nosniff",
			"Referrer-Policy":               "no-referrer",
			"Content-Security-Policy":       "default-src 'none'; frame-ancestors 'none'",
			"Cache-Control":                 "no-store",
			"Access-Control-Allow-Origin":   "https://a.example",
			"Access-Control-Expose-Headers": "X-Request-Id, Retry-After, DPoP-Nonce",
			"Strict-Transport-Security":     "",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		answer, _ = call(t, "GET", "http://"+s.Addr()+path, "", "Origin", "https://b.example")
		if got := answer.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: another origin is allowed: %q", path, got)
		}
	}
}

func TestReadyzNamesTheDatabase(t *testing.T) {
	s := start(t, settings(t, t.TempDir()), Options{})
	s.health.ping = func(context.Context) error { return io.ErrUnexpectedEOF }
	answer, text := call(t, "GET", "http://"+s.OperatorAddr()+"/readyz", "")
	if answer.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, `"database"`) {
		t.Errorf("%d %s, want 503 that names the database", answer.StatusCode, text)
	}
	if answer, _ := call(t, "GET", "http://"+s.OperatorAddr()+"/healthz", ""); answer.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d while the process lives", answer.StatusCode)
	}
}

func TestRunTellsWhereToGo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	stop := writer(func(b []byte) (int, error) {
		cancel()
		return out.Write(b)
	})
	if err := Run(ctx, settings(t, t.TempDir()), Options{}, stop); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{
		`Front page +http://127\.0\.0\.1:\d+/\n`, `Inbox +http://127\.0\.0\.1:\d+/dev/inbox\n`, `API +http://127\.0\.0\.1:\d+/docs\n`,
		`Operators +http://127\.0\.0\.1:\d+/readyz\n`, `curl -s http://127\.0\.0\.1:\d+/v1/signup -H 'Content-Type: application/json' -d '{"phone_number":"\+14155550100"}'`,
	} {
		if !regexp.MustCompile(pattern).Match(out.Bytes()) {
			t.Errorf("not told: %s\n%s", pattern, &out)
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
