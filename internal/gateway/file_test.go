package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFileKeepsMessages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages")
	s := hookSender(t, "file", nil, map[string]string{"path": path})
	if sent, err := s.Send(t.Context(), hookMessage(t)); err != nil || sent.ProviderRef != hookMessage(t).ID {
		t.Fatalf("%+v, %v", sent, err)
	}
	golden := `{"id":"0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee","time":"2021-02-25T15:02:10Z","channel":"sms","to":"+919812345678","country":"IN","from":"ACMEIN",` +
		`"body":"Your code is canary-551 \u003c\u0026\"\u003e","code":"canary-551","locale":"en","purpose":"login","expires_at":"2021-02-25T15:12:10Z"}` + "\n"
	if text, err := os.ReadFile(path); err != nil || string(text) != golden {
		t.Errorf("got %s, %v", text, err)
	}
	if about, err := os.Stat(path); err != nil || about.Mode() != 0o600 {
		t.Errorf("mode %v, %v", about.Mode(), err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), hookMessage(t)); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != golden {
		t.Errorf("after the file was moved away: %s, %v", text, err)
	}
	if got := problems(s.Check(t.Context())); got != "" {
		t.Errorf("checked: %s", got)
	}
}

func TestFileHasWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "messages")
	senders := []Sender{hookSender(t, "file", nil, map[string]string{"path": path}), hookSender(t, "file", nil, map[string]string{"path": path})}
	m := hookMessage(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 10 {
				if _, err := senders[i%2].Send(t.Context(), m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	for _, line := range lines {
		if !json.Valid(line) {
			t.Errorf("no line: %s", line)
		}
	}
	if len(lines) != 80 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestFileThatIsNone(t *testing.T) {
	folder := t.TempDir()
	open := filepath.Join(folder, "open")
	if err := os.WriteFile(open, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", folder, filepath.Join(folder, "canary", "messages"), open} {
		_, err := New("file", Options{Channel: SMS, Values: secrets(map[string]string{"path": path})})
		var wrong *SettingError
		if !errors.As(err, &wrong) || wrong.Setting != "path" || strings.Contains(wrong.Problem, folder) {
			t.Errorf("%s: %v", path, err)
		}
	}
	path := filepath.Join(folder, "messages")
	s := hookSender(t, "file", nil, map[string]string{"path": path})
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := s.Send(t.Context(), hookMessage(t))
	if classOf(err) != Retry || strings.Contains(err.Error(), "canary") || problems(s.Check(t.Context())) == "" {
		t.Errorf("a file that others may read: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || len(text) != 0 {
		t.Errorf("it was written: %s, %v", text, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Send(ctx, hookMessage(t)); classOf(err) != Retry {
		t.Errorf("after the end: %v", err)
	}
	if _, err := s.Receipts(t.Context(), Callback{}); !errors.Is(err, ErrNoReceipts) {
		t.Errorf("receipts: %v", err)
	}
}
