package gateway

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// place is what a template's text is written for: it decides how what is put in is
// escaped, so that nothing in a message ever becomes more than a value.
type place string

// The places.
const (
	inURL    place = "URL"
	inHeader place = "header"
	inForm   place = "form"
	inJSON   place = "JSON"
	inXML    place = "XML"
	inText   place = "text"
)

// template is a text with parts of a message in it: {{to}}.
type template struct {
	pieces []piece
}

// piece is a text as it stands, or the name of a part and how its value is written.
type piece struct {
	text  string
	name  string
	write func(string) string
}

// parseTemplate reads a template. Its error says what is wrong and repeats no more
// of the text than a name in braces.
func parseTemplate(text string, in place, names []string) (template, error) {
	var t template
	before := "" // all of the text so far: it tells where a part stands
	for {
		plain, rest, more := strings.Cut(text, "{{")
		if plain != "" {
			t.pieces = append(t.pieces, piece{text: plain})
			before += plain
		}
		if !more {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return template{}, fmt.Errorf("has {{ without }}")
		}
		if !slices.Contains(names, name) {
			if len(name) > 24 || strings.ContainsFunc(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
				name = "…"
			}
			return template{}, fmt.Errorf("has {{%s}}, which may not stand here; there are %s", name, strings.Join(names, ", "))
		}
		write, err := writerAt(in, before, name)
		if err != nil {
			return template{}, err
		}
		t.pieces = append(t.pieces, piece{name: name, write: write})
		before += "x"
		text = after
	}
}

// names gives the parts that a template has.
func (t template) names() []string {
	var names []string
	for _, p := range t.pieces {
		if p.name != "" {
			names = append(names, p.name)
		}
	}
	return names
}

// fill gives the text with values in it.
func (t template) fill(values map[string]string) string {
	var b strings.Builder
	for _, p := range t.pieces {
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(p.write(values[p.name]))
	}
	return b.String()
}

// writerAt gives the way in which a part is written after a text.
func writerAt(in place, before, name string) (func(string) string, error) {
	switch in {
	case inURL:
		return writerInURL(before, name)
	case inHeader:
		return printable, nil
	case inForm:
		return url.QueryEscape, nil
	case inJSON:
		if insideString(before) {
			return jsonInner, nil
		}
		if name == "to_digits" || name == "validity_seconds" {
			return digitsOf, nil
		}
		return jsonString, nil
	case inXML:
		return xmlText, nil
	default:
		return func(s string) string { return s }, nil
	}
}

// writerInURL takes parts in the query, and the harmless ones in the path: a host
// is the operator's own, and a text in a path could climb out of it.
func writerInURL(before, name string) (func(string) string, error) {
	_, path, _ := strings.Cut(before, "://")
	if !strings.Contains(path, "/") && !strings.Contains(path, "?") {
		return nil, fmt.Errorf("has {{%s}} before the path: scheme, host and port have to be written out", name)
	}
	if strings.Contains(path, "?") {
		return url.QueryEscape, nil
	}
	if !slices.Contains([]string{"to", "to_digits", "id", "user", "key"}, name) {
		return nil, fmt.Errorf("has {{%s}} in the path: only to, to_digits, id, user and key may stand there, all in the query", name)
	}
	return url.PathEscape, nil
}

// insideString tells whether a JSON text ends within a string.
func insideString(text string) bool {
	inside, escaped := false, false
	for _, c := range []byte(text) {
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		}
	}
	return inside
}

// jsonString writes a whole JSON string.
func jsonString(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""` // no string fails
	}
	return string(text)
}

func jsonInner(s string) string {
	text := jsonString(s)
	return text[1 : len(text)-1]
}

// digitsOf writes a number; 0 for what is none.
func digitsOf(s string) string {
	if s == "" || strings.Trim(s, "0123456789") != "" || len(s) > 1 && s[0] == '0' {
		return "0"
	}
	return s
}

// xmlText writes characters that are text or a value between quotes. What XML 1.0
// cannot hold becomes U+FFFD.
func xmlText(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(`<>&"'`, r), r == '\n', r == '\r', r == '\t':
			fmt.Fprintf(&b, "&#%d;", r)
		case r < ' ', r == 0xfffe, r == 0xffff:
			b.WriteRune(0xfffd)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// printable drops what no header may hold.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}
