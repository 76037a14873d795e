package gateway

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

const vonageTestApplication = "aaaaaaaa-0000-4000-8000-00000000000a"

// vonageTestKey is made once: it is slow under the race detector.
var vonageTestKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

var vonageTestSettings = settings{"api_key": "a1b2c3d4", "api_secret": canarySecret, "signature_secret": canarySecret + "-of-signatures-that-is-long-enough-for-each-of-the-three-algorithms"}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func vonageTestSender(t *testing.T, o Options) (Sender, *gatewaytest.Fake) {
	fake := gatewaytest.NewVonage(t, gatewaytest.Vonage{
		Key: "a1b2c3d4", Secret: canarySecret, Application: vonageTestApplication, Public: &vonageTestKey().PublicKey,
	})
	o.HTTP = fake.Toward(o.HTTP)
	return kitSender(t, "vonage", o), fake
}

func TestVonageSends(t *testing.T) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(vonageTestKey())
	if err != nil {
		t.Fatal(err)
	}
	const start = `{"message_type":"text","channel":"sms","to":"4915112345678","from":"ACME","text":"918273 is your code canary-text","client_ref":"` + kitMessage + `",`
	const webhook = `"webhook_url":"https://auth.example.com/receipts/own?m=` + kitMessage + `","webhook_version":"v1",`
	const end = `"ttl":300,"sms":{"encoding_type":"text"}}`
	for _, c := range []struct {
		name   string
		change func(*Options, *Message)
		want   string
	}{
		{"by key and secret", func(*Options, *Message) {}, start + webhook + end},
		{"as an application", func(o *Options, _ *Message) {
			*o = kitOptions(SMS, settings{"application_id": vonageTestApplication, "private_key": pemOf("PRIVATE KEY", pkcs8)})
		}, start + end},
		{"as an application, by the older form of a key", func(o *Options, _ *Message) {
			*o = kitOptions(SMS, settings{"application_id": vonageTestApplication, "private_key": pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(vonageTestKey()))})
		}, start + end},
		{"where nobody reaches us", func(o *Options, _ *Message) { o.ReceiptURL = "" }, start + end},
		{"in Cyrillic", func(_ *Options, m *Message) { m.Body = "код 918273" },
			strings.Replace(start, "918273 is your code canary-text", "код 918273", 1) + webhook + strings.Replace(end, `"text"`, `"unicode"`, 1)},
		{"to India, from a number", func(o *Options, m *Message) {
			o.From["IN"], m.Country = "+919876543210", "IN"
			o.DLT = map[string]DLT{"login": {"1101000000000000001", "1107000000000000002"}}
		}, strings.Replace(start, "ACME", "919876543210", 1) + webhook +
			strings.Replace(end, `"text"}`, `"text","entity_id":"1101000000000000001","content_id":"1107000000000000002"}`, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, m := kitOptions(SMS, vonageTestSettings), kitText(t)
			c.change(&o, &m)
			s, fake := vonageTestSender(t, o)
			sent, err := s.Send(t.Context(), m)
			if want := (Sent{ProviderRef: "aaaaaaaa-bbbb-4ccc-8ddd-000000000001"}); err != nil || sent != want {
				t.Errorf("Send = %v, %v", sent, err)
			}
			if got := fake.Last().Body; got != c.want {
				t.Errorf("asked\n%s, want\n%s", got, c.want)
			}
			if kitRedacts(t, s); strings.Contains(fmt.Sprintf("%+v", s), vonageTestKey().D.String()) {
				t.Error("it prints its key")
			}
		})
	}
}

