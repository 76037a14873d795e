package config

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the golden files anew")

// writeFile gives the path of a new file with that text.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// named are limits and alerts that settings may change, for tests.
func named() Sources {
	hour := Rate{N: 60, Window: time.Hour}
	return Sources{
		Limits: []Named{
			{Name: "begin_address", Rate: hour, Doc: "Codes asked for from an address (IPv6: a network of 64 bits), by people who are not known there yet."},
			{Name: "send_prefix", Rate: Rate{N: 20, Window: 90 * time.Minute}, Doc: "Messages."},
			{Name: "stored", Rate: hour, Doc: "Bounded.", Least: Rate{N: 1}, Most: Rate{N: 1000, Window: 720 * time.Hour}},
			{Name: "fixed", Rate: hour, Doc: "Hourly.", Least: Rate{N: 1, Window: time.Hour}, Most: Rate{Window: time.Hour}},
		},
		Providers: kinds(),
		Alerts:    []Named{{Name: "reuse", Rate: Rate{N: 5, Window: 10 * time.Minute}, Doc: "Refresh tokens used again."}},
	}
}

func TestLoadDefaults(t *testing.T) {
	c, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "127.0.0.1:8420", OperatorListen: "127.0.0.1:8421",
		PublicURL: "http://127.0.0.1:8420", Audience: "http://127.0.0.1:8420",
		DataDir: "./data", AppName: "Countersign", LogFormat: "text",
		CodeTTL: 10 * time.Minute, AccessTokenTTL: 5 * time.Minute, JWTKeyRotation: 720 * time.Hour, RefreshGrace: 10 * time.Second,
		SessionIdleTimeout: 720 * time.Hour, SessionLifetime: 8760 * time.Hour, ReauthWindow: 10 * time.Minute,
		PasswordMinLength: 8, SMSBudgetStrangersPct: 80, SendGuard: "enforce", LimiterMemory: 64, AlertQuiet: 15 * time.Minute, SMSCurrency: "USD", SMSRouting: "learn",
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestFlagOverEnvironmentOverFile(t *testing.T) {
	file := writeFile(t, "c.yaml", "app_name: File\nlog_format: json\ncode_ttl: 2m\n")
	c, err := Load(Sources{
		File:  file,
		Env:   []string{"COUNTERSIGN_APP_NAME=Env", "COUNTERSIGN_LOG_FORMAT=text", "COUNTERSIGN_CODE_TTL=", "OTHER=x"},
		Flags: map[string]string{"app-name": "Flag"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.AppName != "Flag" || c.LogFormat != "text" || c.CodeTTL != 2*time.Minute {
		t.Errorf("got %q %q %v, want the flag's, the environment's and (its empty value being none) the file's", c.AppName, c.LogFormat, c.CodeTTL)
	}
}

func TestLoadFileForms(t *testing.T) {
	file := writeFile(t, "c.yaml", strings.Join([]string{
		"# a comment",
		"listen: '127.0.0.1:9000'",
		"public_url: https://id.example.com/",
		"allowed_origins: [https://a.example, 'http://localhost:3000']",
		"trusted_proxies:",
		"  - 10.0.0.0/8",
		"  - ::1",
		"default_region: NO",
		"sms_countries: US, NO",
		"test_numbers:",
		"  +15005550006: 012345",
		"password_min_length: 12",
		"limits_disabled: true",
		"refresh_grace: 0s",
		"jwt_key_rotation: 0",
		"audience:",
	}, "\n"))
	c, err := Load(Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Listen: "127.0.0.1:9000", PublicURL: "https://id.example.com", Audience: "https://id.example.com",
		AllowedOrigins: []string{"https://a.example", "http://localhost:3000"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		DefaultRegion:  "NO", SMSCountries: []string{"US", "NO"},
		TestNumbers:       map[string]string{"+15005550006": "012345"},
		PasswordMinLength: 12, LimitsDisabled: true,
	}
	ignore := cmpopts.IgnoreFields(Config{}, "OperatorListen", "DataDir", "AppName", "LogFormat", "CodeTTL", "AccessTokenTTL", "SessionIdleTimeout", "SessionLifetime", "ReauthWindow",
		"SMSBudgetStrangersPct", "SendGuard", "LimiterMemory", "AlertQuiet", "SMSCurrency", "SMSRouting")
	if diff := cmp.Diff(want, c, ignore, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUnreadableFiles(t *testing.T) {
	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
	for name, text := range map[string]string{
		"not YAML":  "master_key: \"" + secret + "\nlisten: [",
		"a list":    "- listen",
		"a word":    "listen",
		"two parts": "listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n",
		"twice":     "listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n",
		"too large": "# " + strings.Repeat("x", maxFile),
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, "c.yaml", text)
			_, err := Load(Sources{File: path})
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v, want a refusal that names the file", err)
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error shows the file's lines: %v", err)
			}
		})
	}
	if _, err := Load(Sources{File: "no/such/file"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestAllRefusalsAtOnce(t *testing.T) {
	file := writeFile(t, "c.yaml", "app_name: ok\nlissten: x\ncode_ttl: 11m\nlog_format: &a text\n")
	_, err := Load(Sources{
		File:  file,
		Env:   []string{"COUNTERSIGN_CODE_TLL=hidden-value", "COUNTERSIGN_QQQQQQQQQQ=1", "COUNTERSIGN_REFRESH_GRACE=soon"},
		Flags: map[string]string{"password-min-length": "7"},
	})
	var refusals Refusals
	if !errors.As(err, &refusals) {
		t.Fatalf("got %v, want refusals", err)
	}
	want := []string{
		"lissten (file " + file + " line 2): there is no such setting; did you mean listen?",
		"log_format (file " + file + " line 4): must be a plain value",
		"COUNTERSIGN_CODE_TLL (environment): there is no such setting; did you mean COUNTERSIGN_CODE_TTL?",
		"COUNTERSIGN_QQQQQQQQQQ (environment): there is no such setting; `countersign config reference`",
		`refresh_grace = "soon" (environment COUNTERSIGN_REFRESH_GRACE): must be a span of time with its unit`,
		`code_ttl = "11m" (file ` + file + " line 3): must be 1m0s to 10m0s",
		`password_min_length = "7" (flag --password-min-length): must be 8 to 64`,
	}
	for i, line := range strings.Split(err.Error(), "\n") {
		if i >= len(want) || !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d: %s", i, line)
		}
	}
	if len(refusals) != len(want) {
		t.Errorf("%d refusals, want %d", len(refusals), len(want))
	}
	if strings.Contains(err.Error(), "hidden-value") {
		t.Error("the value of an unknown name is told")
	}
}

func TestNamesOfLaterReleases(t *testing.T) {
	for env, word := range map[string]string{
		"COUNTERSIGN_SUPABASE_ENABLED=true": "Supabase",
	} {
		_, err := Load(Sources{Env: []string{env}})
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", env, err)
		}
	}
	if _, err := Load(Sources{Env: []string{"COUNTERSIGN_SUPABASE_ENABLED="}}); err != nil {
		t.Errorf("an empty value is no value: %v", err)
	}
}

// A cluster names its services in the environment of every container.
func TestKubernetesNamesAreNotSettings(t *testing.T) {
	_, err := Load(Sources{Env: []string{
		"COUNTERSIGN_SERVICE_HOST=10.0.0.1", "COUNTERSIGN_SERVICE_PORT=80", "COUNTERSIGN_SERVICE_PORT_HTTP=80",
		"COUNTERSIGN_PORT=tcp://10.0.0.1:80", "COUNTERSIGN_PORT_80_TCP=tcp://10.0.0.1:80", "COUNTERSIGN_PORT_80_TCP_ADDR=10.0.0.1",
		"COUNTERSIGN_OPERATOR_SERVICE_HOST=10.0.0.2", "COUNTERSIGN_OPERATOR_PORT=tcp://10.0.0.2:80",
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestReference(t *testing.T) {
	got := Reference(named().Limits, named().Alerts, kinds())
	path := filepath.Join("testdata", "reference.yaml")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got; -update writes it anew):\n%s", diff)
	}
}

// What the reference shows is a file that can be used.
func TestReferenceUncommentedIsTheDefaults(t *testing.T) {
	var lines []string
	for line := range strings.Lines(Reference(named().Limits, named().Alerts, kinds())) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			lines = append(lines, strings.TrimPrefix(line, "#"))
		}
	}
	if len(lines) != len(Settings()) {
		t.Fatalf("%d lines for %d settings", len(lines), len(Settings()))
	}
	got, err := Load(Sources{File: writeFile(t, "c.yaml", strings.Join(lines, ""))})
	if err != nil {
		t.Fatal(err)
	}
	want, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-default +read):\n%s", diff)
	}
}

// Every setting has a name, a doc and a default that can be read; the names
// that API.md fixes are there.
func TestSettingsAreWhole(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Settings() {
		if s.Name == "" || s.Doc == "" || names[s.Env] {
			t.Errorf("%+v: no name, no doc, or its name twice", s)
		}
		names[s.Env] = true
		if s.Default != "" {
			if err := s.set(&Config{}, s.Default); err != nil {
				t.Errorf("%s: its default: %v", s.Name, err)
			}
		}
	}
	for _, fixed := range strings.Fields("LISTEN OPERATOR_LISTEN PUBLIC_URL AUDIENCE ALLOWED_ORIGINS TLS_CERT TLS_KEY DATA_DIR MASTER_KEY DEFAULT_REGION TRUSTED_PROXIES LIMITS_DISABLED TEST_NUMBERS CODE_TTL ACCESS_TOKEN_TTL REFRESH_GRACE PASSWORD_MIN_LENGTH SMS_COUNTRIES SESSION_IDLE_TIMEOUT SESSION_LIFETIME REAUTH_WINDOW") {
		if !names[EnvPrefix+fixed] {
			t.Errorf("%s is missing", fixed)
		}
	}
}

func FuzzLoadFile(f *testing.F) {
	f.Add("listen: 127.0.0.1:1\n")
	f.Add("test_numbers: {+15005550006: 123456}\n")
	f.Add("allowed_origins:\n- https://a.example\n")
	f.Add("a: &x [*x]\n<<: *x\n? b\n: |\n  text\n")
	f.Add("limits: {begin_address: 600/1h}\nalerts: reuse=1/1m\n")
	f.Add("sms_prices: {US: 0.008, +49151: 0.07, '*': 1}\nsms_budget: {hour: 20, US/day: 5, '*/month': 1}\n")
	f.Add("sms_providers:\n- kind: acme\n  key: ${KEY}\n  from: {US: +15005550006}\n  dlt: {login: {entity: 1, template: 2}}\n- &a {kind: [x]}\n")
	f.Add("test_numbers_until: 2026-12-31\ncaptcha_provider: off\n")
	f.Add(Reference(named().Limits, named().Alerts, kinds()))
	path := filepath.Join(f.TempDir(), "c.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		from := named()
		from.File = path
		c, err := Load(from)
		if err == nil && !sane(c) {
			t.Errorf("let through: %+v", c)
		}
		if err == nil && (c.PublicURL == "" || !Loopback(c.Listen) && !c.Dev || c.CodeTTL > 10*time.Minute) {
			t.Errorf("let through: %+v", c)
		}
	})
}

func TestIdleTimeoutFollowsAShorterLifetime(t *testing.T) {
	c, err := load("SESSION_LIFETIME=24h")
	if err != nil || c.SessionIdleTimeout != 24*time.Hour {
		t.Errorf("idle timeout %v (%v), want the lifetime's 24h", c.SessionIdleTimeout, err)
	}
}
