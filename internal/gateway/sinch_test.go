package gateway

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/google/go-cmp/cmp"
)

const (
	sinchToken  = canarySecret + "-sinch"
	sinchSecret = canarySecret + "-webhook"
	kitToken    = canarySecret + "-0123456789abcdef0123456789"
)

var sinchSettings = settings{
	"region": "EU", "service_plan_id": "plan_1", "api_token": sinchToken, "webhook_secret": sinchSecret,
}

func sinchFake(t *testing.T, o Options) (*gatewaytest.Fake, Sender) {
	t.Helper()
	fake := gatewaytest.NewSinch(t, "eu", "plan_1", sinchToken)
	o.HTTP = fake.Toward(o.HTTP)
	return fake, kitSender(t, "sinch", o)
}

func TestSinchSends(t *testing.T) {
	const start = `{"from":"ACME","to":["+` + canaryNumber + `"],"body":"` + kitBody + `","type":"mt_text",`
	const end = `"client_reference":"` + kitMessage + `","expire_at":"2026-07-30T20:05:00.000Z"}`
	const callback = `"delivery_report":"per_recipient","callback_url":"` + kitReceipts + `?m=` + kitMessage
	took := Sent{ProviderRef: "01F00000000000000000000001"}
	for name, c := range map[string]struct {
		values settings
		body   string
	}{
		"signed":         {sinchSettings, start + callback + `",` + end},
		"by token":       {sinchSettings.with("webhook_secret", "", "receipt_token", kitToken), start + callback + `\u0026t=` + kitToken + `",` + end},
		"nothing proves": {sinchSettings.with("webhook_secret", ""), start + end},
	} {
		t.Run(name, func(t *testing.T) {
			fake, s := sinchFake(t, kitOptions(SMS, c.values))
			golden(t, fake, s, kitText(t), c.body, took)
		})
	}
}

func TestSinchRefusals(t *testing.T) {
	fake, s := sinchFake(t, kitOptions(SMS, sinchSettings))
	kitRefusals(t, s, fake, byStatusAlone(`{"code":"+`+canaryNumber+`","text":"no"}`))
	kitRefusals(t, s, fake, []refusal{
		{400, `{"code":"syntax_invalid_parameter_format","text":"no"}`, Failover, "syntax_invalid_parameter_format", false},
		{403, `{"code":"unauthorized","text":"no"}`, Failover, "unauthorized", true},
	})
	withoutSender(t, "sinch", kitOptions(SMS, sinchSettings))
}

func TestSinchHostile(t *testing.T) {
	kitHostile(t, "sinch", kitOptions(SMS, sinchSettings.with("receipt_token", kitToken)), 201)
}

func TestSinchSettings(t *testing.T) {
	o := kitOptions(SMS, sinchSettings)
	kitRedacts(t, kitSender(t, "sinch", o))
	kitSender(t, "sinch", kitOptions(SMS, sinchSettings.with("region", "")))
	kitSettings(t, "sinch", o, []settings{
		{"region": "moon"}, {"service_plan_id": ""}, {"service_plan_id": "a/b"}, {"api_token": ""}, {"receipt_token": "short"},
		{"receipt_token_previous": "thirty-one-characters-are-short"},
	})
	kitFrom(t, "sinch", o, nil, map[string]string{"CA": "ACME"})
}

