package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/phone"
)

// What must stand in no error: parts of the message under test and of every secret.
const (
	canaryNumber = "4915112345678"
	canaryText   = "canary-text"
	canaryCode   = "918273"
	canarySecret = "canary0secret"
)

var kitNow = time.Date(2026, 7, 30, 20, 0, 0, 0, time.UTC)

const kitMessage = "0190a0b0-0000-7000-8000-000000000001"

// settings are the values of a kind.
type settings map[string]string

// with gives a copy with others; "" takes a setting away.
func (s settings) with(changes ...string) settings {
	s = maps.Clone(s)
	for i := 0; i < len(changes); i += 2 {
		s[changes[i]] = changes[i+1]
		if changes[i+1] == "" {
			delete(s, changes[i])
		}
	}
	return s
}

// kitOptions are those of a sender called "own" that sends as ACME, or from a number
// where names are not carried, and has receipts.
func kitOptions(channel Channel, values settings) Options {
	o := Options{
		Name: "own", Channel: channel, Values: map[string]keyring.Secret{},
		From:       map[string]string{"*": "ACME", "US": "+14155550100"},
		ReceiptURL: "https://auth.example.com/receipts/own",
		HTTP:       NewHTTPClient(),
		Now:        func() time.Time { return kitNow },
		Rand:       bytes.NewReader(bytes.Repeat([]byte{7}, 1<<16)),
	}
	for name, value := range values {
		o.Values[name] = keyring.Secret(value)
	}
	return o
}

func kitSender(t testing.TB, kind string, o Options) Sender {
	t.Helper()
	s, err := New(kind, o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Kind() != kind || s.Name() != o.Name || s.Channel() != o.Channel {
		t.Errorf("it calls itself %s, %s, %s", s.Kind(), s.Name(), s.Channel())
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// kitText is a message of five minutes to a number in Germany.
func kitText(t testing.TB) Message {
	t.Helper()
	to, err := phone.FromE164("+" + canaryNumber)
	if err != nil {
		t.Fatal(err)
	}
	return Message{
		ID: kitMessage, Channel: SMS, To: to, Country: "DE", Locale: "de-DE", Purpose: "login",
		Body: canaryCode + " is your code " + canaryText, Code: canaryCode,
		CreatedAt: kitNow, ExpiresAt: kitNow.Add(5 * time.Minute),
	}
}

// refusalOf gives the *SendError of a sending; the test fails where it is none.
func refusalOf(t testing.TB, err error) *SendError {
	t.Helper()
	var e *SendError
	if !errors.As(err, &e) {
		t.Fatalf("no *SendError: %v", err)
	}
	return e
}

// kitHostile tries a kind against servers that answer as no provider should.
func kitHostile(t *testing.T, kind string, o Options, taken int) {
	t.Helper()
	o.HTTP = NewHTTPClient()
	gatewaytest.Hostile(t, o.HTTP, taken, func(ctx context.Context, client *http.Client) (string, error) {
		o := o
		o.HTTP = client
		_, err := kitSender(t, kind, o).Send(ctx, kitText(t))
		if err == nil {
			return "", nil
		}
		return string(refusalOf(t, err).Class), err
	}, canaryNumber, canaryText, canaryCode, canarySecret)
}

// refusal is an answer and what is made of it.
type refusal struct {
	status int
	body   string
	class  Class
	code   string
	alarm  bool
}

// kitRefusals has a fake answer, and looks at what the sender makes of it.
func kitRefusals(t *testing.T, s Sender, fake *gatewaytest.Fake, cases []refusal) {
	t.Helper()
	for _, c := range cases {
		fake.Answers(gatewaytest.Answer{Status: c.status, Body: c.body, Header: map[string]string{"Retry-After": "7"}})
		_, err := s.Send(t.Context(), kitText(t))
		e := refusalOf(t, err)
		if e.Class != c.class || e.Code != c.code || e.Alarm != c.alarm || c.status >= 400 && e.RetryAfter != 7*time.Second {
			t.Errorf("%d %s: %s %q, alarm %v, after %s; want %s %q, alarm %v",
				c.status, c.body, e.Class, e.Code, e.Alarm, e.RetryAfter, c.class, c.code, c.alarm)
		}
	}
}

// byStatusAlone are the refusals of a body that tells no code.
func byStatusAlone(body string) []refusal {
	return []refusal{
		{400, body, Failover, "", false}, {401, body, Failover, "", true}, {402, body, Failover, "", true},
		{403, body, Failover, "", true}, {404, body, Failover, "", false}, {422, body, Failover, "", false},
		{429, body, Retry, "", false}, {500, body, Ambiguous, "", false}, {502, body, Retry, "", false},
		{503, body, Retry, "", false}, {504, body, Retry, "", false}, {599, body, Ambiguous, "", false},
	}
}

// kitSettings are changes of settings that New must refuse, each naming the setting.
func kitSettings(t *testing.T, kind string, good Options, bad []settings) {
	t.Helper()
	for _, changes := range bad {
		o := good
		o.Values = maps.Clone(good.Values)
		var names []string
		for name, value := range changes {
			names = append(names, name)
			o.Values[name] = keyring.Secret(value)
		}
		_, err := New(kind, o)
		var refused *SettingError
		if !errors.As(err, &refused) || !strings.Contains(strings.Join(names, " "), refused.Setting) {
			t.Errorf("%q: %v", changes, err)
			continue
		}
		for _, value := range changes {
			if len(value) > 7 && strings.Contains(err.Error(), value) {
				t.Errorf("the error repeats %q: %v", value, err)
			}
		}
	}
}

// kitFrom are senders that New must refuse.
func kitFrom(t *testing.T, kind string, good Options, bad ...map[string]string) {
	t.Helper()
	for _, from := range bad {
		good.From = from
		_, err := New(kind, good)
		var refused *SettingError
		if !errors.As(err, &refused) || refused.Setting != "from" {
			t.Errorf("from %v: %v", from, err)
		}
	}
}

// kitRedacts looks for secrets in how a sender prints.
func kitRedacts(t *testing.T, s Sender) {
	t.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if shown := fmt.Sprintf(verb, s); strings.Contains(shown, canarySecret) || strings.Contains(shown, fmt.Sprintf("%x", canarySecret)) {
			t.Errorf("%s shows a secret: %s", verb, shown)
		}
	}
}

// findings writes what a check found, one a line: what, and the problem or "fine".
func findings(found []Finding) string {
	var lines []string
	for _, f := range found {
		word := f.Problem
		if f.OK == (f.Problem != "") {
			word += " AND BOTH"
		}
		if f.OK {
			word = "fine"
		}
		lines = append(lines, f.What+": "+word)
	}
	return strings.Join(lines, "\n")
}
