package event

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestC76EncodedEventIsOneHarmlessLine(t *testing.T) {
	const moves = "\n\r\x00\x1b\x7f\u0085\u009b\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
	bad := moves + "a\nb\r\x00\x1b[2J\x7f\u0085\u009b\u061c\u200e\u200f\u202a\u202e\u2066\u2069\u2028\u2029\"\\\xffz"
	line := Encode(Event{
		ID: bad, Name: Name(bad), Outcome: Outcome(bad), Reason: bad, Method: bad, UserID: bad, SessionID: bad,
		PhoneNumber: bad, PhonePseudonym: bad, IPAddress: bad, UserAgent: bad, RequestID: bad,
		Attributes: Attributes{bad: bad},
	})
	for _, r := range moves {
		if strings.ContainsRune(string(line), r) {
			t.Errorf("the line holds a raw %U", r)
		}
	}
	if !utf8.Valid(line) {
		t.Error("the line is not valid UTF-8")
	}
	back, err := Decode(line)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(bad, "\xff", "\uFFFD"); back.Reason != want || back.Attributes[want] != want {
		t.Errorf("came back as %q, want %q", back.Reason, want)
	}
}

func TestDecodeIsTheInverseOfEncode(t *testing.T) {
	for name, e := range lines() {
		back, err := Decode(Encode(e))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestC74UserAgentIsCutAtACharacter(t *testing.T) {
	e, err := Decode(Encode(Event{UserAgent: "x" + strings.Repeat("é", 200)}))
	if err != nil {
		t.Fatal(err)
	}
	if want := "x" + strings.Repeat("é", 127); e.UserAgent != want {
		t.Errorf("got %d bytes %q, want %d", len(e.UserAgent), e.UserAgent, len(want))
	}
}

func TestAttributesOfOtherTypes(t *testing.T) {
	at := time.Date(2026, 11, 24, 7, 20, 31, 123456789, time.FixedZone("", 3600))
	got := string(Encode(Event{Attributes: Attributes{"b": 7, "a": at, "c": time.Second}}))
	if want := `{"attributes":{"a":"2026-11-24T06:20:31.123Z","b":7,"c":"1s"}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	const canary = "canary-7731"
	for _, in := range []string{
		"", "null", "null x", "[]", "1", `{"id":7}`, `{"id":"a"`, `{"id":"a"}{}`, `{"id":"` + canary + `",}`,
		`{"timestamp":"` + canary + `"}`, `{"timestamp":"2026-11-24T07:20:31Z"}`, `{"timestamp":"2026-11-24T07:20:31.123+01:00"}`,
		`{"attributes":{"a":1.5}}`, `{"attributes":{"a":99999999999999999999}}`, `{"attributes":{"a":[1]}}`, `{"attributes":{"a":null}}`,
		canary,
	} {
		e, err := Decode([]byte(in))
		if err == nil {
			t.Errorf("%s: decoded as %+v", in, e)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error shows the input: %v", in, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range lines() {
		f.Add(Encode(e))
	}
	f.Add([]byte(`{"ID":"a","attributes":{"\ud800":"\u0000","x":-0}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := Decode(in)
		if err != nil {
			return
		}
		again, err := Decode(Encode(e))
		if err != nil {
			t.Fatalf("decoded %q, encoded it as %q: %v", in, Encode(e), err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}
