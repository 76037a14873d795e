package gateway

import (
	"crypto/ed25519"
	"encoding/base64"
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
	telnyxKey = canarySecret + "-telnyx"
	telnyxRef = "40385f64-5717-4562-b3fc-2c963f66afa6"
	// The reference's key, and its signature of the body at the time.
	telnyxPublic    = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
	telnyxBody      = `{"data":{"event_type":"message.finalized"}}`
	telnyxTime      = 1614265330
	telnyxSignature = "GFXQHwIfTFGG1BskzRy2Y3qn2tIpKgFQuD11k+RYvVVESI1eDSdl/khv4quc0+qYCa4R78s27T2MeBOGF/rEAg=="
)

// telnyxOwn signs in these tests, telnyxOther is another's.
var (
	telnyxOwn   = ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))
	telnyxOther = ed25519.NewKeyFromSeed([]byte("fedcba9876543210fedcba9876543210"))
)

func telnyxShown(key ed25519.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
}

func telnyxSettings() settings {
	return settings{"api_key": telnyxKey, "messaging_profile_id": "profile-1", "public_key": telnyxShown(telnyxOwn)}
}

func telnyxFake(t *testing.T, o Options) (*gatewaytest.Fake, Sender) {
	t.Helper()
	fake := gatewaytest.NewTelnyx(t, telnyxKey)
	o.HTTP = fake.Toward(o.HTTP)
	return fake, kitSender(t, "telnyx", o)
}

func TestTelnyxSends(t *testing.T) {
	took := Sent{ProviderRef: "00000000-0000-4000-8000-000000000001", Segments: 1}
	const text = `"to":"+` + canaryNumber + `","text":"` + kitBody + `",`
	const end = `"use_profile_webhooks":false,"type":"SMS","encoding":"auto"}`

	fake, s := telnyxFake(t, kitOptions(SMS, telnyxSettings()))
	golden(t, fake, s, kitText(t), `{"from":"ACME",`+text+`"messaging_profile_id":"profile-1","webhook_url":"`+
		kitReceipts+`?m=`+kitMessage+`",`+end, took)
	fake, s = telnyxFake(t, kitOptions(SMS, telnyxSettings().with("public_key", "")))
	golden(t, fake, s, kitText(t), `{"from":"ACME",`+text+`"messaging_profile_id":"profile-1",`+end, took)

	o := kitOptions(SMS, telnyxSettings().with("public_key", "", "messaging_profile_id", ""))
	o.From = map[string]string{"*": "+4915511112222"}
	fake, s = telnyxFake(t, o)
	golden(t, fake, s, kitText(t), `{"from":"+4915511112222",`+text+end, took)
	o.From = map[string]string{"FR": "+33611112222"}
	fake, s = telnyxFake(t, o)
	if _, err := s.Send(t.Context(), kitText(t)); refusalOf(t, err).Code != "no_sender" || len(fake.Asked()) != 0 {
		t.Errorf("without a sender or profile: %v", err)
	}
}

func TestTelnyxRefusals(t *testing.T) {
	fake, s := telnyxFake(t, kitOptions(SMS, telnyxSettings()))
	kitRefusals(t, s, fake, byStatusAlone(`{"errors":[{"code":"+`+canaryNumber+`","title":"no"}]}`))
	cases := []refusal{
		{408, gatewaytest.TelnyxError(408, "90001").Body, Retry, "90001", false}, {409, "", Retry, "", false},
		{400, gatewaytest.TelnyxError(400, "40310").Body, Failover, "40310", false},
		{409, gatewaytest.TelnyxError(409, "40001").Body, Final, "40001", false},
	}
	for class, codes := range map[Class]string{
		Retry:    "10007 10011 40006 40011 40005 40014",
		Failover: "10009 10010 40002 40003 40013 40015",
		Final:    "40001 40004 40008 40009 40012",
	} {
		for code := range strings.FieldsSeq(codes) {
			alarm := code == "10009" || code == "10010"
			cases = append(cases, refusal{422, gatewaytest.TelnyxError(422, code).Body, class, code, alarm})
		}
	}
	kitRefusals(t, s, fake, cases)
}

