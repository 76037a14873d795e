package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// load reads settings as the environment names them, without their prefix.
func load(pairs ...string) (Config, error) {
	env := make([]string, len(pairs))
	for i, pair := range pairs {
		env[i] = EnvPrefix + pair
	}
	from := named()
	from.Env = env
	from.Now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	return Load(from)
}

func TestRefusals(t *testing.T) {
	file := writeFile(t, "file", "x")
	for _, c := range []struct {
		set     string // separated by blanks
		setting string // that is refused
		says    string
	}{
		{"LISTEN=8420", "listen", "127.0.0.1:8420"},
		{"LISTEN=127.0.0.1:http", "listen", "number from 0 to 65535"},
		{"LISTEN=127.0.0.1:99999", "listen", "number from 0 to 65535"},
		{"LISTEN=127.0.0.1:08420", "listen", "number from 0 to 65535"},
		{"LISTEN=example.com:80", "listen", "IP address or localhost"},
		{"OPERATOR_LISTEN=nowhere", "operator_listen", "127.0.0.1:8420"},
		{"OPERATOR_LISTEN=127.0.0.1:8420", "operator_listen", "port of its own"},
		{"PUBLIC_URL=id.example.com", "public_url", "absolute"},
		{"PUBLIC_URL=https://", "public_url", "absolute"},
		{"PUBLIC_URL=https://a.example/?q", "public_url", "query"},
		{"PUBLIC_URL=https://a.example/#f", "public_url", "fragment"},
		{"PUBLIC_URL=https://u@a.example", "public_url", "user"},
		{"PUBLIC_URL=https://a.example/auth", "public_url", "path"},
		{"PUBLIC_URL=ftp://a.example", "public_url", "https"},
		{"PUBLIC_URL=http://a.example", "public_url", "in the clear"},
		{"LISTEN=0.0.0.0:80 DEV=true TRUSTED_PROXIES=10.0.0.0/8", "public_url", "must be set"},
		{"TLS_CERT=" + file, "tls_cert", "needs tls_key"},
		{"TLS_KEY=" + file, "tls_key", "needs tls_cert"},
		{"TLS_CERT=none TLS_KEY=none", "tls_cert", "cannot be read"},
		{"TLS_CERT=" + file + " TLS_KEY=" + file, "tls_cert", "does not go with tls_key"},
		{"ALLOWED_ORIGINS=*", "allowed_origins", "origin"},
		{"ALLOWED_ORIGINS=null", "allowed_origins", "origin"},
		{"ALLOWED_ORIGINS=https://*.example.com", "allowed_origins", "origin"},
		{"ALLOWED_ORIGINS=https://a.example/", "allowed_origins", "origin"},
		{"ALLOWED_ORIGINS=https://A.example", "allowed_origins", "origin"},
		{"ALLOWED_ORIGINS=https://a.example:443", "allowed_origins", "origin"},
		{"ALLOWED_ORIGINS=https://a.example:", "allowed_origins", "origin"},
		{"TRUSTED_PROXIES=proxy", "trusted_proxies", "prefixes"},
		{"TRUSTED_PROXIES=10.1.0.0/8", "trusted_proxies", "10.0.0.0/8"},
		{"TRUSTED_PROXIES=0.0.0.0/0", "trusted_proxies", "whatever strangers say"},
		{"TRUSTED_PROXIES=::/0", "trusted_proxies", "whatever strangers say"},
		{"SMS_PRICES=+0=1", "sms_prices", "no beginning of numbers"},
		{"DATA_DIR=" + file, "data_dir", "not a directory"},
		{"PASSWORD_LIST=none", "password_list", "cannot be read"},
		{"PASSWORD_LIST=.", "password_list", "cannot be read"},
		{"DEFAULT_REGION=us", "default_region", "capital"},
		{"DEFAULT_REGION=USA", "default_region", "capital"},
		{"DEFAULT_REGION=XX", "default_region", "capital"},
		{"SMS_COUNTRIES=US,Germany", "sms_countries", "Germany"},
		{"TEST_NUMBERS=+15005550006", "test_numbers", "pairs"},
		{"TEST_NUMBERS=+15005550006=12345", "test_numbers", "six digits"},
		{"TEST_NUMBERS=15005550006=123456", "test_numbers", "with +"},
		{"TEST_NUMBERS=+15005550006=123456,+15005550006=123457", "test_numbers", "twice"},
		{"LIMITS_DISABLED=yes", "limits_disabled", "true or false"},
		{"CODE_TTL=59s", "code_ttl", "1m0s to 10m0s"},
		{"CODE_TTL=601s", "code_ttl", "1m0s to 10m0s"},
		{"CODE_TTL=600", "code_ttl", "unit"},
		{"ACCESS_TOKEN_TTL=0s", "access_token_ttl", "1s to 10m0s"},
		{"ACCESS_TOKEN_TTL=601s", "access_token_ttl", "1s to 10m0s"},
		{"ACCESS_TOKEN_TTL=1500ms", "access_token_ttl", "whole seconds"},
		{"JWT_KEY_ROTATION=7199s", "jwt_key_rotation", "2h0m0s to 8760h0m0s"},
		{"JWT_KEY_ROTATION=-1s", "jwt_key_rotation", "2h0m0s to 8760h0m0s"},
		{"JWT_KEY_ROTATION=8761h", "jwt_key_rotation", "2h0m0s to 8760h0m0s"},
		{"REFRESH_GRACE=-1s", "refresh_grace", "0s to 1m0s"},
		{"REFRESH_GRACE=61s", "refresh_grace", "0s to 1m0s"},
		{"REAUTH_WINDOW=0s", "reauth_window", "1s to 24h"},
		{"SESSION_IDLE_TIMEOUT=9000h", "session_idle_timeout", "longer than session_lifetime"},
		{"SESSION_LIFETIME=0s SESSION_IDLE_TIMEOUT=1s", "session_lifetime", "1s to"},
		{"PASSWORD_MIN_LENGTH=7", "password_min_length", "8 to 64"},
		{"PASSWORD_MIN_LENGTH=65", "password_min_length", "8 to 64"},
		{"PASSWORD_MIN_LENGTH=eight", "password_min_length", "whole number"},
		{"APP_NAME=visit.example/now", "app_name", "at most 30"},
		{"APP_NAME=a\nb", "app_name", "at most 30"},
		{"APP_NAME=" + strings.Repeat("x", 31), "app_name", "at most 30"},
		{"LOG_FORMAT=xml", "log_format", "text or json"},
		{"LIMITS=begin_address", "limits", "pairs"},
		{"LIMITS=begin_address=60", "limits", `"begin_address": must be a number and a span`},
		{"LIMITS=begin_address=-1/1h", "limits", "must be a number and a span"},
		{"LIMITS=begin_address=10000001/1h", "limits", "0 to 10000000"},
		{"LIMITS=begin_address=1/999ms", "limits", "1s to 744h"},
		{"LIMITS=begin_address=1/745h", "limits", "1s to 744h"},
		{"LIMITS=begin_address=1/3600", "limits", "600/1h"},
		{"LIMITS=begin_address=1/1h,begin_address=2/1h", "limits", "twice"},
		{"LIMITS=begin_adress=1/1h", "limits", `no limit "begin_adress"; did you mean begin_address?`},
		{"LIMITS=stored=0/1h", "limits", `"stored": must have a number from 1 to 1000`},
		{"LIMITS=stored=1001/1h", "limits", "from 1 to 1000"},
		{"LIMITS=stored=1/721h", "limits", "from 1s to 720h"},
		{"LIMITS=fixed=7/2h", "limits", `"fixed": has a fixed span of time; write it as 7/1h`},
		{"LIMITS=xyz=1/1h", "limits", "config reference"},
		{"LIMITS=reuse=1/1h", "limits", "no limit"},
		{"ALERTS=rause=1/1h", "alerts", `no alert "rause"; did you mean reuse?`},
		{"ALERT_QUIET=59s", "alert_quiet", "1m0s to 24h"},
		{"ALERT_QUIET=25h", "alert_quiet", "1m0s to 24h"},
		{"LIMITER_MEMORY=7", "limiter_memory", "8 to 65536"},
		{"LIMITER_MEMORY=65537", "limiter_memory", "8 to 65536"},
		{"SEND_GUARD=off", "send_guard", "enforce or monitor"},
		{"CAPTCHA_PROVIDER=friendly", "captcha_provider", "altcha, hcaptcha, turnstile, recaptcha or off"},
		{"CAPTCHA_PROVIDER=hcaptcha CAPTCHA_SECRET=s", "captcha_site_key", "must be set"},
		{"CAPTCHA_PROVIDER=turnstile CAPTCHA_SITE_KEY=k", "captcha_secret", "must be set"},
		{"CAPTCHA_SITE_KEY=k", "captcha_site_key", "leave it out"},
		{"CAPTCHA_PROVIDER=altcha CAPTCHA_SECRET=s", "captcha_secret", "leave it out"},
		{"CAPTCHA_PROVIDER=off CAPTCHA_FAIL_OPEN=true", "captcha_fail_open", "leave it out"},
		{"SMS_PRICES=US", "sms_prices", "pairs"},
		{"SMS_PRICES=us=1", "sms_prices", `"us"`},
		{"SMS_PRICES=+=1", "sms_prices", "+49151"},
		{"SMS_PRICES=49=1", "sms_prices", "+49151"},
		{"SMS_PRICES=US=1e3", "sms_prices", `"US": must be an amount`},
		{"SMS_PRICES=US=-1", "sms_prices", "amount"},
		{"SMS_PRICES=US=0.0000001", "sms_prices", "six digits"},
		{"SMS_PRICES=US=1234567890", "sms_prices", "amount"},
		{"SMS_BUDGET=20", "sms_budget", "pairs"},
		{"SMS_BUDGET=week=20", "sms_budget", "an hour, a day or a month"},
		{"SMS_BUDGET=US/week=20", "sms_budget", "an hour, a day or a month"},
		{"SMS_BUDGET=USA/day=20", "sms_budget", "country"},
		{"SMS_BUDGET=/day=20", "sms_budget", "country"},
		{"SMS_BUDGET=day=0", "sms_budget", "more than 0"},
		{"SMS_BUDGET=day=0.1.2", "sms_budget", "amount"},
		{"SMS_BUDGET_STRANGERS_PCT=0", "sms_budget_strangers_pct", "1 to 100"},
		{"SMS_BUDGET_STRANGERS_PCT=101", "sms_budget_strangers_pct", "1 to 100"},
		{"TEST_NUMBERS_UNTIL=soon", "test_numbers_until", "2026-12-31"},
		{"TEST_NUMBERS=+15005550006=123456 TEST_NUMBERS_UNTIL=2026-07-31", "test_numbers_until", "is in the past; give a later one or remove test_numbers"},
	} {
		_, err := load(strings.Split(c.set, " ")...)
		refusals, ok := err.(Refusals)
		if !ok {
			t.Errorf("%s: got %v, want it refused", c.set, err)
			continue
		}
		found := false
		for _, r := range refusals {
			found = found || r.Setting == c.setting && strings.Contains(r.Problem, c.says)
		}
		if !found {
			t.Errorf("%s: got\n%v\nwant %s refused with %q", c.set, err, c.setting, c.says)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	for _, set := range []string{"MASTER_KEY=hunter2-hunter2", "TEST_NUMBERS=+15005550006=hunter2", "CAPTCHA_SECRET=hunter2"} {
		_, err := load(set)
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "5005550006") && !strings.Contains(err.Error(), "+15005550006=123456") {
			t.Errorf("%s: %v", set, err)
		}
		if err != nil && !strings.Contains(err.Error(), "[redacted] (environment COUNTERSIGN_") {
			t.Errorf("%s: the value's place is not marked: %v", set, err)
		}
	}
	for _, s := range Settings() {
		if s.Secret && s.Flag != "" {
			t.Errorf("%s: a secret has a flag, which the list of processes shows", s.Name)
		}
	}
}

func TestC36LimitsDisabledOffLoopbackIsRefused(t *testing.T) {
	for _, listeners := range [][]string{
		{"LISTEN=0.0.0.0:8420"}, {"OPERATOR_LISTEN=10.0.0.1:8421"}, {"LISTEN=:8420"}, {"LISTEN=[::]:8420"},
	} {
		others := append(listeners, "LIMITS_DISABLED=true", "DEV=true", "TRUSTED_PROXIES=10.0.0.0/8", "PUBLIC_URL=https://a.example")
		_, err := load(others...)
		if err == nil || !strings.HasPrefix(err.Error(), "limits_disabled") {
			t.Errorf("%v: %v", listeners, err)
		}
	}
	if _, err := load("LIMITS_DISABLED=true", "LISTEN=[::1]:8420", "OPERATOR_LISTEN=localhost:8421"); err != nil {
		t.Errorf("both on loopback: %v", err)
	}
}

func TestC83InboxOffLoopbackIsRefused(t *testing.T) {
	off := []string{"LISTEN=0.0.0.0:8420", "TRUSTED_PROXIES=10.0.0.0/8", "PUBLIC_URL=https://a.example"}
	if _, err := load(off...); err == nil || !strings.Contains(err.Error(), "--dev") {
		t.Errorf("the inbox for everybody: %v", err)
	}
	if _, err := load(append(off, "DEV=true")...); err != nil {
		t.Errorf("under --dev: %v", err)
	}
}

func TestC92OffLoopbackNeedsTLS(t *testing.T) {
	for _, listener := range []string{"LISTEN=192.0.2.1:8420", "OPERATOR_LISTEN=192.0.2.1:8421"} {
		set := []string{listener, "DEV=true", "PUBLIC_URL=https://a.example"}
		if _, err := load(set...); err == nil || !strings.Contains(err.Error(), "tls_cert") {
			t.Errorf("%s in the clear: %v", listener, err)
		}
		if _, err := load(append(set, "TRUSTED_PROXIES=192.0.2.2")...); err != nil {
			t.Errorf("%s behind a proxy: %v", listener, err)
		}
		cert, key := newPair(t)
		if _, err := load(append(set, "TLS_CERT="+cert, "TLS_KEY="+key)...); err != nil {
			t.Errorf("%s with TLS: %v", listener, err)
		}
	}
}

// newPair gives the paths of a certificate and its key.
func newPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return writeFile(t, "cert.pem", block("CERTIFICATE", der)), writeFile(t, "key.pem", block("PRIVATE KEY", pkcs8))
}
