package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/google/go-cmp/cmp"
)

const (
	plivoID    = "MAXXXXXXXXXXXXXXXXXX"
	plivoToken = canarySecret + "-token"
	plivoRef   = "5b40a428-bfc7-4daf-9d06-726c558bf3b8"
)

var plivoSettings = settings{"auth_id": plivoID, "auth_token": plivoToken}

// plivoFake has a sender of these options and the provider it calls.
func plivoFake(t *testing.T, o Options) (*gatewaytest.Fake, Sender) {
	t.Helper()
	fake := gatewaytest.NewPlivo(t, plivoID, plivoToken)
	o.HTTP = fake.Toward(o.HTTP)
	return fake, kitSender(t, "plivo", o)
}

func TestPlivoSends(t *testing.T) {
	o := kitOptions(SMS, plivoSettings.with("dlt_template_category", "transactional"))
	o.DLT = kitDLT
	fake, s := plivoFake(t, o)
	golden(t, fake, s, kitText(t), `{"src":"ACME","dst":"`+canaryNumber+`","text":"`+kitBody+`","type":"sms",`+
		`"url":"`+kitReceipts+`?m=`+kitMessage+`","method":"POST","log":"false","message_expiry":300}`,
		Sent{ProviderRef: "00000000-0000-4000-8000-000000000001"})
	golden(t, fake, s, kitIndian(t), `{"src":"ACME","dst":"919876543210","text":"`+kitBody+`","type":"sms",`+
		`"url":"`+kitReceipts+`?m=`+kitMessage+`","method":"POST","log":"false","message_expiry":300,`+
		`"dlt_entity_id":"1101000000000000001","dlt_template_id":"1107000000000000002","dlt_template_category":"transactional"}`,
		Sent{ProviderRef: "00000000-0000-4000-8000-000000000002"})
}

func TestPlivoWithoutReceipts(t *testing.T) {
	o := kitOptions(SMS, plivoSettings)
	o.ReceiptURL = ""
	fake, s := plivoFake(t, o)
	golden(t, fake, s, kitText(t), `{"src":"ACME","dst":"`+canaryNumber+`","text":"`+kitBody+`","type":"sms",`+
		`"log":"false","message_expiry":300}`, Sent{ProviderRef: "00000000-0000-4000-8000-000000000001"})
}

func TestPlivoRefusals(t *testing.T) {
	fake, s := plivoFake(t, kitOptions(SMS, plivoSettings))
	kitRefusals(t, s, fake, byStatusAlone(`{"api_id":"x","error":"+`+canaryNumber+` is invalid"}`))
	kitRefusals(t, s, fake, []refusal{{405, `{"api_id":"x","error":"no"}`, Failover, "", false}})
	withoutSender(t, "plivo", kitOptions(SMS, plivoSettings))
}

func TestPlivoHostile(t *testing.T) { kitHostile(t, "plivo", kitOptions(SMS, plivoSettings), 202) }

func TestPlivoSettings(t *testing.T) {
	o := kitOptions(SMS, plivoSettings)
	kitRedacts(t, kitSender(t, "plivo", o))
	kitSettings(t, "plivo", o, []settings{
		{"auth_id": ""}, {"auth_id": "short"}, {"auth_id": "with/slash"}, {"auth_id": "MAXX XXXX"}, {"auth_token": ""}, {"more": "x"},
	})
	kitFrom(t, "plivo", o, nil, map[string]string{"US": "ACME"}, map[string]string{"*": "longer than eleven"},
		map[string]string{"*": "+"}, map[string]string{"*": "12"}, map[string]string{"*": "4912345678901234"}, map[string]string{"*": "Ä"})
}

func TestPlivoChecks(t *testing.T) {
	o := kitOptions(SMS, plivoSettings)
	fake, s := plivoFake(t, o)
	if got := findings(s.Check(t.Context())); got != fine {
		t.Error(got)
	}
	fake.Answers(gatewaytest.Answer{Status: 401}, gatewaytest.Answer{Status: 503})
	for _, want := range []string{"credentials: refused with HTTP status 401", "credentials: not told: HTTP status 503"} {
		if got := findings(s.Check(t.Context())); !strings.Contains(got, want) || strings.Contains(got, canarySecret) {
			t.Error(got)
		}
	}
	if fake.Last().Body != "{}" {
		t.Errorf("it asks %s", fake.Last().Body)
	}
}

// plivoCallback is a signed report.
func plivoCallback(to, token string, form url.Values) Callback {
	const nonce = "31627761595286130198"
	return Callback{
		Method: http.MethodPost, URL: to, Body: []byte(form.Encode()), Now: kitNow,
		Header: http.Header{
			"X-Plivo-Signature-V3":       {hmacBase64(token, plivoSigned(to, form), ".", nonce)},
			"X-Plivo-Signature-V3-Nonce": {nonce},
		},
	}
}