func TestTelnyxHostile(t *testing.T) { kitHostile(t, "telnyx", kitOptions(SMS, telnyxSettings()), 200) }

func TestTelnyxSettings(t *testing.T) {
	o := kitOptions(SMS, telnyxSettings())
	kitRedacts(t, kitSender(t, "telnyx", o))
	kitSettings(t, "telnyx", o, []settings{
		{"api_key": ""}, {"public_key": "no base64 !"}, {"public_key": "c2hvcnQ="}, {"public_key_previous": "c2hvcnQ="},
		{"messaging_profile_id": ""}, {"messaging_profile_id": "a b"},
	})
	kitFrom(t, "telnyx", o, map[string]string{"CN": "ACME"})
	kitFrom(t, "telnyx", kitOptions(SMS, telnyxSettings().with("messaging_profile_id", "")), nil)
}

func TestTelnyxChecks(t *testing.T) {
	fake, s := telnyxFake(t, kitOptions(SMS, telnyxSettings()))
	if got := findings(s.Check(t.Context())); got != fine || fake.Last().Body != "{}" {
		t.Error(got, fake.Last().Body)
	}
	o := kitOptions(SMS, telnyxSettings().with("public_key", "", "api_key", "another"))
	o.ReceiptURL = ""
	_, s = telnyxFake(t, o)
	got := findings(s.Check(t.Context()))
	for _, want := range []string{"credentials: refused", "callback URL: none", "receipts: none"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

func telnyxCallback(key ed25519.PrivateKey, body string, at time.Time) Callback {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return Callback{
		Method: http.MethodPost, URL: kitReceipts + "?m=" + kitMessage, Body: []byte(body), Now: kitNow,
		Header: http.Header{
			"Telnyx-Timestamp":         {stamp},
			"Telnyx-Signature-Ed25519": {base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(stamp+"|"+body)))},
		},
	}
}

// The reference's event holds no message: it is the provider's, and unreadable.
func TestTelnyxVector(t *testing.T) {
	c := Callback{
		Method: http.MethodPost, URL: kitReceipts, Body: []byte(telnyxBody), Now: time.Unix(telnyxTime, 0),
		Header: http.Header{"Telnyx-Timestamp": {strconv.Itoa(telnyxTime)}, "Telnyx-Signature-Ed25519": {telnyxSignature}},
	}
	s := kitSender(t, "telnyx", kitOptions(SMS, telnyxSettings().with("public_key", telnyxPublic)))
	unreadable(t, s, c)
	s = kitSender(t, "telnyx", kitOptions(SMS, telnyxSettings().with("public_key_previous", telnyxPublic)))
	unreadable(t, s, c)
	for name, by := range map[string]func(*Callback){
		"a byte":       func(c *Callback) { c.Body[10]++ },
		"the time":     func(c *Callback) { c.Header.Set("Telnyx-Timestamp", strconv.Itoa(telnyxTime+1)) },
		"no time":      func(c *Callback) { c.Header.Del("Telnyx-Timestamp") },
		"no signature": func(c *Callback) { c.Header.Del("Telnyx-Signature-Ed25519") },
		"a short one":  func(c *Callback) { c.Header.Set("Telnyx-Signature-Ed25519", "GFXQ") },
		"no base64":    func(c *Callback) { c.Header.Set("Telnyx-Signature-Ed25519", "%") },
		"too old":      func(c *Callback) { c.Now = c.Now.Add(receiptSkew + time.Second) },
		"too new":      func(c *Callback) { c.Now = c.Now.Add(-receiptSkew - time.Second) },
	} {
		forged(t, s, name, altered(c, by))
	}
	unreadable(t, s, altered(c, func(c *Callback) { c.Now = c.Now.Add(receiptSkew) }))
	s = kitSender(t, "telnyx", kitOptions(SMS, telnyxSettings()))
	forged(t, s, "another key", c)
	s = kitSender(t, "telnyx", kitOptions(SMS, telnyxSettings().with("public_key", "")))
	if _, err := s.Receipts(t.Context(), c); err != ErrNoReceipts {
		t.Errorf("without a key: %v", err)
	}
}

