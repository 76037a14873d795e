package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// client calls a server's API as a program would.
type client struct {
	base string
	http *http.Client
}

// newClient makes a client with connections of its own.
func newClient(base string) *client {
	return &client{base: base, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// members are a JSON object's.
type members map[string]any

// ask is a request beside its method and path.
type ask struct {
	bearer string
	key    string // Idempotency-Key
	body   any    // marshalled to JSON unless it is a string
	header http.Header
}

// answer is what a request was answered, read to its end.
type answer struct {
	status int
	header http.Header
	raw    string
	body   any
}

// call sends a request. An error means that no whole answer came.
func (c *client) call(method, path string, a ask) (answer, error) {
	var body io.Reader
	if a.body != nil {
		text, ok := a.body.(string)
		if !ok {
			plain, err := json.Marshal(a.body)
			if err != nil {
				return answer{}, err
			}
			text = string(plain)
		}
		body = strings.NewReader(text)
	}
	r, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		return answer{}, err
	}
	if a.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+a.bearer)
	}
	if a.key != "" {
		r.Header.Set("Idempotency-Key", a.key)
	}
	for name, values := range a.header {
		r.Header[name] = values
	}
	return c.send(r)
}

func (c *client) send(r *http.Request) (answer, error) {
	got, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = got.Body.Close() }()
	raw, err := io.ReadAll(got.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: got.StatusCode, header: got.Header, raw: string(raw)}
	if raw = bytes.TrimSpace(raw); bytes.HasPrefix(raw, []byte("{")) || bytes.HasPrefix(raw, []byte("[")) {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			return answer{}, fmt.Errorf("the answer is not JSON: %w", err)
		}
	}
	return a, nil
}

// must calls, and wants the status given.
func (c *client) must(t testing.TB, status int, method, path string, a ask) answer {
	t.Helper()
	got, err := c.call(method, path, a)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if got.status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, got.status, status, got.raw)
	}
	return got
}

// text gives what stands at a path such as sessions.0.current: a text as it is,
// all else as JSON; "-" if nothing stands there.
func (a answer) text(path string) string { return memberAt(a.body, path) }

func memberAt(at any, path string) string {
	for step := range strings.SplitSeq(path, ".") {
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[step]
			if !ok {
				return "-"
			}
			at = next
		case []any:
			if step == "length" {
				return strconv.Itoa(len(v))
			}
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(v) {
				return "-"
			}
			at = v[i]
		default:
			return "-"
		}
	}
	if text, ok := at.(string); ok {
		return text
	}
	plain, err := json.Marshal(at)
	if err != nil {
		return "-" // what was decoded from JSON can be encoded
	}
	return string(plain)
}

// inboxMessage is one message of the development inbox.
type inboxMessage struct {
	To          string `json:"to"`
	Body        string `json:"body"`
	CreatedAt   string `json:"created_at"`
	Purpose     string `json:"purpose"`
	ChallengeID string `json:"challenge_id"`
}

// inbox reads the development inbox, the newest message first; to "" is
// everybody's.
func (c *client) inbox(to string) ([]inboxMessage, error) {
	path := "/dev/inbox"
	if to != "" {
		path += "?to=" + url.QueryEscape(to)
	}
	got, err := c.call(http.MethodGet, path, ask{})
	if err != nil {
		return nil, err
	}
	var messages []inboxMessage
	if err := json.Unmarshal([]byte(got.raw), &messages); err != nil {
		return nil, fmt.Errorf("the inbox, status %d: %w", got.status, err)
	}
	return messages, nil
}