func TestPlivoVector(t *testing.T) {
	s := kitSender(t, "plivo", kitOptions(SMS, plivoSettings.with("auth_token", "secret")))
	c := Callback{
		Method: http.MethodPost, URL: "https://auth.example.com/hooks/sms/plivo?m=0190",
		Body: []byte("To=14155550123&MessageUUID=" + plivoRef + "&Status=delivered"),
		Header: http.Header{
			"X-Plivo-Signature-V3":       {"AAAA, EONZ3k+zkRHpf3avO4a+RTRcH+wwia2U+42YTPVlhFI="},
			"X-Plivo-Signature-V3-Nonce": {"31627761595286130198"},
		},
	}
	want := []Receipt{{MessageID: "0190", ProviderRef: plivoRef, State: StateDelivered}}
	if diff := cmp.Diff(want, received(t, s, c)); diff != "" {
		t.Error(diff)
	}
	for name, by := range map[string]func(*Callback){
		"another message":   func(c *Callback) { c.URL = "https://auth.example.com/hooks/sms/plivo?m=0191" },
		"another host":      func(c *Callback) { c.URL = "https://evil.example.com/hooks/sms/plivo?m=0190" },
		"a byte of a field": func(c *Callback) { c.Body[3]++ },
		"a field more":      func(c *Callback) { c.Body = append([]byte("A=b&"), c.Body...) },
		"another nonce":     func(c *Callback) { c.Header.Set("X-Plivo-Signature-V3-Nonce", "1") },
		"another signature": func(c *Callback) {
			c.Header.Set("X-Plivo-Signature-V3", "FONZ3k+zkRHpf3avO4a+RTRcH+wwia2U+42YTPVlhFI=")
		},
		"no signature": func(c *Callback) { c.Header.Del("X-Plivo-Signature-V3") },
		"no base64":    func(c *Callback) { c.Header.Set("X-Plivo-Signature-V3", "%%%") },
		"no URL":       func(c *Callback) { c.URL = "https://[" },
	} {
		forged(t, s, name, altered(c, by))
	}
	unreadable(t, s, altered(c, func(c *Callback) { c.Method = http.MethodGet }), altered(c, func(c *Callback) { c.Body = []byte("%zz") }))
}

// Without parameters in the URL there is a question mark, and no full stop after it.
func TestPlivoSignedBase(t *testing.T) {
	form := url.Values{"b": {"2"}, "a": {"1"}}
	for to, want := range map[string]string{
		"https://auth.example.com/p":         "https://auth.example.com/p?a1b2",
		"https://auth.example.com/p?z=1&m=2": "https://auth.example.com/p?m=2&z=1.a1b2",
	} {
		if got := plivoSigned(to, form); got != want {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
}

func TestPlivoTokensRotate(t *testing.T) {
	form := url.Values{"MessageUUID": {plivoRef}, "Status": {"sent"}}
	by := func(token string) Callback { return plivoCallback(kitReceipts+"?m=1", token, form) }
	s := kitSender(t, "plivo", kitOptions(SMS, plivoSettings.with("auth_token_previous", "old-token")))
	received(t, s, by(plivoToken))
	received(t, s, by("old-token"))
	forged(t, s, "a third", by("other"))
	s = kitSender(t, "plivo", kitOptions(SMS, plivoSettings))
	forged(t, s, "the old one", by("old-token"))
	forged(t, s, "no secret", by(""))
}

func TestPlivoReceipts(t *testing.T) {
	s := kitSender(t, "plivo", kitOptions(SMS, plivoSettings))
	cases := []struct {
		status, code string
		want         Receipt
	}{
		{"queued", "", Receipt{State: StateAccepted}},
		{"sent", "", Receipt{State: StateSent}},
		{"delivered", "", Receipt{State: StateDelivered}},
		{"failed", "", Receipt{State: StateFailed, Class: Failover}},
		{"rejected", "900", Receipt{State: StateFailed, Class: Failover, Code: "900"}},
		{"undelivered", "12345", Receipt{State: StateUndelivered, Class: Failover, Code: "12345"}},
		{"undelivered", "+" + canaryNumber, Receipt{State: StateUndelivered, Class: Failover}},
		{"nonsense", "", Receipt{State: StateUnknown}},
	}
	for class, codes := range map[Class]string{
		Retry: "20 80 300", Failover: "30 40 90 100 900", Final: "10 50 70 110 200",
	} {
		for code := range strings.FieldsSeq(codes) {
			cases = append(cases, struct {
				status, code string
				want         Receipt
			}{"undelivered", code, Receipt{State: StateUndelivered, Class: class, Code: code}})
		}
	}
	for _, c := range cases {
		form := url.Values{"MessageUUID": {plivoRef}, "Status": {c.status}, "To": {canaryNumber}}
		if c.code != "" {
			form.Set("ErrorCode", c.code)
		}
		c.want.MessageID, c.want.ProviderRef = kitMessage, plivoRef
		got := received(t, s, plivoCallback(kitReceipts+"?m="+kitMessage, plivoToken, form))
		if diff := cmp.Diff([]Receipt{c.want}, got); diff != "" {
			t.Errorf("%s %s:\n%s", c.status, c.code, diff)
		}
	}
	unreadable(t, s, plivoCallback(kitReceipts, plivoToken, url.Values{"Status": {"sent"}}))
}

func FuzzPlivo(f *testing.F) {
	f.Add(202, []byte(`{"api_id":"x","message":"message(s) queued","message_uuid":["`+plivoRef+`"]}`))
	f.Add(400, []byte("MessageUUID="+plivoRef+"&Status=undelivered&ErrorCode=20"))
	s := kitSender(f, "plivo", kitOptions(SMS, plivoSettings))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		sent, err := plivoAnswer(answer{status: status, header: http.Header{}, body: body})
		sound(t, sent, err)
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return
		}
		c := plivoCallback(kitReceipts+"?m=1", plivoToken, form)
		c.Body = body
		all, err := s.Receipts(t.Context(), c)
		soundReceipts(t, all, err)
	})
}