func telnyxEvent(kind, status, code string) string {
	errors := "[]"
	if code != "" {
		errors = fmt.Sprintf(`[{"code":%q,"title":"no"}]`, code)
	}
	return fmt.Sprintf(`{"data":{"event_type":%q,"id":"e","occurred_at":"2026-07-30T20:00:01.500+00:00","payload":{"id":%q,`+
		`"to":[{"phone_number":"+%s","status":%q}],"errors":%s}},"meta":{"attempt":1}}`, kind, telnyxRef, canaryNumber, status, errors)
}

func TestTelnyxReceipts(t *testing.T) {
	s := kitSender(t, "telnyx", kitOptions(SMS, telnyxSettings()))
	cases := []struct {
		kind, status, code string
		want               Receipt
	}{
		{"message.sent", "queued", "", Receipt{State: StateAccepted}}, {"message.sent", "sending", "", Receipt{State: StateAccepted}},
		{"message.sent", "sent", "", Receipt{State: StateSent}}, {"message.finalized", "delivered", "", Receipt{State: StateDelivered}},
		{"message.finalized", "sending_failed", "", Receipt{State: StateFailed, Class: Failover}},
		{"message.finalized", "delivery_failed", "99999", Receipt{State: StateUndelivered, Class: Failover, Code: "99999"}},
		{"message.finalized", "delivery_unconfirmed", "", Receipt{State: StateUnknown}},
		{"message.finalized", "expired", "", Receipt{State: StateExpired, Class: Retry}},
		{"message.finalized", "delivery_failed", "40005", Receipt{State: StateExpired, Class: Retry, Code: "40005"}},
		{"message.finalized", "sending_failed", "40014", Receipt{State: StateExpired, Class: Retry, Code: "40014"}},
		{"message.finalized", "delivery_failed", "40001", Receipt{State: StateUndelivered, Class: Final, Code: "40001"}},
		{"message.finalized", "delivery_failed", "40006", Receipt{State: StateUndelivered, Class: Retry, Code: "40006"}},
		{"message.finalized", "delivery_failed", "40002", Receipt{State: StateUndelivered, Class: Failover, Code: "40002"}},
		{"message.finalized", "nonsense", "", Receipt{State: StateUnknown}},
	}
	for _, c := range cases {
		c.want.MessageID, c.want.ProviderRef, c.want.At = kitMessage, telnyxRef, kitNow.Add(1500*time.Millisecond)
		got := received(t, s, telnyxCallback(telnyxOwn, telnyxEvent(c.kind, c.status, c.code), kitNow))
		if diff := cmp.Diff([]Receipt{c.want}, got); diff != "" {
			t.Errorf("%s %s:\n%s", c.status, c.code, diff)
		}
	}
	if got := received(t, s, telnyxCallback(telnyxOwn, telnyxEvent("message.received", "delivered", ""), kitNow)); len(got) != 0 {
		t.Errorf("a message to us is a receipt: %v", got)
	}
	forged(t, s, "another's key", telnyxCallback(telnyxOther, telnyxEvent("message.sent", "sent", ""), kitNow))
	unreadable(t, s, telnyxCallback(telnyxOwn, "", kitNow), telnyxCallback(telnyxOwn, "[]", kitNow),
		altered(telnyxCallback(telnyxOwn, telnyxEvent("message.sent", "sent", ""), kitNow), func(c *Callback) { c.Method = http.MethodPut }))
}

func FuzzTelnyx(f *testing.F) {
	f.Add(200, `{"data":{"id":"x","to":[{"status":"queued"}],"parts":1}}`)
	f.Add(422, gatewaytest.TelnyxError(422, "40310").Body)
	f.Add(0, telnyxEvent("message.finalized", "delivery_failed", "40001"))
	s := kitSender(f, "telnyx", kitOptions(SMS, telnyxSettings()))
	f.Fuzz(func(t *testing.T, status int, body string) {
		sent, err := telnyxAnswer(answer{status: status, header: http.Header{}, body: []byte(body)})
		sound(t, sent, err)
		all, err := s.Receipts(t.Context(), telnyxCallback(telnyxOwn, body, kitNow))
		soundReceipts(t, all, err)
	})
}
