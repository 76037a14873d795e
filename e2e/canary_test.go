package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// canaries are secrets that were sent to a server or came from it, and must not
// be found where nobody but their owner may read them.
type canaries struct {
	*house
	t       *testing.T
	secrets map[string]string // what each is
	private map[string]string // what may be stored, but not logged
}

// secret remembers one.
func (c *canaries) secret(what, value string) string {
	if value != "" && value != "-" {
		c.secrets[value] = what
	}
	return value
}

// post calls, wants the status given, and remembers every token of the answer.
// A refusal must not repeat what it refuses.
func (c *canaries) post(status int, path string, a ask) answer {
	c.t.Helper()
	return c.do(http.MethodPost, status, path, a)
}

func (c *canaries) do(method string, status int, path string, a ask) answer {
	c.t.Helper()
	got := c.must(c.t, status, method, path, a)
	for _, name := range []string{"access_token", "refresh_token", "device_token"} {
		c.secret(name, got.text(name))
	}
	if status >= http.StatusBadRequest {
		for value, what := range c.secrets {
			if strings.Contains(got.raw, value) {
				c.t.Errorf("%s %s repeats a %s: %s", method, path, what, got.raw)
			}
		}
	}
	return got
}

// code reads a challenge's message: its code, and every line that has it, are
// secrets.
func (c *canaries) code(challenge string) string {
	c.t.Helper()
	code := c.secret("code", c.house.code(c.t, challenge))
	messages, err := c.inbox("")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range messages {
		for line := range strings.Lines(m.Body) {
			if line = strings.TrimSpace(line); strings.Contains(line, code) && line != code {
				c.secret("line of a message", line)
			}
		}
	}
	return code
}

// search looks for all secrets in what was written.
func (c *canaries) search(where string, content []byte, secrets map[string]string) {
	c.t.Helper()
	for value, what := range secrets {
		for form, needle := range formsOf(value) {
			if found(content, needle) {
				c.t.Errorf("%s holds a %s, %s", where, what, form)
			}
		}
	}
}

// searchFolder looks into every file but the one that is there to hold a key.
func (c *canaries) searchFolder(dir string) {
	c.t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "master.key" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		c.search(entry.Name(), content, c.secrets)
		if strings.HasPrefix(entry.Name(), "security") {
			c.search(entry.Name(), content, c.private)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// formsOf gives the ways in which a secret may have been written.
func formsOf(value string) map[string]string {
	forms := map[string]string{
		"as it is": value, "in hex": hex.EncodeToString([]byte(value)),
		"in upper case hex": strings.ToUpper(hex.EncodeToString([]byte(value))), "in a URL": url.QueryEscape(value),
	}
	// base64 looks different at each of three places in what it encodes; the
	// characters at both ends depend on the neighbours.
	for shift, cut := range map[int]int{0: 0, 1: 2, 2: 3} {
		padded := append(make([]byte, shift), value...)
		whole := len(padded) / 3 * 4
		for name, encoding := range map[string]*base64.Encoding{"in base64": base64.RawStdEncoding, "in base64url": base64.RawURLEncoding} {
			if text := encoding.EncodeToString(padded)[cut:whole]; len(text) >= 6 {
				forms[name+string(rune('0'+shift))] = text
			}
		}
	}
	return forms
}

// found tells whether the needle is there. Six digits may stand in a longer
// number or id by chance: they count only by themselves.
func found(content []byte, needle string) bool {
	for at := 0; ; {
		i := bytes.Index(content[at:], []byte(needle))
		if i < 0 {
			return false
		}
		at += i + 1
		if len(needle) > 6 || !alnum(content, at-2) && !alnum(content, at-1+len(needle)) {
			return true
		}
	}
}

func alnum(content []byte, at int) bool {
	if at < 0 || at >= len(content) {
		return false
	}
	b := content[at]
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// processLog collects what a server logs.
type processLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *processLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *processLog) read() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text.Bytes())
}