func TestVonageRefusals(t *testing.T) {
	s, fake := vonageTestSender(t, kitOptions(SMS, vonageTestSettings))
	cases := byStatusAlone(`{"type":"https://developer.vonage.com/api-errors#unauthorized","title":"Unauthorized"}`)
	act := []int{1060, 1070, 1080, 1120, 1140, 1160}
	for class, codes := range map[Class][]int{
		Retry: {1000, 1030, 1100, 1180, 1220, 1230}, Failover: append(slices.Clone(act), 1210), Final: {1020, 1040, 1050, 1090, 1170, 1190, 1240},
	} {
		for _, code := range codes {
			alarm := slices.Contains(act, code)
			cases = append(cases,
				refusal{422, fmt.Sprintf(`{"type":"https://developer.vonage.com/api-errors/messages#%d","title":"no"}`, code), class, fmt.Sprint(code), alarm},
				refusal{422, fmt.Sprintf(`{"type":"about:blank","title":%d}`, code), class, fmt.Sprint(code), alarm},
				refusal{422, fmt.Sprintf(`{"type":"about:blank","title":"%d"}`, code), class, fmt.Sprint(code), alarm})
		}
	}
	cases = append(cases, refusal{202, `{"message_uuid":"4915112345678"}`, Ambiguous, "", false}, refusal{422, `{"type":"x#canary"}`, Failover, "", false})
	kitRefusals(t, s, fake, cases)
	o := kitOptions(SMS, vonageTestSettings)
	delete(o.From, "*")
	s, _ = vonageTestSender(t, o)
	if _, err := s.Send(t.Context(), kitText(t)); refusalOf(t, err).Class != Failover {
		t.Errorf("without a sender: %v", err)
	}
}

func TestVonageHostile(t *testing.T) {
	kitHostile(t, "vonage", kitOptions(SMS, vonageTestSettings), 202)
}

func TestVonageSettings(t *testing.T) {
	good := kitOptions(SMS, vonageTestSettings)
	kitRedacts(t, kitSender(t, "vonage", good))
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	private := pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(vonageTestKey()))
	kitSettings(t, "vonage", good, []settings{
		{"api_key": "no key at all"}, {"api_secret": ""}, {"api_key": "", "api_secret": ""}, {"application_id": "no application", "private_key": private},
		{"application_id": "", "private_key": private}, {"application_id": vonageTestApplication, "private_key": ""}, {"application_id": vonageTestApplication, "private_key": "no key here"},
		{"application_id": vonageTestApplication, "private_key": pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short))},
		{"application_id": vonageTestApplication, "private_key": private, "api_key": ""},
	})
	kitFrom(t, "vonage", good, nil, map[string]string{"US": "ACME"}, map[string]string{"*": "much too long"})
	if _, err := New("vonage", kitOptions(WhatsApp, vonageTestSettings)); err == nil {
		t.Error("it sends by WhatsApp")
	}
}

func TestVonageChecks(t *testing.T) {
	s, fake := vonageTestSender(t, kitOptions(SMS, vonageTestSettings))
	if got := findings(s.Check(t.Context())); got != "reachability: fine\ncredentials: fine\nsender: fine\ncallback URL: fine" {
		t.Errorf("found\n%s", got)
	}
	if got := fake.Last().Body; got != "{}" {
		t.Errorf("asked %s", got)
	}
	s, _ = vonageTestSender(t, kitOptions(SMS, vonageTestSettings.with("api_secret", "wrong", "signature_secret", "")))
	got := findings(s.Check(t.Context()))
	if !strings.Contains(got, "credentials: refused") || !strings.Contains(got, "callback URL: no receipts") {
		t.Errorf("of wrong credentials: %s", got)
	}
}

// vonageReport is a report as Vonage signs it, by another maker of JWTs than the one
// under test.
func vonageReport(t testing.TB, secret, body string, change func(map[string]any)) Callback {
	sum := sha256.Sum256([]byte(body))
	claims := map[string]any{
		"iat": kitNow.Unix(), "jti": "x", "iss": "Vonage", "api_key": "a1b2c3d4", "application_id": vonageTestApplication,
		"payload_hash": hex.EncodeToString(sum[:]),
	}
	if change != nil {
		change(claims)
	}
	return Callback{
		Method: http.MethodPost, URL: "https://auth.example.com/receipts/own?m=" + kitMessage, Body: []byte(body), Now: kitNow,
		Header: http.Header{"Authorization": {"Bearer " + joseHMAC(t, jose.HS256, secret, claims)}},
	}
}

