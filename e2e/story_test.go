package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A story is a text file of requests and what they must be answered:
//
//	> POST /v1/signup              a request: method and path,
//	> Idempotency-Key: k           headers,
//	> {"phone_number": "+1 …"}     and a body
//	< 202                          its status
//	< Cache-Control: no-store      a header of the answer
//	< purpose = signup             a member of its JSON body, by path
//	< challenge_id = $ch           … kept as $ch, or compared if kept before
//	< resend_at = *                … there, whatever it is
//	< attempts_left = -            … not there
//	! code $code $ch               the code that was sent for challenge $ch
//	! pass 30s                     time passes
//	! distinct $a $b               two kept values differ
//
// Blank lines and lines that begin with # are for the reader.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &story{t: t, house: startHouse(t), file: file, kept: map[string]string{}}
			s.tell(string(text))
		})
	}
}

type story struct {
	t     *testing.T
	house *house
	file  string
	line  int
	kept  map[string]string

	request *http.Request
	headers []string
	body    string
	answer  *http.Response
	content map[string]any
}

func (s *story) tell(text string) {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		s.line++
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case ">":
			s.ask(s.fill(rest))
		case "<":
			s.expect(rest)
		case "!":
			s.act(strings.Fields(rest))
		default:
			s.fail("%q is not a line of a story", line)
		}
	}
}

func (s *story) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s:%d: %s", s.file, s.line, fmt.Sprintf(format, args...))
}

var name = regexp.MustCompile(`\$[a-z_0-9]+`)

// fill puts kept values in their places.
func (s *story) fill(text string) string {
	return name.ReplaceAllStringFunc(text, func(n string) string {
		value, ok := s.kept[n]
		if !ok {
			s.fail("%s was never kept", n)
		}
		return value
	})
}

var requestLine = regexp.MustCompile(`^([A-Z]+) (/\S*)$`)

func (s *story) ask(text string) {
	if m := requestLine.FindStringSubmatch(text); m != nil {
		request, err := http.NewRequest(m[1], s.house.public+m[2], nil)
		if err != nil {
			s.fail("%v", err)
		}
		s.request, s.body, s.answer = request, "", nil
		return
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") || strings.Contains(text, "=") && !strings.Contains(text, ": ") {
		s.body = text
		return
	}
	key, value, _ := strings.Cut(text, ": ")
	s.request.Header.Set(key, value)
}

// send carries the request out when the first expectation is read.
func (s *story) send() {
	if s.answer != nil {
		return
	}
	if s.body != "" {
		s.request.Body = io.NopCloser(strings.NewReader(s.body))
		s.request.ContentLength = int64(len(s.body))
		if s.request.Header.Get("Content-Type") == "" {
			s.request.Header.Set("Content-Type", "application/json")
		}
	}
	answer, err := http.DefaultClient.Do(s.request)
	if err != nil {
		s.fail("%v", err)
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		s.fail("%v", err)
	}
	s.answer, s.content = answer, nil
	if bytes.HasPrefix(content, []byte("{")) {
		if err := json.Unmarshal(content, &s.content); err != nil {
			s.fail("the answer is not JSON: %v", err)
		}
	}
}

func (s *story) expect(text string) {
	s.send()
	if status, err := strconv.Atoi(text); err == nil {
		if s.answer.StatusCode != status {
			s.fail("status %d, want %d: %v", s.answer.StatusCode, status, s.content)
		}
		return
	}
	if path, want, ok := strings.Cut(text, " = "); ok {
		s.compare(path, s.member(path), want)
		return
	}
	key, want, _ := strings.Cut(text, ": ")
	if got := s.answer.Header.Get(key); got != want && (want != "*" || got == "") {
		s.fail("%s: %q, want %q", key, got, want)
	}
}

func (s *story) compare(path, got, want string) {
	switch {
	case want == "*" && got != "-" && got != "null":
	case strings.HasPrefix(want, "$") && s.kept[want] == "":
		if got == "-" || got == "null" {
			s.fail("%s is not there: %v", path, s.content)
		}
		s.kept[want] = got
	case got != s.fill(want):
		s.fail("%s = %s, want %s", path, got, s.fill(want))
	}
}

// member gives what stands at a path such as sessions.0.current; "-" if nothing.
func (s *story) member(path string) string {
	var at any = s.content
	for _, step := range strings.Split(path, ".") {
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
		s.fail("%v", err)
	}
	return string(plain)
}

func (s *story) act(words []string) {
	switch {
	case len(words) == 2 && words[0] == "pass":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.fail("%v", err)
		}
		s.house.clock.pass(d)
	case len(words) == 3 && words[0] == "code":
		s.kept[words[1]] = s.house.code(s.t, s.fill(words[2]))
	case len(words) == 3 && words[0] == "distinct":
		if s.fill(words[1]) == s.fill(words[2]) {
			s.fail("%s and %s are the same", words[1], words[2])
		}
	case len(words) == 3 && words[0] == "wrong":
		digits := []byte(s.fill(words[2]))
		digits[0] = '0' + (digits[0]-'0'+1)%10
		s.kept[words[1]] = string(digits)
	default:
		s.fail("%v is nothing that can be done", words)
	}
}

// inbox reads the development inbox; to "" is everybody's.
func inbox(base, to string) ([]inboxMessage, error) {
	address := base + "/dev/inbox"
	if to != "" {
		address += "?to=" + url.QueryEscape(to)
	}
	answer, err := http.Get(address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	var messages []inboxMessage
	if err := json.NewDecoder(answer.Body).Decode(&messages); err != nil {
		return nil, fmt.Errorf("status %d: %w", answer.StatusCode, err)
	}
	return messages, nil
}

type inboxMessage struct {
	To          string `json:"to"`
	Body        string `json:"body"`
	CreatedAt   string `json:"created_at"`
	Purpose     string `json:"purpose"`
	ChallengeID string `json:"challenge_id"`
}
