package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

// type one command line and see how it ends.
func command(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, env, &out, &errs)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	none := t.TempDir()
	bad := filepath.Join(none, "texts.yaml")
	if err := os.WriteFile(bad, []byte(`en: {login: "{app}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		env  string
		code int
		says string // on either stream
	}{
		{"", "", exitOK, "serve"},
		{"--help", "", exitOK, "serve"},
		{"version", "", exitOK, "countersign "},
		{"config reference", "", exitOK, "#listen: 127.0.0.1:8420"},
		{"config check", "", exitOK, "fine"},
		{"config", "", exitOK, "reference"},
		{"config check --code-ttl 2m --limits-disabled", "", exitOK, "fine"},
		{"serve --help", "", exitOK, "--public-url"},

		{"config check --code-ttl 1s", "", exitFailed, "code_ttl"},
		{"config check", "COUNTERSIGN_LISTN=x", exitFailed, "COUNTERSIGN_LISTEN"},
		{"config check --config no/such/file", "", exitFailed, "no/such/file"},
		{"serve --limits-disabled --operator-listen 192.0.2.1:1", "", exitFailed, "limits_disabled"},
		{"backup copy --data-dir " + none, "", exitFailed, "no database"},
		{"log verify file --data-dir " + none, "", exitFailed, "no database"},

		{"config reference", "", exitOK, "#   begin_address=60/1h"},
		{"config check --limits begin_address=600/1h,send_number_hour=7/1h", "", exitOK, "fine"},
		{"apikey --help", "", exitOK, "revoke"},
		{"apikey create --help", "", exitOK, "clients:forward"},
		{"stats --help", "", exitOK, "--window"},

		{"config check --sms-templates " + bad, "", exitFailed, "sms_templates = " + bad + ": en, login: must have {code}"},
		{"config check --android-app-hash short", "", exitFailed, "android_app_hash"},
		{"config check --limits begin_adress=600/1h", "", exitFailed, "did you mean begin_address?"},
		{"config check --limits send_number_hour=0/1h", "", exitFailed, "from 1 to 1000"},
		{"config check --limits send_number_day=7/1h", "", exitFailed, "write it as 7/24h"},
		{"config check --test-numbers-until 2020-01-01", "COUNTERSIGN_TEST_NUMBERS=+15005550006=123456", exitFailed, "is in the past"},
		{"apikey list --data-dir " + none, "", exitFailed, "no database"},
		{"sessions end --all --data-dir " + none, "", exitFailed, "no database"},
		{"sessions --help", "", exitOK, "restore"},
		{"stats --data-dir " + none, "", exitFailed, "no database"},
		{"user unlock +14155550100 --data-dir " + none, "", exitFailed, "no database"},

		{"doctor", "", exitOK, "sms_providers      ok     not set: messages go to the development inbox"},
		{"doctor --json", "", exitOK, `"ok": true`},
		{"doctor --send 12", "", exitFailed, "--send: "},
		{"doctor --yes", "", exitUsage, "--send"},
		{"doctor now", "", exitUsage, "now"},

		{"move --help", "", exitOK, "COUNTERSIGN_DATABASE_URL"},
		{"move --data-dir " + none, "", exitFailed, "where to?"},
		{"move --data-dir " + none, "COUNTERSIGN_DATABASE_URL=postgres://127.0.0.1:1/none", exitFailed, "no database"},
		{"move --to postgres://127.0.0.1:1/none --data-dir " + none, "", exitFailed, "no database"},
		{"move --to mysql://127.0.0.1/none --data-dir " + none, "COUNTERSIGN_DATABASE_URL=postgres://127.0.0.1:1/none", exitFailed, "must begin with postgres://"},
		{"move here", "", exitUsage, "here"},

		{"server", "", exitUsage, `unknown command "server"`},
		{"config chek", "", exitUsage, "chek"},
		{"serve now", "", exitUsage, "now"},
		{"serve --lissten x", "", exitUsage, "--lissten"},
		{"serve --master-key x", "", exitUsage, "--master-key"},
		{"backup", "", exitUsage, "1 arg"},
		{"sessions end", "", exitUsage, "say --all"},
		{"sessions end all", "", exitUsage, "all"},
		{"log verify", "", exitUsage, "at least 1"},
	} {
		code, stdout, stderr := command(t, []string{c.env}, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stdout+stderr, c.says) {
			t.Errorf("countersign %s: exit %d, want %d and %q in\n%s%s", c.args, code, c.code, c.says, stdout, stderr)
		}
		if (code == exitOK) != (stderr == "") {
			t.Errorf("countersign %s: exit %d with %q on standard error", c.args, code, stderr)
		}
	}
}

func TestEverySettingHasItsFlag(t *testing.T) {
	_, help, _ := command(t, nil, "serve", "--help")
	for _, s := range config.Settings() {
		if s.Flag != "" && !strings.Contains(help, "--"+s.Flag+" ") && !strings.Contains(help, "--"+s.Flag+"[") {
			t.Errorf("serve has no --%s", s.Flag)
		}
	}
}

func TestReferenceListsEveryLimitAndAlert(t *testing.T) {
	_, reference, _ := command(t, nil, "config", "reference")
	for _, named := range append(server.LimitTable(), server.AlertTable()...) {
		if !strings.Contains(reference, "#   "+named.Name+"="+named.Rate.String()+"\n") {
			t.Errorf("%s is missing", named.Name)
		}
	}
}

// One directory's life: made, served over, backed up, its log checked and then
// spoilt.
func TestLifeOfADataDirectory(t *testing.T) {
	dir := t.TempDir()
	env := []string{"COUNTERSIGN_DATA_DIR=" + filepath.Join(dir, "data"), "COUNTERSIGN_LISTEN=127.0.0.1:0", "COUNTERSIGN_OPERATOR_LISTEN=127.0.0.1:0"}
	want := func(code int, says string, args ...string) {
		t.Helper()
		got, stdout, stderr := command(t, env, args...)
		if got != code || !strings.Contains(stdout+stderr, says) {
			t.Errorf("countersign %v: exit %d, want %d and %q in\n%s%s", args, got, code, says, stdout, stderr)
		}
	}
	want(exitOK, "this release's schema", "migrate")
	serve(t, env)
	log := filepath.Join(dir, "data", "security.log")
	want(exitOK, "all as they were written", "log", "verify", log)
	want(exitOK, "NOT in it", "backup", filepath.Join(dir, "copy"))
	want(exitFailed, "copy", "backup", filepath.Join(dir, "copy"))
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.Join(bytes.SplitAfter(text, []byte("\n"))[:2], nil)
	if err := os.WriteFile(log, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	want(exitFailed, log+" line 3", "log", "verify", log)
	want(exitOK, "2 lines", "log", "verify", "--part", log)
}

// serve runs the server until it has told where to go.
func serve(t *testing.T, env []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	told := writer(func(b []byte) (int, error) {
		cancel()
		return len(b), nil
	})
	var errs bytes.Buffer
	if code := run(ctx, []string{"serve"}, env, told, &errs); code != exitOK {
		t.Fatalf("serve: exit %d\n%s", code, &errs)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
