package event

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxUserAgent is how many bytes of a client's agent an event keeps.
const MaxUserAgent = 256

// timestampLayout is RFC 3339 in UTC with whole milliseconds.
const timestampLayout = "2006-01-02T15:04:05.000Z"

// Encode writes an event as one line of JSON without the newline: API.md's
// Event object, members in the order of the struct, absent ones left out,
// attributes sorted by key. The result is pure of anything that could move a
// terminal or begin a new line (C-76): controls and bidirectional marks are
// escaped, invalid UTF-8 is replaced by U+FFFD.
func Encode(e Event) []byte {
	o := object{buf: make([]byte, 0, 512)}
	o.begin()
	o.text("id", e.ID)
	if !e.Time.IsZero() {
		o.text("timestamp", e.Time.UTC().Format(timestampLayout))
	}
	o.text("event", string(e.Name))
	o.text("outcome", string(e.Outcome))
	o.text("reason", e.Reason)
	o.text("method", e.Method)
	o.text("user_id", e.UserID)
	o.text("session_id", e.SessionID)
	o.text("phone_number", e.PhoneNumber)
	o.text("phone_pseudonym", e.PhonePseudonym)
	o.text("ip_address", e.IPAddress)
	o.text("user_agent", cut(e.UserAgent, MaxUserAgent))
	o.text("request_id", e.RequestID)
	o.attributes(e.Attributes)
	return o.end()
}

// cut shortens a text to at most n bytes, never inside a character.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// object writes one JSON object member by member.
type object struct {
	buf   []byte
	inner bool // a member was written: the next needs a comma
}

func (o *object) begin() {
	o.buf = append(o.buf, '{')
	o.inner = false
}

func (o *object) end() []byte {
	o.buf = append(o.buf, '}')
	o.inner = true
	return o.buf
}

func (o *object) key(name string) {
	if o.inner {
		o.buf = append(o.buf, ',')
	}
	o.inner = true
	o.buf = append(appendString(o.buf, name), ':')
}

// text writes a member unless it is empty.
func (o *object) text(name, value string) {
	if value == "" {
		return
	}
	o.key(name)
	o.buf = appendString(o.buf, value)
}

func (o *object) attributes(a Attributes) {
	if len(a) == 0 {
		return
	}
	keys := make([]string, 0, len(a))
	for k := range a {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	o.key("attributes")
	o.begin()
	for _, k := range keys {
		o.key(k)
		o.buf = appendValue(o.buf, a[k])
	}
	o.end()
}

// appendValue writes an attribute. A value that is neither text, whole number
// nor bool is shown as fmt shows it, which secret types redact.
func appendValue(buf []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return appendString(buf, v)
	case bool:
		return strconv.AppendBool(buf, v)
	case int64:
		return strconv.AppendInt(buf, v, 10)
	case int:
		return strconv.AppendInt(buf, int64(v), 10)
	case time.Time:
		return appendString(buf, v.UTC().Format(timestampLayout))
	default:
		return appendString(buf, fmt.Sprint(v))
	}
}

// appendString writes a JSON string (RFC 8259 section 7).
func appendString(buf []byte, s string) []byte {
	buf = append(buf, '"')
	if plain(s) { // nearly all are
		return append(append(buf, s...), '"')
	}
	for _, r := range s { // range yields U+FFFD for invalid bytes
		switch {
		case r == '"' || r == '\\':
			buf = append(buf, '\\', byte(r))
		case unprintable(r):
			buf = fmt.Appendf(buf, `\u%04x`, r)
		default:
			buf = utf8.AppendRune(buf, r)
		}
	}
	return append(buf, '"')
}

// plain tells whether a text is printable ASCII with nothing to escape.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// unprintable tells what must not stand raw in a log line: C0, DEL and C1 controls,
// bidirectional controls (Unicode's Bidi_Control), line and paragraph
// separators. All of them are below U+10000, so one \u each will do.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
