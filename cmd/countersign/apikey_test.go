package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/server"
)

// dataDir makes a data directory that no server runs over.
func dataDir(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	env = []string{"COUNTERSIGN_DATA_DIR=" + dir, "COUNTERSIGN_LISTEN=127.0.0.1:0", "COUNTERSIGN_OPERATOR_LISTEN=127.0.0.1:0"}
	serve(t, env)
	return dir, env
}

// The life of a key: made, shown once and alone, listed, ended. In the database
// is its hash.
func TestC81AnAPIKeyIsShownOnce(t *testing.T) {
	dir, env := dataDir(t)
	code, key, about := command(t, env, "apikey", "create", "--name", "shop back end", "--scopes", "stats:read, clients:forward", "--expires", "720h")
	if code != exitOK || !regexp.MustCompile(`^cs_[A-Za-z0-9_-]{43}\n$`).MatchString(key) {
		t.Fatalf("create: exit %d, standard output %q, standard error %q", code, key, about)
	}
	key = strings.TrimSpace(key)
	if strings.Contains(about, key) || !strings.Contains(about, "not shown again") {
		t.Errorf("about the key: %q", about)
	}
	_, other, _ := command(t, env, "apikey", "create", "--name", "other", "--scopes", "introspect")
	if strings.TrimSpace(other) == key {
		t.Error("two keys are the same")
	}

	code, list, stderr := command(t, env, "apikey", "list")
	rows := strings.Split(strings.TrimSpace(list), "\n")
	if code != exitOK || stderr != "" || len(rows) != 3 {
		t.Fatalf("list: exit %d\n%s%s", code, list, stderr)
	}
	const when = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`
	for i, want := range []string{
		`^ID +NAME +SCOPES +CREATED +EXPIRES +REVOKED$`,
		`^[0-9a-f-]{36} +shop back end +stats:read,clients:forward +` + when + ` +` + when + ` +no$`,
		`^[0-9a-f-]{36} +other +introspect +` + when + ` +never +no$`,
	} {
		if !regexp.MustCompile(want).MatchString(rows[i]) {
			t.Errorf("row %q, want %s", rows[i], want)
		}
	}
	id := strings.Fields(rows[1])[0]
	for _, which := range []string{id, "other"} {
		if code, out, errs := command(t, env, "apikey", "revoke", which); code != exitOK || !strings.Contains(out, "revoked") {
			t.Errorf("revoke %s: exit %d, %s%s", which, code, out, errs)
		}
		if code, _, errs := command(t, env, "apikey", "revoke", which); code != exitFailed || !strings.Contains(errs, which) {
			t.Errorf("revoke %s again: exit %d, %s", which, code, errs)
		}
	}
	_, list, _ = command(t, env, "apikey", "list")
	if got := regexp.MustCompile(`(?m)`+when+`$`).FindAllString(list, -1); len(got) != 2 {
		t.Errorf("%d keys are shown as revoked, want 2:\n%s", len(got), list)
	}

	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte(strings.TrimPrefix(key, "cs_"))) {
			t.Errorf("%s holds the key itself (%v)", file, err)
		}
	}
}

func TestAPIKeyRefusals(t *testing.T) {
	_, env := dataDir(t)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"create"}, exitUsage, `"name", "scopes" not set`},
		{[]string{"create", "--scopes", "stats:read"}, exitUsage, `"name" not set`},
		{[]string{"create", "--name", "n"}, exitUsage, `"scopes" not set`},
		{[]string{"create", "--name", "", "--scopes", "stats:read"}, exitFailed, "--name has to be"},
		{[]string{"create", "--name", "n", "--scopes", "stats:raed"}, exitFailed, strings.Join(server.Scopes(), ", ")},
		{[]string{"create", "--name", "n", "--scopes", ""}, exitFailed, "--scopes has to name at least one"},
		{[]string{"create", "--name", "n", "--scopes", "stats:read", "--expires", "-1h"}, exitFailed, "--expires must not be negative"},
		{[]string{"create", "--name", "n", "--scopes", "stats:read", "--expires", "soon"}, exitUsage, "expires"},
		{[]string{"revoke"}, exitUsage, "1 arg"},
		{[]string{"revoke", "nothing"}, exitFailed, "no API key"},
	} {
		code, stdout, stderr := command(t, env, append([]string{"apikey"}, c.args...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("apikey %v: exit %d, want %d and %q in\n%s%s", c.args, code, c.code, c.says, stdout, stderr)
		}
	}
	if _, list, _ := command(t, env, "apikey", "list"); strings.Count(list, "\n") != 1 {
		t.Errorf("a refused key was made:\n%s", list)
	}
	create := []string{"apikey", "create", "--name", "n", "--scopes", "stats:read"}
	command(t, env, create...)
	if code, _, stderr := command(t, env, create...); code != exitFailed || !strings.Contains(stderr, "another") {
		t.Errorf("the same name again: exit %d, %s", code, stderr)
	}
}

// A key that nobody saw is of no use: the failure says so, and how to be rid of it.
func TestAKeyThatCannotBeShown(t *testing.T) {
	_, env := dataDir(t)
	broken := writer(func([]byte) (int, error) { return 0, fmt.Errorf("broken pipe") })
	var errs bytes.Buffer
	code := run(t.Context(), []string{"apikey", "create", "--name", "n", "--scopes", "stats:read"}, env, broken, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), "revoke it") {
		t.Errorf("exit %d, %s", code, &errs)
	}
}

func TestStats(t *testing.T) {
	_, env := dataDir(t)
	code, text, stderr := command(t, env, "stats", "--window", "24h")
	if code != exitOK || stderr != "" || !strings.Contains(text, "accounts made") {
		t.Errorf("stats: exit %d\n%s%s", code, text, stderr)
	}
	code, text, _ = command(t, env, "stats", "--json")
	var answer struct {
		SignIns *[]struct{} `json:"sign_ins"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || code != exitOK || answer.SignIns == nil {
		t.Errorf("stats --json: exit %d, %v\n%s", code, err, text)
	}
	for _, window := range []string{"59s", "2161h", "-1h"} {
		if code, _, stderr := command(t, env, "stats", "--window", window); code != exitFailed || !strings.Contains(stderr, "--window") {
			t.Errorf("stats --window %s: exit %d, %s", window, code, stderr)
		}
	}
}

// Beside a server that runs, commands work, and the server goes on.
func TestCommandsBesideARunningServer(t *testing.T) {
	dir, env := dataDir(t)
	ctx, stop := context.WithCancel(t.Context())
	running := make(chan struct{})
	told := writer(func(b []byte) (int, error) {
		select {
		case <-running:
		default:
			close(running)
		}
		return len(b), nil
	})
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve"}, env, told, &bytes.Buffer{}) }()
	<-running
	for _, args := range []string{
		"apikey create --name n --scopes stats:read", "apikey list", "apikey revoke n", "stats",
	} {
		if code, _, stderr := command(t, env, strings.Fields(args)...); code != exitOK {
			t.Errorf("%s beside a server: exit %d, %s", args, code, stderr)
		}
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("serve: exit %d", code)
	}
	log, err := os.ReadFile(filepath.Join(dir, "security.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"api_key_created", "api_key_revoked"} {
		if !bytes.Contains(log, []byte(`"event":"`+name+`"`)) {
			t.Errorf("the server's log does not tell of %s", name)
		}
	}
}
