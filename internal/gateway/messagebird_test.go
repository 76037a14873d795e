package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

const (
	messagebirdTestID  = "00000000000000000000000000000001"
	messagebirdTestKey = canarySecret + "-of-receipts-that-is-long-enough-for-each-of-the-three-algorithms"
)

var messagebirdTestSettings = settings{"access_key": canarySecret, "signing_key": messagebirdTestKey}

func messagebirdTestSender(t *testing.T, o Options) (Sender, *gatewaytest.Fake) {
	fake := gatewaytest.NewMessagebird(t, canarySecret)
	o.HTTP = fake.Toward(o.HTTP)
	return kitSender(t, "messagebird", o), fake
}

func TestMessagebirdSends(t *testing.T) {
	const start = `{"originator":"ACME","body":"918273 is your code canary-text","recipients":["4915112345678"],"reference":"` + kitMessage + `",`
	const report = `"reportUrl":"https://auth.example.com/receipts/own?m=` + kitMessage + `",`
	const end = `"datacoding":"plain","validity":300}`
	for _, c := range []struct {
		name   string
		change func(*Options, *Message)
		want   string
	}{
		{"a text", func(*Options, *Message) {}, start + report + end},
		{"where nobody reaches us", func(o *Options, _ *Message) { o.ReceiptURL = "" }, start + end},
		{"without a key for reports", func(o *Options, _ *Message) { *o = kitOptions(SMS, messagebirdTestSettings.with("signing_key", "")) }, start + end},
		{"in Cyrillic, from a number", func(_ *Options, m *Message) { m.Body, m.Country = "код 918273", "US" },
			strings.NewReplacer("918273 is your code canary-text", "код 918273", "ACME", "14155550100").Replace(start) + report + strings.Replace(end, "plain", "unicode", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, m := kitOptions(SMS, messagebirdTestSettings), kitText(t)
			c.change(&o, &m)
			s, fake := messagebirdTestSender(t, o)
			sent, err := s.Send(t.Context(), m)
			if want := (Sent{ProviderRef: messagebirdTestID}); err != nil || sent != want {
				t.Errorf("Send = %v, %v", sent, err)
			}
			if got := fake.Last().Body; got != c.want {
				t.Errorf("asked\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestMessagebirdRefusals(t *testing.T) {
	s, fake := messagebirdTestSender(t, kitOptions(SMS, messagebirdTestSettings))
	cases := byStatusAlone(`{"errors":[]}`)
	for code, class := range map[int]Class{2: Failover, 25: Failover, 9: Final, 10: Final, 20: Final, 21: Final, 99: Retry, 98: Failover} {
		cases = append(cases, refusal{422, fmt.Sprintf(`{"errors":[{"code":%d,"description":"no","parameter":"x"}]}`, code), class, fmt.Sprint(code), code == 2 || code == 25})
	}
	cases = append(cases,
		refusal{500, `{"errors":[{"code":99}]}`, Retry, "99", false},
		refusal{500, `{"errors":[{"code":98}]}`, Ambiguous, "98", false},
		refusal{201, `{"id":"` + messagebirdTestID + `","recipients":{"totalSentCount":0,"items":[{"status":"delivery_failed"}]}}`, Failover, "delivery_failed", false},
		refusal{201, `{"id":"` + messagebirdTestID + `","recipients":{"totalSentCount":0,"items":[]}}`, Ambiguous, "", false},
		refusal{201, `{"id":"` + messagebirdTestID + `","recipients":{"totalSentCount":2,"items":[{"status":"sent"},{"status":"sent"}]}}`, Ambiguous, "", false},
		refusal{201, `{"id":"4915112345678","recipients":{"totalSentCount":1,"items":[{"status":"sent"}]}}`, Ambiguous, "", false})
	kitRefusals(t, s, fake, cases)
	o := kitOptions(SMS, messagebirdTestSettings)
	delete(o.From, "*")
	s, _ = messagebirdTestSender(t, o)
	if _, err := s.Send(t.Context(), kitText(t)); refusalOf(t, err).Class != Failover {
		t.Errorf("without a sender: %v", err)
	}
}

func TestMessagebirdHostile(t *testing.T) {
	kitHostile(t, "messagebird", kitOptions(SMS, messagebirdTestSettings), 201)
}

func TestMessagebirdSettings(t *testing.T) {
	good := kitOptions(SMS, messagebirdTestSettings)
	kitRedacts(t, kitSender(t, "messagebird", good))
	kitSettings(t, "messagebird", good, []settings{{"access_key": ""}, {"unknown": "something"}})
	kitFrom(t, "messagebird", good, nil, map[string]string{"US": "ACME"}, map[string]string{"*": "much too long"}, map[string]string{"*": "A B"})
}

func TestMessagebirdChecks(t *testing.T) {
	s, fake := messagebirdTestSender(t, kitOptions(SMS, messagebirdTestSettings))
	if got := findings(s.Check(t.Context())); got != "reachability: fine\ncredentials: fine\nsender: fine\ncallback URL: fine" {
		t.Errorf("found\n%s", got)
	}
	if got := fake.Last().Body; got != "{}" {
		t.Errorf("asked %s", got)
	}
	fake.Answers(gatewaytest.Answer{Status: 422, Body: `{"errors":[{"code":2,"description":"no"}]}`})
	if got := findings(s.Check(t.Context())); !strings.Contains(got, "credentials: refused") {
		t.Errorf("of wrong credentials: %s", got)
	}
	s, _ = messagebirdTestSender(t, kitOptions(SMS, messagebirdTestSettings.with("access_key", "wrong", "signing_key", "")))
	got := findings(s.Check(t.Context()))
	if !strings.Contains(got, "credentials: refused") || !strings.Contains(got, "callback URL: no receipts") {
		t.Errorf("of wrong credentials: %s", got)
	}
}

// messagebirdReport is a report as MessageBird signs it, by another maker of JWTs
// than the one under test.
func messagebirdReport(t testing.TB, algorithm jose.SignatureAlgorithm, key, status string, change func(claims map[string]any)) Callback {
	at := "https://auth.example.com/receipts/own?m=" + kitMessage + "&id=" + messagebirdTestID + "&reference=" + kitMessage +
		"&recipient=4915112345678&status=" + url.QueryEscape(status) + "&statusDatetime=2026-07-30T20:00:04+00:00&statusErrorCode=12&mccmnc=26202"
	sum := sha256.Sum256([]byte(at))
	claims := map[string]any{
		"iss": "MessageBird", "nbf": kitNow.Unix(), "exp": kitNow.Add(time.Minute).Unix(), "jti": "x", "url_hash": hex.EncodeToString(sum[:]),
	}
	if change != nil {
		change(claims)
	}
	return Callback{Method: http.MethodGet, URL: at, Now: kitNow, Header: http.Header{"Messagebird-Signature-Jwt": {joseHMAC(t, algorithm, key, claims)}}}
}

func TestMessagebirdReceiptsAreSigned(t *testing.T) {
	const key = messagebirdTestKey
	set := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) {
			if claims[name] = value; value == nil {
				delete(claims, name)
			}
		}
	}
	good := func(change func(map[string]any)) Callback {
		return messagebirdReport(t, jose.HS256, key, "delivered", change)
	}
	altered, port, unsigned, body := good(nil), good(nil), good(nil), good(nil)
	altered.URL = strings.Replace(altered.URL, "delivered", "expired", 1)
	port.URL = strings.Replace(port.URL, ".com/", ".com:443/", 1)
	unsigned.Header = http.Header{}
	body.Body = []byte("x")
	sum := sha256.Sum256([]byte("x"))
	hashed := good(set("payload_hash", hex.EncodeToString(sum[:])))
	bodied := hashed
	bodied.Body = []byte("x")
	for name, c := range map[string]struct {
		callback Callback
		fine     bool
	}{
		"as it is":               {good(nil), true},
		"of a hash in capitals":  {good(func(claims map[string]any) { claims["url_hash"] = strings.ToUpper(claims["url_hash"].(string)) }), true},
		"by HS384":               {messagebirdReport(t, jose.HS384, key, "delivered", nil), true},
		"by HS512":               {messagebirdReport(t, jose.HS512, key, "delivered", nil), true},
		"by the key before":      {messagebirdReport(t, jose.HS256, "the-one-before-"+key, "delivered", nil), true},
		"with its port":          {port, true},
		"with a body":            {bodied, true},
		"a second early":         {good(set("nbf", kitNow.Add(time.Second).Unix())), true},
		"a second late":          {good(set("exp", kitNow.Add(-time.Second).Unix())), true},
		"early":                  {good(set("nbf", kitNow.Add(2*time.Second).Unix())), false},
		"late":                   {good(set("exp", kitNow.Add(-2*time.Second).Unix())), false},
		"of no beginning":        {good(set("nbf", nil)), false},
		"of no end":              {good(set("exp", nil)), false},
		"of no id":               {good(set("jti", nil)), false},
		"of another issuer":      {good(set("iss", "other")), false},
		"of no URL":              {good(set("url_hash", nil)), false},
		"of another URL":         {altered, false},
		"with another's body":    {body, false},
		"without the body":       {hashed, false},
		"by another key":         {messagebirdReport(t, jose.HS256, "not-"+key, "delivered", nil), false},
		"unsigned":               {unsigned, false},
		"by no known algorithm":  {Callback{Method: http.MethodGet, URL: altered.URL, Now: kitNow, Header: http.Header{"Messagebird-Signature-Jwt": {"eyJhbGciOiJub25lIn0.e30."}}}, false},
		"by what is no JWT":      {Callback{Method: http.MethodGet, URL: altered.URL, Now: kitNow, Header: http.Header{"Messagebird-Signature-Jwt": {"x"}}}, false},
		"of claims of odd types": {good(set("exp", "tomorrow")), false},
	} {
		s := kitSender(t, "messagebird", kitOptions(SMS, messagebirdTestSettings.with("signing_key_previous", "the-one-before-"+key)))
		got, err := s.Receipts(t.Context(), c.callback)
		if c.fine != (err == nil) || !c.fine && err != ErrForged {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		want := Receipt{MessageID: kitMessage, ProviderRef: messagebirdTestID, State: StateDelivered, Code: "12", At: kitNow.Add(4 * time.Second)}
		if c.fine && got[0] != want {
			t.Errorf("%s: %+v, want %+v", name, got[0], want)
		}
	}
}

func TestMessagebirdReceiptStates(t *testing.T) {
	s := kitSender(t, "messagebird", kitOptions(SMS, messagebirdTestSettings))
	for status, want := range map[string]Receipt{
		"scheduled": {State: StateAccepted}, "sent": {State: StateSent}, "buffered": {State: StateSent}, "delivered": {State: StateDelivered},
		"expired": {State: StateExpired, Class: Retry}, "delivery_failed": {State: StateUndelivered, Class: Failover}, "else": {State: StateUnknown},
	} {
		got, err := s.Receipts(t.Context(), messagebirdReport(t, jose.HS256, messagebirdTestKey, status, nil))
		if err != nil || got[0].State != want.State || got[0].Class != want.Class {
			t.Errorf("%s: %+v, %v", status, got, err)
		}
	}
	nobody := messagebirdReport(t, jose.HS256, messagebirdTestKey, "sent", nil)
	nobody.URL = strings.Replace(nobody.URL, messagebirdTestID, "4915112345678", 1)
	sum := sha256.Sum256([]byte(nobody.URL))
	nobody.Header = http.Header{"Messagebird-Signature-Jwt": {joseHMAC(t, jose.HS256, messagebirdTestKey, map[string]any{
		"iss": "MessageBird", "nbf": kitNow.Unix(), "exp": kitNow.Add(time.Minute).Unix(), "jti": "x", "url_hash": hex.EncodeToString(sum[:]),
	})}}
	if got, err := s.Receipts(t.Context(), nobody); err != errReceipt {
		t.Errorf("of what is no id: %v, %v", got, err)
	}
	post := messagebirdReport(t, jose.HS256, messagebirdTestKey, "sent", nil)
	post.Method = http.MethodPost
	if got, err := s.Receipts(t.Context(), post); err != errReceipt {
		t.Errorf("by POST: %v, %v", got, err)
	}
	s = kitSender(t, "messagebird", kitOptions(SMS, messagebirdTestSettings.with("signing_key", "")))
	if _, err := s.Receipts(t.Context(), post); err != ErrNoReceipts {
		t.Errorf("without a key: %v", err)
	}
}

func FuzzMessagebird(f *testing.F) {
	f.Add(201, `{"id":"`+messagebirdTestID+`","recipients":{"totalSentCount":1,"items":[{"status":"sent"}]}}`, "a.b.c")
	f.Add(422, `{"errors":[{"code":9}]}`, "eyJhbGciOiJIUzI1NiJ9.e30.e30")
	s := kitSender(f, "messagebird", kitOptions(SMS, messagebirdTestSettings))
	f.Fuzz(func(t *testing.T, status int, body, token string) {
		sent, err := messagebirdAnswer(answer{status: status, body: []byte(body)})
		if err != nil {
			refusalOf(t, err)
		} else if !messagebirdID.MatchString(sent.ProviderRef) {
			t.Errorf("taken as %+v", sent)
		}
		c := messagebirdReport(t, jose.HS256, messagebirdTestKey, body, nil)
		if receipts, err := s.Receipts(t.Context(), c); err != nil || receipts[0].ProviderRef != messagebirdTestID {
			t.Errorf("%v, %v", receipts, err)
		}
		c.Header.Set("MessageBird-Signature-JWT", token)
		if receipts, err := s.Receipts(t.Context(), c); err != ErrForged {
			t.Errorf("unsigned: %v, %v", receipts, err)
		}
	})
}