func TestSinchChecks(t *testing.T) {
	fake, s := sinchFake(t, kitOptions(SMS, sinchSettings))
	if got := findings(s.Check(t.Context())); got != fine || fake.Last().Body != "{}" {
		t.Error(got, fake.Last().Body)
	}
	o := kitOptions(SMS, sinchSettings.with("webhook_secret", ""))
	o.ReceiptURL = "http://localhost/receipts/own"
	fake, s = sinchFake(t, o)
	fake.Answers(gatewaytest.Answer{Status: 403})
	got := findings(s.Check(t.Context()))
	for _, want := range []string{"credentials: refused", "callback URL: must be", "receipts: none"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

// sinchCallback is a signed report.
func sinchCallback(secret, body string, at time.Time) Callback {
	const nonce = "01FA2B3C"
	stamp := strconv.FormatInt(at.Unix(), 10)
	return Callback{
		Method: http.MethodPost, URL: kitReceipts + "?m=" + kitMessage, Body: []byte(body), Now: kitNow,
		Header: http.Header{
			"X-Sinch-Webhook-Signature":           {hmacBase64(secret, body, ".", nonce, ".", stamp)},
			"X-Sinch-Webhook-Signature-Nonce":     {nonce},
			"X-Sinch-Webhook-Signature-Timestamp": {stamp},
		},
	}
}

func sinchReport(status string, code int) string {
	return fmt.Sprintf(`{"type":"recipient_delivery_report_sms","batch_id":"01FC66621XXXXX119Z8PMV1QPQ","recipient":"%s",`+
		`"code":%d,"status":%q,"at":"2026-07-30T20:00:01.5Z","operator_status_at":"2026-07-30T20:00:00Z","client_reference":%q}`,
		canaryNumber, code, status, kitMessage)
}

func TestSinchSignature(t *testing.T) {
	s := kitSender(t, "sinch", kitOptions(SMS, sinchSettings.with("webhook_secret_previous", "old-secret")))
	report := sinchReport("Delivered", 0)
	for _, secret := range []string{sinchSecret, "old-secret"} {
		for _, skew := range []time.Duration{0, -receiptSkew, receiptSkew} {
			received(t, s, sinchCallback(secret, report, kitNow.Add(skew)))
		}
	}
	for _, skew := range []time.Duration{-receiptSkew - time.Second, receiptSkew + time.Second} {
		forged(t, s, skew.String(), sinchCallback(sinchSecret, report, kitNow.Add(skew)))
	}
	good := sinchCallback(sinchSecret, report, kitNow)
	for name, by := range map[string]func(*Callback){
		"a byte":       func(c *Callback) { c.Body[10]++ },
		"nonce":        func(c *Callback) { c.Header.Set("X-Sinch-Webhook-Signature-Nonce", "2") },
		"time":         func(c *Callback) { c.Header.Set("X-Sinch-Webhook-Signature-Timestamp", fmt.Sprint(kitNow.Unix()+1)) },
		"no time":      func(c *Callback) { c.Header.Del("X-Sinch-Webhook-Signature-Timestamp") },
		"no signature": func(c *Callback) { c.Header.Del("X-Sinch-Webhook-Signature") },
	} {
		forged(t, s, name, altered(good, by))
	}
	forged(t, s, "another key", sinchCallback("other", report, kitNow))
	forged(t, kitSender(t, "sinch", kitOptions(SMS, sinchSettings)), "no key", sinchCallback("", report, kitNow))
}

func TestSinchTokens(t *testing.T) {
	old := strings.Repeat("o", 32)
	at := func(query string) Callback {
		return Callback{Method: http.MethodPost, URL: kitReceipts + query, Body: []byte(sinchReport("Delivered", 0)), Now: kitNow}
	}
	s := kitSender(t, "sinch", kitOptions(SMS, sinchSettings.with("webhook_secret", "", "receipt_token", kitToken, "receipt_token_previous", old)))
	received(t, s, at("?m=1&t="+kitToken))
	received(t, s, at("?t="+old))
	for _, query := range []string{"", "?t=", "?t=x", "?t=" + kitToken + "x", "?t=" + kitToken[1:], "?T=" + kitToken, "?%zz"} {
		forged(t, s, query, at(query))
	}
	both := kitSender(t, "sinch", kitOptions(SMS, sinchSettings.with("receipt_token", kitToken)))
	forged(t, both, "the token alone", at("?t="+kitToken))
	forged(t, both, "the signature alone", sinchCallback(sinchSecret, sinchReport("Delivered", 0), kitNow))
	none := kitSender(t, "sinch", kitOptions(SMS, sinchSettings.with("webhook_secret", "")))
	if _, err := none.Receipts(t.Context(), at("?t=")); err != ErrNoReceipts {
		t.Errorf("with neither: %v", err)
	}
}

func TestSinchReceipts(t *testing.T) {
	s := kitSender(t, "sinch", kitOptions(SMS, sinchSettings))
	cases := []struct {
		status string
		code   int
		want   Receipt
	}{
		{"Queued", 400, Receipt{State: StateAccepted, Code: "400"}}, {"DISPATCHED", 401, Receipt{State: StateSent, Code: "401"}},
		{"delivered", 0, Receipt{State: StateDelivered}}, {"Deleted", 0, Receipt{State: StateUndelivered, Class: Failover}},
		{"Rejected", 0, Receipt{State: StateFailed, Class: Failover}}, {"Aborted", 412, Receipt{State: StateFailed, Class: Failover, Code: "412"}},
		{"Cancelled", 0, Receipt{State: StateFailed, Class: Failover}}, {"Expired", 0, Receipt{State: StateExpired, Class: Retry}},
		{"Failed", 406, Receipt{State: StateExpired, Class: Retry, Code: "406"}}, {"Unknown", 0, Receipt{State: StateUnknown}},
		{"nonsense", 0, Receipt{State: StateUnknown}}, {"Failed", 999, Receipt{State: StateUndelivered, Class: Failover, Code: "999"}},
		{"Failed", 1234567, Receipt{State: StateUndelivered, Class: Failover}},
	}
	for class, codes := range map[Class][]int{Retry: {403, 404}, Final: {402, 405, 408, 411}, Failover: {410, 412}} {
		for _, code := range codes {
			cases = append(cases, struct {
				status string
				code   int
				want   Receipt
			}{"Failed", code, Receipt{State: StateUndelivered, Class: class, Code: strconv.Itoa(code)}})
		}
	}
	for _, c := range cases {
		c.want.MessageID, c.want.ProviderRef = kitMessage, "01FC66621XXXXX119Z8PMV1QPQ"
		c.want.At = kitNow.Add(1500 * time.Millisecond)
		got := received(t, s, sinchCallback(sinchSecret, sinchReport(c.status, c.code), kitNow))
		if diff := cmp.Diff([]Receipt{c.want}, got); diff != "" {
			t.Errorf("%s %d:\n%s", c.status, c.code, diff)
		}
	}
	for _, body := range []string{"", "[]", `{"type":"delivery_report_sms","batch_id":"x"}`, `{"type":"recipient_delivery_report_sms"}`} {
		unreadable(t, s, sinchCallback(sinchSecret, body, kitNow))
	}
	unreadable(t, s, altered(sinchCallback(sinchSecret, sinchReport("Queued", 0), kitNow), func(c *Callback) { c.Method = http.MethodGet }))
}

func FuzzSinch(f *testing.F) {
	f.Add(201, `{"id":"01F","to":["+1"],"canceled":false}`)
	f.Add(400, `{"code":"syntax_x","text":"no"}`)
	f.Add(0, sinchReport("Failed", 402))
	s := kitSender(f, "sinch", kitOptions(SMS, sinchSettings))
	f.Fuzz(func(t *testing.T, status int, body string) {
		sent, err := sinchAnswer(answer{status: status, header: http.Header{}, body: []byte(body)})
		sound(t, sent, err)
		all, err := s.Receipts(t.Context(), sinchCallback(sinchSecret, body, kitNow))
		soundReceipts(t, all, err)
	})
}
