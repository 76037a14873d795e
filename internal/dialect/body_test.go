package dialect

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/core"
)

// C-65: one object; exact-case, known, unique names; no coercion, no trailing
// data, no bad UTF-8.
func TestC65BodyCorpus(t *testing.T) {
	const malformed, invalid = CodeMalformedRequest, CodeInvalidRequest
	for _, test := range []struct {
		name, body string
		code       core.Code
		location   string
	}{
		{"empty", ``, malformed, ""},
		{"blanks", `   `, malformed, ""},
		{"not JSON", `phone=1`, malformed, ""},
		{"cut", `{"phone":"1"`, malformed, ""},
		{"trailing value", `{"phone":"1"}{}`, malformed, ""},
		{"trailing comma", `{"phone":"1",}`, malformed, ""},
		{"trailing bytes", `{"phone":"1"} x`, malformed, ""},
		{"comment", `{"phone":"1"/**/}`, malformed, ""},
		{"single quotes", `{'phone':'1'}`, malformed, ""},
		{"NaN", `{"phone":NaN}`, malformed, ""},
		{"byte order mark", "\ufeff{\"phone\":\"1\"}", malformed, ""},
		{"same name twice", `{"phone":"1","phone":"2"}`, malformed, ""},
		{"same name twice, escaped", `{"phone":"1","ph\u006fne":"2"}`, malformed, ""},
		{"unknown, then twice", `{"x":1,"phone":"1","phone":"2"}`, malformed, ""},
		{"nested twice", `{"phone":"1","inner":{"name":"a","name":"b"}}`, malformed, ""},
		{"twice within unknown", `{"phone":"1","x":{"a":1,"a":2}}`, malformed, ""},
		{"unknown, then cut", `{"x":1`, malformed, ""},
		{"bad UTF-8", "{\"phone\":\"\xff\"}", malformed, ""},
		{"overlong UTF-8", "{\"phone\":\"\xc0\xaf\"}", malformed, ""},
		{"lone surrogate", `{"phone":"\ud800"}`, malformed, ""},
		{"UTF-16", "\xff\xfe{\x00}\x00", malformed, ""},
		{"raw control", "{\"phone\":\"a\nb\"}", malformed, ""},
		{"null", `null`, invalid, "body"},
		{"array", `[{"phone":"1"}]`, invalid, "body"},
		{"string", `"phone"`, invalid, "body"},
		{"number", `1`, invalid, "body"},
		{"true", `true`, invalid, "body"},
		{"unknown name", `{"phone":"1","admin":true}`, invalid, "body.admin"},
		{"other case", `{"Phone":"1"}`, invalid, "body.Phone"},
		{"nested unknown", `{"phone":"1","inner":{"x":1}}`, invalid, "body.inner.x"},
		{"number for string", `{"phone":14155550100}`, invalid, "body.phone"},
		{"null for string", `{"phone":null}`, invalid, "body.phone"},
		{"array for string", `{"phone":["1"]}`, invalid, "body.phone"},
		{"object for secret", `{"phone":"1","secret":{}}`, invalid, "body.secret"},
		{"null for secret", `{"phone":"1","secret":null}`, invalid, "body.secret"},
		{"string for boolean", `{"phone":"1","flag":"true"}`, invalid, "body.flag"},
		{"null for object", `{"phone":"1","inner":null}`, invalid, "body.inner"},
		{"nested null", `{"phone":"1","inner":{"name":null}}`, invalid, "body.inner.name"},
		{"string for object", `{"phone":"1","inner":"x"}`, invalid, "body.inner"},
		{"missing", `{}`, invalid, "body.phone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := problem(t, do(post("/v1/echo", test.body)))
			if p.Code != test.code {
				t.Fatalf("code %s, want %s", p.Code, test.code)
			}
			if test.location != "" && (len(p.Errors) != 1 || p.Errors[0].Location != test.location) {
				t.Errorf("errors %v, want one at %s", p.Errors, test.location)
			}
		})
	}
}

func TestBodyGood(t *testing.T) {
	for _, body := range []string{
		`{"phone":"null","secret":"s"}`,
		"\t{\n\"secret\" : \"\\u0073\",\r\"phone\":\"null\" } ",
	} {
		w := do(post("/v1/echo", body))
		var got echo
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
			t.Fatalf("%d %v %s", w.Code, err, w.Body)
		}
		if got.Phone != "null" || got.Secret != "s" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestOptionalBody(t *testing.T) {
	if w := do(httptest.NewRequest("POST", "/v1/maybe", nil)); w.Code != 200 {
		t.Errorf("an absent body: %d", w.Code)
	}
	if p := problem(t, do(post("/v1/maybe", "x"))); p.Code != CodeMalformedRequest {
		t.Errorf("a bad optional body: %s", p.Code)
	}
}

// No problem repeats a value: it might be a secret sent in the wrong place.
func TestProblemsNeverEchoValues(t *testing.T) {
	for _, body := range []string{
		`{"phone":"1","secret":{"x":"hunter2hunter2"}}`, `{"flag":"hunter2hunter2","phone":"1"}`,
		`{"phone":"1","inner":"hunter2hunter2"}`, `"hunter2hunter2"`, `hunter2hunter2`, `{"phone":"1","x":"hunter2hunter2"}`,
	} {
		if w := do(post("/v1/echo", body)); strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s was answered with %s", body, w.Body)
		}
	}
	long := do(post("/v1/echo", `{"`+strings.Repeat("é", 4000)+`":1}`))
	if p := problem(t, long); len(p.Errors) != 1 || len(p.Errors[0].Location) > maxLocation {
		t.Errorf("an endless name came back: %v", p.Errors)
	}
}

