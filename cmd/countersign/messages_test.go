package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMessages(t *testing.T) {
	_, env := dataDir(t)
	code, text, stderr := command(t, env, "messages", "list")
	if code != exitOK || stderr != "" || !strings.Contains(text, "no such messages") {
		t.Errorf("list: exit %d\n%s%s", code, text, stderr)
	}
	code, text, _ = command(t, env, "messages", "list", "--json", "--request", "x", "--limit", "3")
	var answer struct {
		Messages *[]struct{} `json:"messages"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || code != exitOK || answer.Messages == nil {
		t.Errorf("list --json: exit %d, %v\n%s", code, err, text)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"list --state lost", exitFailed, "--state has to be one of queued"},
		{"list --limit 201", exitFailed, "--limit has to be 1 to 200"},
		{"list --number 12", exitFailed, "no phone number"},
		{"explain", exitUsage, "1 arg"},
		{"explain nothing", exitFailed, "no message nothing"},
	} {
		code, stdout, stderr := command(t, env, append([]string{"messages"}, strings.Fields(c.args)...)...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("messages %s: exit %d, %s%s", c.args, code, stdout, stderr)
		}
	}
}

// Every refusal is told, what the settings show alone and what they show to a
// provider's kind, and no secret among them.
func TestConfigCheckTellsOfProviders(t *testing.T) {
	path, texts := filepath.Join(t.TempDir(), "c.yaml"), filepath.Join(t.TempDir(), "texts.yaml")
	if err := os.WriteFile(texts, []byte(`en: {login: "{app}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "sms_countries: [US]\nsms_budget: {day: 1}\nsms_templates: " + texts + "\nsms_providers:\n" +
		"- kind: twilio\n  account_sid: AC1\n  auth_token: ${TOKEN}\n  from: '+15005550006'\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := command(t, nil, "config", "check", "--config", path)
	if code != exitFailed || !strings.Contains(stderr, "sms_providers[twilio].auth_token (file "+path+" line 7)") || !strings.Contains(stderr, "TOKEN is not set") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	code, _, stderr = command(t, []string{"TOKEN=c4nary"}, "config", "check", "--config", path)
	if code != exitFailed || !strings.Contains(stderr, "sms_providers[twilio].account_sid: ") || !strings.Contains(stderr, "sms_templates = "+texts) || strings.Contains(stderr, "c4nary") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
}
