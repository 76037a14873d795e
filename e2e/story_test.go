package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
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
//	! with COUNTERSIGN_X=y         a setting of the house, in the first lines
//	! code $code $ch               the code that was sent for challenge $ch
//	! wrong $bad $code             another code than that
//	! told +14155550100 purpose    the number was sent a message of this purpose
//	! silent +14155550100          the number was sent nothing at all
//	! pass 30s                     time passes
//	! distinct $a $b               two kept values differ
//
// $operator is the operator listener, for paths that are not public. Blank lines
// and lines that begin with # are for the reader.
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
			house := startHouse(t, settingsOf(string(text))...)
			s := &story{t: t, house: house, file: file, kept: map[string]string{"$operator": house.operator}}
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
	body    string
	answer  *answer
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

// settingsOf gives the settings that a story asks for.
func settingsOf(text string) []string {
	var settings []string
	for line := range strings.Lines(text) {
		if setting, ok := strings.CutPrefix(strings.TrimSpace(line), "! with "); ok {
			settings = append(settings, setting)
		}
	}
	return settings
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

var requestLine = regexp.MustCompile(`^([A-Z]+) (http://[^/]+)?(/\S*)$`)

func (s *story) ask(text string) {
	if m := requestLine.FindStringSubmatch(text); m != nil {
		if s.request != nil && s.answer == nil {
			s.fail("nothing was expected of the request before")
		}
		base := s.house.public
		if m[2] != "" {
			base = m[2]
		}
		request, err := http.NewRequest(m[1], base+m[3], nil)
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
	if key == "Host" { // which net/http takes from elsewhere
		s.request.Host = value
	}
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
	answered, err := s.house.send(s.request)
	if err != nil {
		s.fail("%v", err)
	}
	s.answer = &answered
}

func (s *story) expect(text string) {
	s.send()
	if status, err := strconv.Atoi(text); err == nil {
		if s.answer.status != status {
			s.fail("status %d, want %d: %s", s.answer.status, status, s.answer.raw)
		}
		return
	}
	if path, want, ok := strings.Cut(text, " = "); ok {
		s.compare(path, s.answer.text(path), want)
		return
	}
	key, want, _ := strings.Cut(text, ": ")
	got := s.answer.header.Get(key)
	if got == "" {
		got = "-"
	}
	s.compare(key, got, want)
}

func (s *story) compare(path, got, want string) {
	switch {
	case want == "*" && got != "-" && got != "null":
	case strings.HasPrefix(want, "$") && s.kept[want] == "":
		if got == "-" || got == "null" {
			s.fail("%s is not there: %s", path, s.answer.raw)
		}
		s.kept[want] = got
	case got != s.fill(want):
		s.fail("%s = %s, want %s", path, got, s.fill(want))
	}
}

func (s *story) act(words []string) {
	switch {
	case len(words) == 2 && words[0] == "with": // settingsOf has read it
	case len(words) == 3 && words[0] == "told":
		s.house.told(s.t, words[1], words[2])
	case len(words) == 2 && words[0] == "silent":
		messages, err := s.house.inbox(words[1])
		if err != nil || len(messages) > 0 {
			s.fail("messages to %s: %v %v", words[1], messages, err)
		}
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
		s.kept[words[1]] = wrongCode(s.fill(words[2]))
	default:
		s.fail("%v is nothing that can be done", words)
	}
}
