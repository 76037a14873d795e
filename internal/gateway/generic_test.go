package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

// documented are the secrets of the examples.
var documented = map[string]string{
	"${ACME_KEY}": "canary-key-1", "${ACME_WEBHOOK_SECRET}": "canary-webhook-secret", "${CEYLON_PASSWORD}": "canary&pass=word",
	"${CEYLON_TOKEN}": "canary-token-of-thirty-two-letters",
}

// example gives the settings of an entry in docs/gateway-http.md, as the file of
// settings gives them: lists with commas, pairs as a JSON object.
func example(t *testing.T, name string) Options {
	t.Helper()
	text, err := os.ReadFile("../../docs/gateway-http.md")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Name: name, Channel: SMS, Values: secrets(nil), Now: func() time.Time { return hookTime }, ReceiptURL: "https://auth.example.com/receipts/" + name}
	for block := range strings.SplitSeq(string(text), "```") {
		block, ok := strings.CutPrefix(block, "yaml\n")
		var entries []map[string]any
		if !ok || !strings.Contains(block, "name: "+name+"\n") {
			continue
		}
		if err := yaml.Unmarshal([]byte(block), &entries); err != nil || len(entries) != 1 {
			t.Fatalf("the example %s: %v", name, err)
		}
		for member, value := range entries[0] {
			o.take(t, member, value)
		}
	}
	return o
}

func (o *Options) take(t *testing.T, member string, value any) {
	text := fmt.Sprint(value)
	switch value := value.(type) {
	case []any:
		text = strings.ReplaceAll(strings.Trim(fmt.Sprint(value), "[]"), " ", ",")
	case map[string]any:
		pairs := map[string]string{}
		for name, v := range value {
			pairs[name] = fmt.Sprint(v)
		}
		if member == "from" {
			o.From = pairs
			return
		}
		object, err := json.Marshal(pairs)
		if err != nil {
			t.Fatal(err)
		}
		text = string(object)
	}
	switch member {
	case "kind", "name", "countries":
	case "from":
		o.From = map[string]string{"*": text}
	default:
		if secret, ok := documented[text]; ok {
			text = secret
		}
		for name, v := range secrets(map[string]string{member: text}) {
			o.Values[name] = v
		}
	}
}

