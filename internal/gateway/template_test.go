package gateway

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzTemplates puts any text into every place: what is read there is that text,
// and nothing around it has changed.
func FuzzTemplates(f *testing.F) {
	for _, text := range []string{"code 551", `"},"to":"+1`, "&to=1#", "</t><to>", "]]>", "\r\nX-A: 1", "{{key}}", "\\", "\x00\xff\ufffe", "é😀", "../..", "%2e"} {
		f.Add(text)
	}
	parse := func(text string, in place) template {
		t, err := parseTemplate(text, in, messageParts)
		if err != nil {
			f.Fatal(err)
		}
		return t
	}
	address := parse("https://sms.example.com/{{id}}/x?a=1&t={{text}}&b=2", inURL)
	form := parse("a=1&t={{text}}&b=2", inForm)
	object := parse(`{"a":"\"","t":"<{{text}}>","w":{{text}},"n":{{validity_seconds}},"b":2}`, inJSON)
	document := parse(`<m t="{{text}}"><t>{{text}}</t><b>2</b></m>`, inXML)
	header := parse("a {{id}} b", inHeader)
	f.Fuzz(func(t *testing.T, text string) {
		values := map[string]string{"text": text, "id": text, "validity_seconds": text}
		u, err := url.Parse(address.fill(values))
		if err != nil || u.Host != "sms.example.com" || u.Fragment != "" || strings.Count(u.EscapedPath(), "/") != 2 {
			t.Fatalf("URL %q: %v", address.fill(values), err)
		}
		for name, query := range map[string]string{"query": u.RawQuery, "form": form.fill(values)} {
			q, err := url.ParseQuery(query)
			if err != nil || len(q) != 3 || q.Get("t") != text || q.Get("b") != "2" {
				t.Fatalf("%s %q: %v", name, query, err)
			}
		}
		valid := strings.ToValidUTF8(text, "\ufffd")
		judgeJSON(t, object.fill(values), text, valid)
		judgeXML(t, document.fill(values), text)
		if h := (http.Header{"X": {header.fill(values)}}); strings.ContainsFunc(h.Get("X"), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("header %q", h.Get("X"))
		}
	})
}

func judgeJSON(t *testing.T, filled, text, valid string) {
	var got struct {
		A, T, W string
		N, B    json.Number
	}
	decoder := json.NewDecoder(strings.NewReader(filled))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil || decoder.More() || got.A != `"` || got.B != "2" {
		t.Fatalf("JSON %q: %v", filled, err)
	}
	if utf8.ValidString(text) && (got.T != "<"+valid+">" || got.W != valid) {
		t.Fatalf("JSON %q says %q", filled, got.T)
	}
}

func judgeXML(t *testing.T, filled, text string) {
	var got struct {
		Attr string `xml:"t,attr"`
		T    string `xml:"t"`
		B    string `xml:"b"`
		Rest []byte `xml:",innerxml"`
	}
	if err := xml.Unmarshal([]byte(filled), &got); err != nil || got.B != "2" || bytes.Count(got.Rest, []byte("<")) != 4 {
		t.Fatalf("XML %q: %v", filled, err)
	}
	kept := strings.Map(func(r rune) rune {
		if r < ' ' && !strings.ContainsRune("\n\r\t", r) || r == 0xfffe || r == 0xffff {
			return 0xfffd
		}
		return r
	}, text)
	if utf8.ValidString(text) && (got.T != kept || got.Attr != kept) {
		t.Fatalf("XML %q says %q and %q", filled, got.T, got.Attr)
	}
	decoder := xml.NewDecoder(strings.NewReader(filled))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("XML %q: %v", filled, err)
		}
	}
}

func FuzzTemplateText(f *testing.F) {
	f.Add("https://sms.example.com/?x={{to}}")
	f.Add("{{{{to}}}}")
	f.Add(`{"a":"\\{{text}}"}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, in := range []place{inURL, inHeader, inForm, inJSON, inXML, inText} {
			parsed, err := parseTemplate(text, in, messageParts)
			if err != nil {
				if strings.Contains(err.Error(), "example") {
					t.Fatalf("the text is repeated: %v", err)
				}
				continue
			}
			parsed.fill(sample(messageParts))
		}
	})
}

func FuzzLookup(f *testing.F) {
	f.Add("json:messages[0].status", []byte(`{"messages":[{"status":7.50}]}`))
	f.Add(`re:^OK (\S+)`, []byte("OK 7\n"))
	f.Add("json:[1]", []byte(`[1,true]`))
	f.Fuzz(func(t *testing.T, text string, body []byte) {
		l, err := parseLookup(text)
		if err == nil && l.is() != (text != "") {
			t.Fatalf("%q", text)
		}
		if found, ok := l.find(body); !ok && found != "" || err != nil && ok {
			t.Fatalf("%q in %q: %q, %v", text, body, found, ok)
		}
	})
}

func TestLookup(t *testing.T) {
	const body = `{"a":{"b-c":[{"d":"x"},{"d":1.50},{"d":true},{"d":null},{"d":[]}]},"":"empty"}`
	for text, want := range map[string]string{
		"json:a.b-c[0].d": "x", "json:a.b-c[1].d": "1.50", "json:a.b-c[2].d": "true",
		"json:a.b-c[3].d": "-", "json:a.b-c[4].d": "-", "json:a.b-c[5].d": "-", "json:a.b-c": "-", "json:a[0]": "-", "json:nothing": "-",
		`re:"d":"(.)"`: "x", `re:"d":"(y)"`: "-",
	} {
		l, err := parseLookup(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		found, ok := l.find([]byte(body))
		if !ok {
			found = "-"
		}
		if found != want {
			t.Errorf("%s: got %q, want %q", text, found, want)
		}
	}
}
