package gateway

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/phone"
)

const (
	twilioTestAccount = "AC00000000000000000000000000000001"
	twilioTestKey     = "SK00000000000000000000000000000001"
)

var (
	twilioTestSettings = settings{"account_sid": twilioTestAccount, "auth_token": canarySecret}
	twilioTestSecrets  = map[string]string{twilioTestAccount: canarySecret, twilioTestKey: canarySecret + "2"}
)

func twilioTestSender(t *testing.T, o Options) (Sender, *gatewaytest.Fake) {
	fake := gatewaytest.NewTwilio(t, twilioTestAccount, twilioTestSecrets)
	o.HTTP = fake.Toward(o.HTTP)
	return kitSender(t, "twilio", o), fake
}

func TestTwilioSends(t *testing.T) {
	whatsApp := twilioTestSettings.with("content_sids", "login=HX"+strings.Repeat("1", 32)+", login/de=HX"+strings.Repeat("2", 32)+",*=HX"+strings.Repeat("3", 32))
	const text = "Body=918273+is+your+code+canary-text"
	const common = "&StatusCallback=https%3A%2F%2Fauth.example.com%2Freceipts%2Fown%3Fm%3D" + kitMessage + "&To=%2B4915112345678&ValidityPeriod=300"
	for _, c := range []struct {
		name   string
		change func(*Options, *Message)
		want   string
	}{
		{"a text", func(*Options, *Message) {}, text + "&From=ACME" + common},
		{"by an API key", func(o *Options, _ *Message) {
			*o = kitOptions(SMS, settings{"account_sid": twilioTestAccount, "api_key": twilioTestKey, "api_secret": canarySecret + "2"})
		}, text + "&From=ACME&To=%2B4915112345678&ValidityPeriod=300"},
		{"by a service", func(o *Options, _ *Message) {
			*o = kitOptions(SMS, twilioTestSettings.with("messaging_service_sid", "MG"+strings.Repeat("a", 32), "smart_encoded", "true", "risk_check", "disable"))
			o.From = nil
		}, text + "&MessagingServiceSid=MG" + strings.Repeat("a", 32) + "&RiskCheck=disable&SmartEncoded=true" + common},
		{"to the US, for long", func(_ *Options, m *Message) {
			m.To, _ = phone.FromE164("+14155550123")
			m.Country, m.ExpiresAt = "US", kitNow.AddDate(0, 0, 7)
		}, text + "&From=%2B14155550100" + strings.NewReplacer("4915112345678", "14155550123", "=300", "=36000").Replace(common)},
		{"too late", func(_ *Options, m *Message) { m.ExpiresAt = kitNow },
			text + "&From=ACME" + strings.Replace(common, "=300", "=1", 1)},
		{"where nobody reaches us", func(o *Options, _ *Message) { o.ReceiptURL = "" }, text + "&From=ACME&To=%2B4915112345678&ValidityPeriod=300"},
		{"by WhatsApp", func(o *Options, _ *Message) {
			*o = kitOptions(WhatsApp, whatsApp)
			o.From = map[string]string{"*": "+14155550100"}
		}, "ContentSid=HX" + strings.Repeat("2", 32) + "&ContentVariables=%7B%221%22%3A%22918273%22%7D&From=whatsapp%3A%2B14155550100" +
			strings.Replace(common, "To=", "To=whatsapp%3A", 1)},
		{"a notice, by WhatsApp", func(o *Options, m *Message) {
			*o = kitOptions(WhatsApp, whatsApp.with("messaging_service_sid", "MG"+strings.Repeat("a", 32)))
			o.From, m.Code, m.Purpose = nil, "", "password_reset_notice"
		}, "ContentSid=HX" + strings.Repeat("3", 32) + "&MessagingServiceSid=MG" + strings.Repeat("a", 32) +
			strings.Replace(common, "To=", "To=whatsapp%3A", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, m := kitOptions(SMS, twilioTestSettings), kitText(t)
			c.change(&o, &m)
			s, fake := twilioTestSender(t, o)
			sent, err := s.Send(t.Context(), m)
			if want := (Sent{ProviderRef: "SM" + strings.Repeat("0", 31) + "1", Segments: 1}); err != nil || sent != want {
				t.Errorf("Send = %v, %v; want %v", sent, err, want)
			}
			if got := fake.Last().Body; got != c.want {
				t.Errorf("asked\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestTwilioRefusals(t *testing.T) {
	s, fake := twilioTestSender(t, kitOptions(SMS, twilioTestSettings))
	cases := byStatusAlone(`{"message":"no"}`)
	for code, class := range map[int]Class{
		20429: Retry, 21611: Retry, 20003: Failover, 20005: Failover, 30002: Failover, 21212: Failover, 21606: Failover,
		21603: Failover, 21408: Failover, 21612: Failover, 30034: Failover, 30007: Failover, 30450: Failover, 30453: Failover,
		21211: Final, 21614: Final, 21635: Final, 21610: Final, 21617: Final, 30001: Retry, 30008: Retry,
		30003: Final, 30004: Final, 30005: Final, 30006: Final, 11111: Failover, // unlisted, so by its status
	} {
		act := slices.Contains([]int{20003, 20005, 30002, 21212, 21606, 21603, 21408, 30034}, code)
		cases = append(cases, refusal{400, fmt.Sprintf(`{"code":%d,"message":"no","status":400}`, code), class, fmt.Sprint(code), act})
	}
	cases = append(cases,
		refusal{503, `{"code":20503,"status":503}`, Retry, "20503", false},
		refusal{500, `{"code":20500,"status":500}`, Ambiguous, "20500", false},
		refusal{401, `{"code":20003,"status":401}`, Failover, "20003", true},
		refusal{400, `{"code":918273}`, Failover, "", false},
		refusal{201, `{"sid":"SM` + strings.Repeat("1", 32) + `","status":"failed","error_code":21610,"num_segments":"1"}`, Final, "21610", false},
		refusal{201, `{"sid":"SM` + strings.Repeat("1", 32) + `","status":"failed","error_code":null,"num_segments":"1"}`, Failover, "", false},
		refusal{201, `{"sid":"SM4915112345678","status":"queued","num_segments":"1"}`, Ambiguous, "", false})
	kitRefusals(t, s, fake, cases)
}

func TestTwilioRefusesBeforeItAsks(t *testing.T) {
	o := kitOptions(SMS, twilioTestSettings)
	o.From = map[string]string{"US": "+14155550100"}
	s, fake := twilioTestSender(t, o)
	m := kitText(t)
	if _, err := s.Send(t.Context(), m); refusalOf(t, err).Class != Failover {
		t.Errorf("without a sender: %v", err)
	}
	m.Country, m.Body = "US", m.Body+"x"
	for len(m.Body) < 1601 {
		m.Body += "x"
	}
	if _, err := s.Send(t.Context(), m); refusalOf(t, err).Class != Final {
		t.Errorf("too long: %v", err)
	}
	o = kitOptions(WhatsApp, twilioTestSettings.with("content_sids", "signup=HX"+strings.Repeat("1", 32)))
	o.From = map[string]string{"*": "+14155550100"}
	o.HTTP = fake.Toward(o.HTTP)
	if _, err := kitSender(t, "twilio", o).Send(t.Context(), m); refusalOf(t, err).Class != Failover {
		t.Errorf("without a template: %v", err)
	}
	if n := len(fake.Asked()); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestTwilioHostile(t *testing.T) {
	kitHostile(t, "twilio", kitOptions(SMS, twilioTestSettings), 201)
}

func TestTwilioSettings(t *testing.T) {
	good := kitOptions(SMS, twilioTestSettings)
	kitRedacts(t, kitSender(t, "twilio", good))
	hex := strings.Repeat("1", 32)
	kitSettings(t, "twilio", good, []settings{
		{"account_sid": ""}, {"account_sid": "AC1234567"}, {"account_sid": "AC" + strings.Repeat("F", 32)}, {"auth_token": ""},
		{"api_key": "SK1234"}, {"api_key": "SK" + hex, "api_secret": ""}, {"api_secret": "lonely"}, {"messaging_service_sid": "VA" + hex},
		{"smart_encoded": "maybe"}, {"risk_check": "perhaps"}, {"content_sids": "*=HX" + hex}, {"unknown": "something"},
	})
	kitFrom(t, "twilio", good, nil, map[string]string{"*": "much too long"}, map[string]string{"US": "ACME"}, map[string]string{"CA": "ACME"},
		map[string]string{"CN": "ACME"}, map[string]string{"*": "14155550100"}, map[string]string{"*": "+1"}, map[string]string{"*": ""})
	whatsApp := kitOptions(WhatsApp, twilioTestSettings.with("content_sids", "*=HX"+hex))
	kitFrom(t, "twilio", whatsApp, map[string]string{"*": "ACME"}, map[string]string{"*": "12345"})
	whatsApp.From = map[string]string{"*": "+14155550100"}
	kitSettings(t, "twilio", whatsApp, []settings{
		{"content_sids": ""}, {"content_sids": "*=HX1"}, {"content_sids": "login4711"}, {"content_sids": "a b=HX" + hex},
		{"content_sids": "*=HX" + hex + ",*=HX" + hex},
	})
	if _, err := New("twilio", kitOptions(Voice, twilioTestSettings)); err == nil {
		t.Error("it speaks")
	}
}

func TestTwilioChecks(t *testing.T) {
	o := kitOptions(SMS, twilioTestSettings)
	s, fake := twilioTestSender(t, o)
	const fine = "reachability: fine\ncredentials: fine\nsender: fine\ncallback URL: fine"
	if got := findings(s.Check(t.Context())); got != fine {
		t.Errorf("found\n%s", got)
	}
	if r := fake.Last(); r.Method != http.MethodGet || r.Body != "" {
		t.Errorf("asked %s %s", r.Method, r.Body)
	}
	o.ReceiptURL = "https://auth_server.example.com/receipts/own"
	s, _ = twilioTestSender(t, o)
	if got := findings(s.Check(t.Context())); !strings.Contains(got, "callback URL: Twilio") {
		t.Errorf("of an underscore: %s", got)
	}
	s, _ = twilioTestSender(t, kitOptions(SMS, twilioTestSettings.with("auth_token", "wrong")))
	if got := findings(s.Check(t.Context())); !strings.Contains(got, "credentials: refused") {
		t.Errorf("of wrong credentials: %s", got)
	}
}

// The reference's vector.
const (
	twilioVectorURL       = "https://auth.example.com/hooks/sms/twilio?m=0190"
	twilioVectorSignature = "C7NTqaB7RloHrCceyn8GjYEPzlY="
)

func twilioVector() url.Values {
	const sid = "SM00000000000000000000000000000002"
	return url.Values{
		"AccountSid": {twilioTestAccount}, "ApiVersion": {"2010-04-01"}, "From": {"+14155550100"}, "MessageSid": {sid},
		"SmsSid": {sid}, "MessageStatus": {"delivered"}, "SmsStatus": {"delivered"}, "To": {"+14155550123"},
	}
}

func twilioCallback(at, signature string, form url.Values) Callback {
	return Callback{
		Method: http.MethodPost, URL: at, Body: []byte(form.Encode()), Now: kitNow,
		Header: http.Header{"X-Twilio-Signature": {signature}, "Content-Type": {"application/x-www-form-urlencoded"}},
	}
}

func TestTwilioReceiptsAreSigned(t *testing.T) {
	good := twilioCallback(twilioVectorURL, twilioVectorSignature, twilioVector())
	altered := twilioVector()
	altered.Set("MessageStatus", "failed")
	added := twilioVector()
	added.Set("ErrorCode", "30003")
	body := good
	body.Body = append(slices.Clone(good.Body), '1')
	for name, c := range map[string]struct {
		token, previous string
		callback        Callback
		fine            bool
	}{
		"the vector":          {"12345", "", good, true},
		"by the token before": {"new", "12345", good, true},
		"with its port":       {"12345", "", twilioCallback(strings.Replace(twilioVectorURL, ".com/", ".com:443/", 1), twilioVectorSignature, twilioVector()), true},
		"another token":       {"12346", "", good, false},
		"two other tokens":    {"12346", "12347", good, false},
		"unsigned":            {"12345", "", twilioCallback(twilioVectorURL, "", twilioVector()), false},
		"no base64":           {"12345", "", twilioCallback(twilioVectorURL, "!", twilioVector()), false},
		"a field altered":     {"12345", "", twilioCallback(twilioVectorURL, twilioVectorSignature, altered), false},
		"a field added":       {"12345", "", twilioCallback(twilioVectorURL, twilioVectorSignature, added), false},
		"a byte added":        {"12345", "", body, false},
		"another query":       {"12345", "", twilioCallback(twilioVectorURL+"1", twilioVectorSignature, twilioVector()), false},
		"another host":        {"12345", "", twilioCallback(strings.Replace(twilioVectorURL, "auth", "evil", 1), twilioVectorSignature, twilioVector()), false},
	} {
		values := twilioTestSettings.with("auth_token", c.token, "auth_token_previous", c.previous)
		got, err := kitSender(t, "twilio", kitOptions(SMS, values)).Receipts(t.Context(), c.callback)
		if c.fine != (err == nil) || !c.fine && err != ErrForged {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if want := (Receipt{MessageID: "0190", ProviderRef: "SM00000000000000000000000000000002", State: StateDelivered}); c.fine && got[0] != want {
			t.Errorf("%s: %+v, want %+v", name, got[0], want)
		}
	}
}

func TestTwilioReceiptStates(t *testing.T) {
	s := kitSender(t, "twilio", kitOptions(SMS, twilioTestSettings)).(*twilio)
	for _, c := range []struct {
		status, code string
		state        State
		class        Class
	}{
		{"queued", "", StateAccepted, ""}, {"accepted", "", StateAccepted, ""}, {"scheduled", "", StateAccepted, ""}, {"sending", "", StateAccepted, ""},
		{"sent", "", StateSent, ""}, {"delivered", "", StateDelivered, ""}, {"read", "", StateDelivered, ""}, {"canceled", "", StateFailed, Failover},
		{"undelivered", "30036", StateExpired, Retry}, {"undelivered", "30003", StateUndelivered, Final}, {"undelivered", "30004", StateUndelivered, Final},
		{"undelivered", "30005", StateUndelivered, Final}, {"failed", "30006", StateFailed, Final}, {"failed", "30001", StateFailed, Retry},
		{"undelivered", "30008", StateUndelivered, Retry}, {"failed", "30007", StateFailed, Failover}, {"failed", "99999", StateFailed, Failover},
		{"received", "", StateUnknown, ""}, {"", "", StateUnknown, ""},
	} {
		form := twilioVector()
		form.Set("MessageStatus", c.status)
		if c.code != "" {
			form.Set("ErrorCode", c.code)
		}
		got, err := s.Receipts(t.Context(), twilioSigned(s, "https://auth.example.com/receipts/own?m="+kitMessage, form))
		want := Receipt{MessageID: kitMessage, ProviderRef: form.Get("MessageSid"), State: c.state, Class: c.class, Code: c.code}
		if err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s %s: %+v, %v; want %+v", c.status, c.code, got, err, want)
		}
	}
}

// twilioSigned signs a callback as Twilio does; of fields that stand once.
func twilioSigned(s *twilio, at string, form url.Values) Callback {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(form)) {
		text.WriteString(name + form.Get(name))
	}
	return twilioCallback(at, hmacSHA1(s.Value("auth_token"), at+text.String()), form)
}

func hmacSHA1(secret, text string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestTwilioReceiptsRefused(t *testing.T) {
	s := kitSender(t, "twilio", kitOptions(SMS, twilioTestSettings)).(*twilio)
	other, odd := twilioVector(), twilioVector()
	other.Set("AccountSid", "AC00000000000000000000000000000009")
	odd.Set("MessageSid", "SM4915112345678")
	get := twilioSigned(s, twilioVectorURL, twilioVector())
	get.Method = http.MethodGet
	empty := kitSender(t, "twilio", kitOptions(SMS, twilioTestSettings)).(*twilio)
	empty.Values = nil
	if _, err := s.Receipts(t.Context(), twilioSigned(empty, twilioVectorURL, twilioVector())); err != ErrForged {
		t.Errorf("by an empty token, as the unset one before is: %v", err)
	}
	if _, err := s.Receipts(t.Context(), twilioSigned(s, twilioVectorURL, other)); err != ErrForged {
		t.Errorf("of another account: %v", err)
	}
	for name, c := range map[string]Callback{"without a reference": twilioSigned(s, twilioVectorURL, odd), "by GET": get} {
		if got, err := s.Receipts(t.Context(), c); err == nil || err == ErrForged {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	keyed := kitOptions(SMS, settings{"account_sid": twilioTestAccount, "api_key": twilioTestKey, "api_secret": "x"})
	if _, err := kitSender(t, "twilio", keyed).Receipts(t.Context(), get); err != ErrNoReceipts {
		t.Errorf("without a token: %v", err)
	}
}

func TestBothPorts(t *testing.T) {
	for raw, other := range map[string]string{
		"https://a.example/x?y":      "https://a.example:443/x?y",
		"http://a.example":           "http://a.example:80",
		"https://a.example:443/x?:1": "https://a.example/x?:1",
		"https://a.example:8443/x":   "https://a.example/x",
		"https://[::1]/x":            "https://[::1]:443/x",
		"https://[::1]:8443/x":       "https://[::1]/x",
	} {
		if got := bothPorts(raw + "#f"); got[0] != raw || got[1] != other {
			t.Errorf("%s: %q, want %q", raw, got, other)
		}
	}
}

// Whatever an answer says, it is a message taken, its reference of the documented
// form, or a *SendError; whatever a callback says that is signed, no receipt has a
// reference of another form.
func FuzzTwilio(f *testing.F) {
	f.Add(201, `{"sid":"SM00000000000000000000000000000002","status":"queued","error_code":null,"num_segments":"1"}`)
	f.Add(400, `{"code":21211,"message":"no","status":400}`)
	f.Add(200, "MessageSid=SM00000000000000000000000000000002&MessageStatus=failed&ErrorCode=30003")
	s := kitSender(f, "twilio", kitOptions(SMS, twilioTestSettings)).(*twilio)
	f.Fuzz(func(t *testing.T, status int, body string) {
		sent, err := twilioAnswer(answer{status: status, body: []byte(body)})
		if err != nil {
			refusalOf(t, err)
		} else if !twilioMessage.MatchString(sent.ProviderRef) || sent.Segments < 0 {
			t.Errorf("taken as %+v", sent)
		}
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		form = url.Values{"AccountSid": {twilioTestAccount}, "MessageSid": {form.Get("MessageSid")}, "MessageStatus": {form.Get("MessageStatus")}, "ErrorCode": {form.Get("ErrorCode")}}
		receipts, err := s.Receipts(t.Context(), twilioSigned(s, twilioVectorURL, form))
		if err == ErrForged || err == nil && !twilioMessage.MatchString(receipts[0].ProviderRef) {
			t.Errorf("%v, %v", receipts, err)
		}
	})
}