func TestContentType(t *testing.T) {
	for value, want := range map[string]int{
		"application/json":                      200,
		"application/json; charset=utf-8":       200,
		`Application/JSON;charset="UTF-8"`:      200,
		"":                                      415,
		"text/plain":                            415,
		"application/problem+json":              415,
		"application/json; charset=iso-8859-1":  415,
		"application/json; q=1":                 415,
		"application/x-www-form-urlencoded":     415,
		"application/json, text/plain":          415,
		"multipart/form-data; boundary=x":       415,
		"application/json; charset=utf-8; x=\"": 415,
	} {
		r := post("/v1/echo", `{"phone":"1"}`)
		r.Header.Set("Content-Type", value)
		if w := do(r); w.Code != want {
			t.Errorf("%q: %d, want %d", value, w.Code, want)
		}
	}
	twice := post("/v1/echo", `{"phone":"1"}`)
	twice.Header.Add("Content-Type", "application/json")
	if w := do(twice); w.Code != 415 {
		t.Errorf("two content types: %d", w.Code)
	}
}

// C-66: at most 16 KiB as read; encoded bodies are not accepted at all.
func TestC66Size(t *testing.T) {
	fill := func(n int) string {
		body := `{"phone":"` + strings.Repeat("1", n) + `"}`
		return body
	}
	most := fill(MaxBody - len(fill(0)))
	for name, test := range map[string]struct {
		body    string
		chunked bool
		want    int
	}{
		"the most":            {most, false, 200},
		"the most, chunked":   {most, true, 200},
		"one more":            {most + " ", false, 413},
		"one more, chunked":   {most + " ", true, 413},
		"a flood, chunked":    {strings.Repeat(" ", 1<<20), true, 413},
		"a flood, not JSON":   {strings.Repeat("x", 1<<20), false, 413},
		"absent, but chunked": {"", true, 400},
	} {
		r := post("/v1/echo", test.body)
		if test.chunked {
			r.ContentLength = -1
		}
		if w := do(r); w.Code != test.want {
			t.Errorf("%s: %d, want %d", name, w.Code, test.want)
		}
	}
}

func TestC66EncodedBody(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, encoding := range []string{"gzip", "deflate", "br", "identity, gzip", "x"} {
		r := post("/v1/echo", bomb.String()[:1000])
		r.Header.Set("Content-Encoding", encoding)
		w := do(r)
		if p := problem(t, w); p.Code != CodeUnsupportedMediaType || w.Header().Get("Accept-Encoding") != "identity" {
			t.Errorf("%s: %s, Accept-Encoding %q", encoding, p.Code, w.Header().Get("Accept-Encoding"))
		}
	}
	r := post("/v1/echo", `{"phone":"1"}`)
	r.Header.Set("Content-Encoding", "identity")
	if w := do(r); w.Code != 200 {
		t.Errorf("identity: %d", w.Code)
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	r := httptest.NewRequest("POST", "/v1/echo", io.MultiReader(strings.NewReader(`{"phone"`), failing{}))
	r.Header.Set("Content-Type", "application/json")
	if p := problem(t, do(r)); p.Code != CodeMalformedRequest {
		t.Errorf("code %s", p.Code)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{"phone":"1"}`, `{"phone":null}`, `{"phone":"1","phone":"2"}`, `[]`, `{"inner":{"name":"x"}}`, "{\"phone\":\"\xff\"}", `{"phone":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in request
		err := decodeInto(body, &in, false, required(reflect.TypeFor[request]()))
		var refusal *Refusal
		if err != nil && (!errors.As(err, &refusal) || StatusOf(refusal.Code) != http.StatusBadRequest && StatusOf(refusal.Code) != http.StatusUnprocessableEntity) {
			t.Fatalf("an error of another kind: %v", err)
		}
		valid := jsontext.Value(body).IsValid()
		if (err == nil || refusal.Code != CodeMalformedRequest) != valid {
			t.Fatalf("valid JSON: %v, but: %v", valid, err)
		}
		if err != nil {
			return
		}
		// What was accepted says the same thing to an independent reader.
		var loose map[string]any
		if err := json.Unmarshal(body, &loose); err != nil {
			t.Fatal(err)
		}
		if loose["phone"] != any(*in.Phone) {
			t.Fatalf("phone %q, another reader has %v", *in.Phone, loose["phone"])
		}
	})
}