// documentedSender makes a sender of an example.
func documentedSender(t *testing.T, name string, client *http.Client) Sender {
	t.Helper()
	o := example(t, name)
	o.HTTP = client
	s, err := New("http", o)
	if err != nil {
		t.Fatalf("the example %s: %v", name, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// nasty is a message whose text tries to be more than a value, in every place.
func nasty(t *testing.T) Message {
	m := hookMessage(t)
	m.To, m.Country = number(t, "+94771234567"), "LK"
	m.Body = "code \"551\"&to=1#<b>\\\n{{key}}%27é" + m.Code
	return m
}

func TestGenericOfJSON(t *testing.T) {
	acme := gatewaytest.NewAcme(t, "canary-key-1")
	s := documentedSender(t, "acme", acme.Toward(NewHTTPClient()))
	acme.Answers(gatewaytest.Answer{Status: 202, Body: `{"messages":[{"id":"a-77","parts":2,"price":{"amount":0.061,"currency":"EUR"}}]}`})
	sent, err := s.Send(t.Context(), nasty(t))
	if want := (Sent{"a-77", &Price{61_000, "EUR"}, 2}); err != nil || !reflect.DeepEqual(sent, want) {
		t.Errorf("got %+v, %v", sent, err)
	}
	golden := `{"to": "+94771234567", "from": "ACMEAPP", "text": "code \"551\"\u0026to=1#\u003cb\u003e\\\n{{key}}%27écanary-551", "ttl": 600, ` +
		`"reference": "0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee", "webhook": "https://auth.example.com/receipts/acme?m=0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee"}`
	if got := acme.Last(); got.Body != golden {
		t.Errorf("sent %s\nwant %s", got.Body, golden)
	}
}

func TestGenericOfAURL(t *testing.T) {
	ceylon := gatewaytest.NewCeylonText(t, "canary&pass=word")
	s := documentedSender(t, "ceylontext", ceylon.Toward(NewHTTPClient()))
	sent, err := s.Send(t.Context(), nasty(t))
	if err != nil || sent.ProviderRef != "1001" {
		t.Errorf("got %+v, %v", sent, err)
	}
	m := nasty(t)
	m.Body = "код 551"
	if _, err := s.Send(t.Context(), m); err != nil {
		t.Errorf("another alphabet: %v", err)
	}
	asked := ceylon.Asked()
	golden := "/send?u=acme&p=canary%26pass%3Dword&to=94771234567&from=ACME&msg=code+%22551%22%26to%3D1%23%3Cb%3E%5C%0A%7B%7Bkey%7D%7D%2527%C3%A9canary-551&coding=0" +
		"&dlr=https%3A%2F%2Fauth.example.com%2Freceipts%2Fceylontext%3Fm%3D0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee%26t%3Dcanary-token-of-thirty-two-letters"
	if asked[0].Path != golden || asked[0].Body != "" || asked[0].Header.Get("Content-Type") != "" {
		t.Errorf("asked %+v\nwant %s", asked[0], golden)
	}
	if !strings.Contains(asked[1].Path, "&coding=8&") {
		t.Errorf("another alphabet: %s", asked[1].Path)
	}
}

func TestGenericClasses(t *testing.T) {
	acme, ceylon := gatewaytest.NewAcme(t, "canary-key-1"), gatewaytest.NewCeylonText(t, "canary&pass=word")
	ofJSON := documentedSender(t, "acme", acme.Toward(NewHTTPClient()))
	ofText := documentedSender(t, "ceylontext", ceylon.Toward(NewHTTPClient()))
	for _, c := range []struct {
		to     *gatewaytest.Fake
		status int
		body   string
		want   SendError
	}{
		{acme, 202, `{"messages":[]}`, SendError{Class: Ambiguous}},
		{acme, 200, `{"messages":[{"id":"a-1"}]}`, SendError{Class: Ambiguous}}, // a status that is none of success
		{acme, 202, `<html>canary-551</html>`, SendError{Class: Ambiguous}},
		{acme, 202, `{"error":{"code":"opted_out"}}`, SendError{Class: Final, Code: "opted_out"}},
		{acme, 202, `{"error":{"code":"whatever"}}`, SendError{Class: Failover, Code: "whatever"}},
		{acme, 429, `{"error":{"code":"whatever"}}`, SendError{Class: Retry, Code: "whatever", RetryAfter: 3 * time.Second}},
		{acme, 400, `{"error":{"code":"throttled"}}`, SendError{Class: Retry, Code: "throttled", RetryAfter: 3 * time.Second}},
		{acme, 400, `{"error":{"code":"no_credit"}}`, SendError{Class: Failover, Alarm: true, Code: "no_credit", RetryAfter: 3 * time.Second}},
		{acme, 401, ``, SendError{Class: Failover, Alarm: true, Code: "401", RetryAfter: 3 * time.Second}},
		{acme, 422, `{"error":{"code":"+94771234567 is none"}}`, SendError{Class: Failover, RetryAfter: 3 * time.Second}},
		{acme, 500, ``, SendError{Class: Ambiguous, Code: "500", RetryAfter: 3 * time.Second}},
		{ceylon, 200, "ERR 17", SendError{Class: Retry, Code: "17"}},
		{ceylon, 200, "ERR 4", SendError{Class: Failover, Code: "4"}},
		{ceylon, 200, "ERR 1", SendError{Class: Failover, Alarm: true, Code: "1"}},
		{ceylon, 200, "ERR 12", SendError{Class: Final, Code: "12"}},
		{ceylon, 200, "ERR 99", SendError{Class: Failover, Code: "99"}},
		{ceylon, 200, "", SendError{Class: Ambiguous}},
		{ceylon, 504, "", SendError{Class: Retry, Code: "504", RetryAfter: 3 * time.Second}},
	} {
		answer := gatewaytest.Answer{Status: c.status, Body: c.body}
		if c.status > 299 {
			answer.Header = map[string]string{"Retry-After": "3"}
		}
		c.to.Answers(answer)
		s := ofJSON
		if c.to == ceylon {
			s = ofText
		}
		_, err := s.Send(t.Context(), nasty(t))
		var got *SendError
		if !errors.As(err, &got) {
			t.Errorf("%d %s: %v", c.status, c.body, err)
			continue
		}
		if c.want.Cause = got.Cause; *got != c.want || strings.Contains(err.Error(), "canary") {
			t.Errorf("%d %s: got %+v, want %+v", c.status, c.body, *got, c.want)
		}
	}
}

func TestGenericHostile(t *testing.T) {
	m := nasty(t)
	for name, taken := range map[string]int{"acme": 202, "ceylontext": 200} {
		t.Run(name, func(t *testing.T) {
			gatewaytest.Hostile(t, NewHTTPClient(), taken, func(ctx context.Context, client *http.Client) (string, error) {
				_, err := documentedSender(t, name, client).Send(ctx, m)
				return string(classOf(err)), err
			}, m.To.E164(), m.Body.Reveal(), m.Code.Reveal(), "canary-key-1", "canary&pass=word", "canary-token")
		})
	}
}

func TestGenericWithoutASenderOrAText(t *testing.T) {
	s := documentedSender(t, "acme", NewHTTPClient()).(*generic)
	s.options.From = nil
	if _, err := s.Send(t.Context(), nasty(t)); classOf(err) != Failover {
		t.Errorf("without a sender: %v", err)
	}
	o := example(t, "acme")
	o.Values["body"] = `{"to":"{{to}}","otp":"{{code}}"}`
	codes, err := New("http", o)
	if err != nil {
		t.Fatal(err)
	}
	m := nasty(t)
	m.Code = ""
	if _, err := codes.Send(t.Context(), m); classOf(err) != Failover {
		t.Errorf("a notice where codes alone fit: %v", err)
	}
}

func TestGenericChecked(t *testing.T) {
	acme, ceylon := gatewaytest.NewAcme(t, "canary-key-1"), gatewaytest.NewCeylonText(t, "canary&pass=word")
	s := documentedSender(t, "acme", acme.Toward(NewHTTPClient()))
	if got := problems(s.Check(t.Context())); got != "" {
		t.Errorf("acme: %s", got)
	}
	acme.Answers(gatewaytest.Answer{Status: 403})
	if got := problems(s.Check(t.Context())); got != "credentials " {
		t.Errorf("acme, refused: %s", got)
	}
	if got := problems(documentedSender(t, "ceylontext", ceylon.Toward(NewHTTPClient())).Check(t.Context())); got != "" {
		t.Errorf("ceylontext: %s", got)
	}
	for _, r := range ceylon.Asked() {
		if r.Path != "/" || r.Method != http.MethodHead {
			t.Errorf("a check asked %s %s", r.Method, r.Path)
		}
	}
	o := example(t, "ceylontext")
	o.HTTP, o.ReceiptURL = gatewaytest.Divert(NewHTTPClient(), "http://127.0.0.1:1"), "http://localhost/receipts/x"
	away, err := New("http", o)
	if err != nil {
		t.Fatal(err)
	}
	if got := problems(away.Check(t.Context())); got != "reachability callback URL " {
		t.Errorf("away: %s", got)
	}
}

func problems(findings []Finding) string {
	text := ""
	for _, f := range findings {
		if !f.OK {
			text += f.What + " "
		}
	}
	return text
}