func joseHMAC(t testing.TB, algorithm jose.SignatureAlgorithm, secret string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: []byte(secret)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const vonageTestReport = `{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-000000000001","to":"4915112345678","from":"ACME","timestamp":"2026-07-30T20:00:04Z",` +
	`"status":"delivered","client_ref":"` + kitMessage + `","channel":"sms","usage":{"currency":"EUR","price":"0.0333"},"destination":{"network_code":"26202"},"sms":{"count_total":"1"}}`

func TestVonageReceiptsAreSigned(t *testing.T) {
	secret := vonageTestSettings["signature_secret"]
	set := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) { claims[name] = value }
	}
	altered := vonageReport(t, secret, vonageTestReport, nil)
	altered.Body = []byte(strings.Replace(vonageTestReport, "delivered", "submitted", 1))
	unsigned := vonageReport(t, secret, vonageTestReport, nil)
	unsigned.Header = http.Header{}
	none := vonageReport(t, secret, vonageTestReport, nil)
	parts := strings.Split(none.Header.Get("Authorization"), ".")
	none.Header.Set("Authorization", "Bearer eyJhbGciOiJub25lIn0."+parts[1]+".")
	other := vonageReport(t, secret, vonageTestReport, func(claims map[string]any) {
		unsigned.Header.Set("X-Other", "Bearer "+joseHMAC(t, jose.HS512, secret, claims))
	})
	other.Header.Set("Authorization", unsigned.Header.Get("X-Other"))
	for name, c := range map[string]struct {
		callback Callback
		fine     bool
	}{
		"as it is":              {vonageReport(t, secret, vonageTestReport, nil), true},
		"by the secret before":  {vonageReport(t, "the-one-before-"+secret, vonageTestReport, nil), true},
		"five minutes old":      {vonageReport(t, secret, vonageTestReport, set("iat", kitNow.Add(-5*time.Minute).Unix())), true},
		"older":                 {vonageReport(t, secret, vonageTestReport, set("iat", kitNow.Add(-301*time.Second).Unix())), false},
		"of the future":         {vonageReport(t, secret, vonageTestReport, set("iat", kitNow.Add(301*time.Second).Unix())), false},
		"of no time":            {vonageReport(t, secret, vonageTestReport, func(c map[string]any) { delete(c, "iat") }), false},
		"by another secret":     {vonageReport(t, "not-"+secret, vonageTestReport, nil), false},
		"of another account":    {vonageReport(t, secret, vonageTestReport, set("api_key", "other")), false},
		"of another issuer":     {vonageReport(t, secret, vonageTestReport, set("iss", "other")), false},
		"of another body":       {altered, false},
		"without a body's hash": {vonageReport(t, secret, vonageTestReport, func(c map[string]any) { delete(c, "payload_hash") }), false},
		"unsigned":              {unsigned, false},
		"by no algorithm":       {none, false},
		"by another algorithm":  {other, false},
	} {
		values := vonageTestSettings.with("signature_secret_previous", "the-one-before-"+secret)
		got, err := kitSender(t, "vonage", kitOptions(SMS, values)).Receipts(t.Context(), c.callback)
		if c.fine != (err == nil) || !c.fine && err != ErrForged {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if !c.fine {
			continue
		}
		cost := got[0].Cost
		got[0].Cost = nil
		want := Receipt{MessageID: kitMessage, ProviderRef: "aaaaaaaa-bbbb-4ccc-8ddd-000000000001", State: StateDelivered, At: kitNow.Add(4 * time.Second)}
		if got[0] != want || cost == nil || *cost != (Price{33300, "EUR"}) {
			t.Errorf("%s: %+v, %+v", name, got[0], cost)
		}
	}
}

