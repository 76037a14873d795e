package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/keyring"
)

// hookMessage is what the tests of this file's neighbours send.
func hookMessage(t *testing.T) Message {
	t.Helper()
	return Message{
		ID: "0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee", Channel: SMS, To: number(t, "+919812345678"), Country: "IN",
		Body: "Your code is canary-551 <&\">", Code: "canary-551", Locale: "en", Purpose: "login", ChallengeID: "0190ffff-bbbb-7ccc-8ddd-eeeeeeeeeeee",
		CreatedAt: hookTime.Add(-3 * time.Second), ExpiresAt: hookTime.Add(10 * time.Minute),
	}
}

// secrets makes the values of settings.
func secrets(values map[string]string) map[string]keyring.Secret {
	all := map[string]keyring.Secret{}
	for name, value := range values {
		all[name] = keyring.Secret(value)
	}
	return all
}

// hookSender makes a sender of one of the kinds that call an operator's address.
func hookSender(t *testing.T, kind string, client *http.Client, values map[string]string) Sender {
	t.Helper()
	s, err := New(kind, Options{
		Name: "acme", Channel: SMS, Values: secrets(values), HTTP: client, Now: func() time.Time { return hookTime },
		From: map[string]string{"*": "ACME", "IN": "ACMEIN"}, DLT: map[string]DLT{"*": {"1101", "1107"}},
		ReceiptURL: "https://auth.example.com/receipts/acme",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestWebhookSends(t *testing.T) {
	_, public := hookPair()
	private, _ := hookPair()
	for _, secret := range []struct{ ours, theirs string }{
		{gatewaytest.HookSecret, gatewaytest.HookSecret},
		{otherSecret + " " + gatewaytest.HookSecret, gatewaytest.HookSecret},
		{private, public},
	} {
		service := gatewaytest.NewWebhook(t, secret.theirs, hookTime)
		service.Answers(gatewaytest.Answer{Status: 200, Body: `{"ref":"r-1","cost":{"amount":"0.0075001","currency":"EUR"},"segments":2}`})
		s := hookSender(t, "webhook", service.Toward(NewHTTPClient()), map[string]string{"url": "https://hooks.example.com/sms", "secret": secret.ours})
		sent, err := s.Send(t.Context(), hookMessage(t))
		if want := (Sent{"r-1", &Price{7501, "EUR"}, 2}); err != nil || !reflect.DeepEqual(sent, want) {
			t.Errorf("got %+v, %v", sent, err)
		}
		if findings := s.Check(t.Context()); len(findings) == 0 || slices.ContainsFunc(findings, func(f Finding) bool { return !f.OK }) {
			t.Errorf("checked: %+v", findings)
		}
		golden := `{"id":"0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee","type":"message.send","timestamp":"2021-02-25T15:02:07Z","data":{` +
			`"message_id":"0190aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee","channel":"sms","to":"+919812345678","country":"IN","from":"ACMEIN",` +
			`"body":"Your code is canary-551 \u003c\u0026\"\u003e","code":"canary-551","locale":"en","purpose":"login","expires_at":"2021-02-25T15:12:10Z",` +
			`"dlt":{"entity":"1101","template":"1107"},"receipt_url":"https://auth.example.com/receipts/acme"}}`
		if got := service.Asked()[0]; got.Body != golden || got.Path != "/sms" {
			t.Errorf("sent to %s\n%s\nwant\n%s", got.Path, got.Body, golden)
		}
	}
}

// The same call at every try is how a service knows a repeat.
func TestWebhookRepeatsItself(t *testing.T) {
	service := gatewaytest.NewWebhook(t, gatewaytest.HookSecret, hookTime)
	s := hookSender(t, "webhook", service.Toward(NewHTTPClient()), map[string]string{"url": "https://hooks.example.com", "secret": gatewaytest.HookSecret})
	for range 2 {
		if _, err := s.Send(t.Context(), hookMessage(t)); err != nil {
			t.Fatal(err)
		}
	}
	h := service.Asked()
	if h[0].Body != h[1].Body || h[0].Header.Get("webhook-id") != h[1].Header.Get("webhook-id") {
		t.Errorf("two tries differ: %v", h)
	}
}

func TestWebhookOfANotice(t *testing.T) {
	service := gatewaytest.NewWebhook(t, gatewaytest.HookSecret, hookTime)
	s := hookSender(t, "webhook", service.Toward(NewHTTPClient()), map[string]string{"url": "https://hooks.example.com", "secret": gatewaytest.HookSecret})
	m := hookMessage(t)
	m.Code, m.ChallengeID, m.Country, m.To = "", "", "DE", number(t, "+4915112345678")
	if _, err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if body := service.Asked()[0].Body; strings.Contains(body, `"code"`) || strings.Contains(body, "dlt") || !strings.Contains(body, `"from":"ACME"`) {
		t.Errorf("sent %s", body)
	}
}

func TestWebhookTakesAnyWordOfSuccess(t *testing.T) {
	for body, want := range map[string]Sent{
		"":                                      {},
		"OK":                                    {},
		"<html>thanks</html>":                   {},
		"[]":                                    {},
		`{"ref":7}`:                             {},
		`{"ref":"a b"}`:                         {},
		`{"ref":"` + strings.Repeat("x", 129):   {},
		`{"cost":{"amount":0.05}}`:              {},
		`{"cost":{"amount":1e9,"currency":"X"}`: {},
		`{"segments":-1,"ref":"r"}`:             {ProviderRef: "r"},
		`{"segments":1,"cost":{"amount":0.05,"currency":"USD"}}`:     {Segments: 1, Cost: &Price{50_000, "USD"}},
		`{"cost":{"amount":"-1","currency":"USD"},"ref":"r"}`:        {ProviderRef: "r"},
		`{"cost":{"amount":"1e300","currency":"USD"},"ref":"r"}`:     {ProviderRef: "r"},
		`{"cost":{"amount":"0.0000001","currency":"usd"},"ref":"r"}`: {ProviderRef: "r"},
		`{"cost":{"amount":"0.0000001","currency":"USD"}}`:           {Cost: &Price{1, "USD"}},
	} {
		if got := hookTaken([]byte(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", body, got, want)
		}
	}
}

func TestWebhookClasses(t *testing.T) {
	service := gatewaytest.NewWebhook(t, gatewaytest.HookSecret, hookTime)
	s := hookSender(t, "webhook", service.Toward(NewHTTPClient()), map[string]string{"url": "https://hooks.example.com", "secret": gatewaytest.HookSecret})
	for _, c := range []struct {
		said gatewaytest.Answer
		want SendError
	}{
		{gatewaytest.Answer{Status: 429, Header: map[string]string{"Retry-After": "7"}}, SendError{Class: Retry, RetryAfter: 7 * time.Second}},
		{gatewaytest.Answer{Status: 502}, SendError{Class: Retry}},
		{gatewaytest.Answer{Status: 503, Header: map[string]string{"Retry-After": "999999999"}}, SendError{Class: Retry, RetryAfter: time.Hour}},
		{gatewaytest.Answer{Status: 503, Header: map[string]string{"Retry-After": "18446744074"}}, SendError{Class: Retry, RetryAfter: time.Hour}},
		{gatewaytest.Answer{Status: 504, Header: map[string]string{"Retry-After": "soon"}}, SendError{Class: Retry}},
		{gatewaytest.Answer{Status: 500}, SendError{Class: Ambiguous}},
		{gatewaytest.Answer{Status: 410}, SendError{Class: Failover, Alarm: true}},
		{gatewaytest.Answer{Status: 410, Body: `{"class":"retry"}`}, SendError{Class: Failover, Alarm: true}},
		{gatewaytest.Answer{Status: 401}, SendError{Class: Failover, Alarm: true}},
		{gatewaytest.Answer{Status: 402}, SendError{Class: Failover, Alarm: true}},
		{gatewaytest.Answer{Status: 403}, SendError{Class: Failover, Alarm: true}},
		{gatewaytest.Answer{Status: 404}, SendError{Class: Failover}},
		{gatewaytest.Answer{Status: 422, Body: `{"class":"final","code":"no_such_number"}`}, SendError{Class: Final, Code: "no_such_number"}},
		{gatewaytest.Answer{Status: 500, Body: `{"class":"retry","code":"+919812345678"}`}, SendError{Class: Retry}},
		{gatewaytest.Answer{Status: 422, Body: `{"class":"whatever","code":"x"}`}, SendError{Class: Failover, Code: "x"}},
		{gatewaytest.Answer{Status: 422, Body: `<html>canary-551</html>`}, SendError{Class: Failover}},
		{gatewaytest.Answer{Status: 302, Header: map[string]string{"Location": "https://127.0.0.1:1/elsewhere"}}, SendError{Class: Failover}},
		{gatewaytest.Answer{Status: 200, Body: strings.Repeat("x", longestAnswer+1)}, SendError{Class: Ambiguous}},
	} {
		service.Answers(c.said)
		_, err := s.Send(t.Context(), hookMessage(t))
		var got *SendError
		if !errors.As(err, &got) {
			t.Errorf("%d %s: %v", c.said.Status, c.said.Body, err)
			continue
		}
		c.want.Cause = got.Cause
		if *got != c.want {
			t.Errorf("%d %s: got %+v, want %+v", c.said.Status, c.said.Body, *got, c.want)
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("the text is in %v", err)
		}
	}
}

// Any 2xx is a word of success: of hostile answers those are taken, and tell
// nothing. All others end in an error of the class that fits.
func TestWebhookHostile(t *testing.T) {
	m := hookMessage(t)
	gatewaytest.Hostile(t, NewHTTPClient(), 200, func(ctx context.Context, client *http.Client) (string, error) {
		s := hookSender(t, "webhook", client, map[string]string{"url": "https://hooks.example.com/canary-path", "secret": otherSecret})
		sent, err := s.Send(ctx, m)
		if err == nil && sent == (Sent{}) {
			return string(Ambiguous), errors.New("taken")
		}
		return string(classOf(err)), err
	}, m.To.E164(), m.Body.Reveal(), m.Code.Reveal(), otherSecret, "canary-path")
}

func classOf(err error) Class {
	var e *SendError
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

func TestWebhookChecked(t *testing.T) {
	service := gatewaytest.NewWebhook(t, gatewaytest.HookSecret, hookTime)
	service.Answers(gatewaytest.Answer{Status: 401})
	s := hookSender(t, "webhook", service.Toward(NewHTTPClient()), map[string]string{"url": "https://hooks.example.com", "secret": gatewaytest.HookSecret})
	if got := s.Check(t.Context()); len(got) != 3 || !got[0].OK || got[1].OK || !strings.Contains(got[1].Problem, "401") {
		t.Errorf("refused: %+v", got)
	}
	away := hookSender(t, "webhook", NewHTTPClient(), map[string]string{"url": "https://127.0.0.1:1/canary", "secret": gatewaytest.HookSecret, "allow_private": "true"})
	if got := away.Check(t.Context()); len(got) != 1 || got[0].OK || strings.Contains(got[0].Problem, "canary") {
		t.Errorf("away: %+v", got)
	}
}

func TestWebhookSettings(t *testing.T) {
	_, public := hookPair()
	good := gatewaytest.HookSecret
	for _, c := range []struct{ setting, url, secret, receipt, private string }{
		{"url", "", good, "", ""},
		{"url", "hooks.example.com", good, "", ""},
		{"url", "http://hooks.example.com", good, "", ""},
		{"url", "http://hooks.example.com", good, "", "true"},
		{"url", "http://localhost/", good, "", "true"},
		{"url", "http://127.0.0.1/", good, "", ""},
		{"url", "https://127.0.0.1/", good, "", "false"},
		{"url", "https://user:canary@hooks.example.com/", good, "", ""},
		{"url", "https://hooks.example.com/#canary", good, "", ""},
		{"url", "https://%zz/canary", good, "", ""},
		{"allow_private", "https://hooks.example.com", good, "", "yes"},
		{"secret", "https://hooks.example.com", "", "", ""},
		{"secret", "https://hooks.example.com", "canary", "", ""},
		{"secret", "https://hooks.example.com", public, "", ""},
		{"receipt_secret", "https://hooks.example.com", good, "canary", ""},
		{"", "https://hooks.example.com/x?y=z", good, public, ""},
		{"", "http://[::1]:8080/", good, "", "true"},
	} {
		_, err := New("webhook", Options{Channel: Voice, Values: secrets(map[string]string{
			"url": c.url, "secret": c.secret, "receipt_secret": c.receipt, "allow_private": c.private,
		})})
		var wrong *SettingError
		if !errors.As(err, &wrong) {
			wrong = &SettingError{}
		}
		if wrong.Setting != c.setting || strings.Contains(wrong.Problem, "canary") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestC75WebhookDoesNotPrintItsSecret(t *testing.T) {
	s := hookSender(t, "webhook", NewHTTPClient(), map[string]string{"url": "https://hooks.example.com/canary", "secret": otherSecret})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if shown := fmt.Sprintf(verb, s); !strings.Contains(shown, "redacted") || len(shown) > 20 {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
	if text, err := json.Marshal(s); err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}