func TestVonageReceiptStates(t *testing.T) {
	s := kitSender(t, "vonage", kitOptions(SMS, vonageTestSettings))
	for _, c := range []struct {
		status, code string
		state        State
		class        Class
	}{
		{"submitted", "", StateSent, ""}, {"delivered", "", StateDelivered, ""}, {"read", "", StateDelivered, ""},
		{"rejected", "1360", StateExpired, Retry}, {"rejected", "1180", StateUndelivered, Retry}, {"rejected", "1190", StateUndelivered, Final},
		{"rejected", "1210", StateUndelivered, Failover}, {"undeliverable", "1240", StateFailed, Final}, {"undeliverable", "", StateFailed, Failover},
		{"else", "", StateUnknown, ""},
	} {
		body := fmt.Sprintf(`{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-000000000001","status":%q,"error":{"type":"https://developer.vonage.com/api-errors/messages#%s"}}`, c.status, c.code)
		got, err := s.Receipts(t.Context(), vonageReport(t, vonageTestSettings["signature_secret"], body, nil))
		want := Receipt{ProviderRef: "aaaaaaaa-bbbb-4ccc-8ddd-000000000001", State: c.state, Class: c.class, Code: c.code}
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s %s: %+v, %v; want %+v", c.status, c.code, got, err, want)
		}
	}
	get := vonageReport(t, vonageTestSettings["signature_secret"], vonageTestReport, nil)
	get.Method = http.MethodGet
	for name, c := range map[string]Callback{
		"by GET": get, "no JSON": vonageReport(t, vonageTestSettings["signature_secret"], "<html>", nil),
		"without a reference": vonageReport(t, vonageTestSettings["signature_secret"], `{"status":"delivered","message_uuid":"4915112345678"}`, nil),
	} {
		if got, err := s.Receipts(t.Context(), c); err == nil || err == ErrForged {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	s = kitSender(t, "vonage", kitOptions(SMS, vonageTestSettings.with("signature_secret", "")))
	if _, err := s.Receipts(t.Context(), get); err != ErrNoReceipts {
		t.Errorf("without a secret: %v", err)
	}
}

func FuzzVonage(f *testing.F) {
	f.Add(202, `{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-000000000001"}`, "Bearer a.b.c")
	f.Add(422, `{"type":"https://developer.vonage.com/api-errors/messages#1020","title":1020}`, "Bearer eyJhbGciOiJIUzI1NiJ9.e30.e30")
	f.Add(200, vonageTestReport, "")
	s := kitSender(f, "vonage", kitOptions(SMS, vonageTestSettings))
	f.Fuzz(func(t *testing.T, status int, body, authorization string) {
		sent, err := vonageAnswer(answer{status: status, body: []byte(body)})
		if err != nil {
			refusalOf(t, err)
		} else if len(sent.ProviderRef) != 36 {
			t.Errorf("taken as %+v", sent)
		}
		receipts, err := s.Receipts(t.Context(), vonageReport(t, vonageTestSettings["signature_secret"], body, nil))
		if err == ErrForged || err == nil && len(receipts[0].ProviderRef) != 36 {
			t.Errorf("%v, %v", receipts, err)
		}
		c := Callback{Method: http.MethodPost, Body: []byte(body), Now: kitNow, Header: http.Header{"Authorization": {authorization}}}
		if receipts, err := s.Receipts(t.Context(), c); err != ErrForged {
			t.Errorf("unsigned: %v, %v", receipts, err)
		}
	})
}

func TestPriceOf(t *testing.T) {
	for amount, want := range map[string]int64{"0.0333": 33300, "1": 1000000, "0.0000001": 1, "0.00000100": 1, "999999999.999999": 999999999999999, "0": 0} {
		if got := priceOf(amount, "EUR"); got == nil || *got != (Price{want, "EUR"}) {
			t.Errorf("%s: %v, want %d", amount, got, want)
		}
	}
	for _, c := range [][2]string{{"", "EUR"}, {"-1", "EUR"}, {"1e9", "EUR"}, {"1.", "EUR"}, {"1", "eur"}, {"1", ""}, {"1", "EURO"}, {"9999999999", "EUR"}} {
		if got := priceOf(c[0], c[1]); got != nil {
			t.Errorf("%q: %v", c, got)
		}
	}
}
