package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/keyring"
)

const verifyTestService = "VA00000000000000000000000000000001"

var verifyTestSettings = twilioTestSettings.with("service_sid", verifyTestService)

func verifyTestOptions(channel Channel, values settings) Options {
	o := kitOptions(channel, values)
	o.From = nil
	return o
}

func verifyTestSender(t *testing.T, o Options) (Sender, *gatewaytest.Fake) {
	fake := gatewaytest.NewTwilioVerify(t, verifyTestService, twilioTestSecrets)
	o.HTTP = fake.Toward(o.HTTP)
	return kitSender(t, "twilio_verify", o), fake
}

func TestTwilioVerifySends(t *testing.T) {
	for channel, want := range map[Channel]string{
		SMS:      "AppHash=FA%2B9qCX9VSu&Channel=sms&CustomCode=918273&Locale=de&To=%2B4915112345678",
		WhatsApp: "Channel=whatsapp&CustomCode=918273&Locale=de&To=%2B4915112345678",
		Voice:    "Channel=call&CustomCode=918273&Locale=de&To=%2B4915112345678",
	} {
		s, fake := verifyTestSender(t, verifyTestOptions(channel, verifyTestSettings.with("app_hash", "FA+9qCX9VSu")))
		sent, err := s.Send(t.Context(), kitText(t))
		if want := (Sent{ProviderRef: "VE" + strings.Repeat("0", 31) + "1"}); err != nil || sent != want {
			t.Errorf("Send = %v, %v", sent, err)
		}
		if got := fake.Last().Body; got != want {
			t.Errorf("asked\n%s, want\n%s", got, want)
		}
	}
	s, fake := verifyTestSender(t, verifyTestOptions(SMS, verifyTestSettings))
	for _, code := range []string{"", "123", "12345678901"} {
		m := kitText(t)
		m.Code = keyring.Secret(code)
		if _, err := s.Send(t.Context(), m); refusalOf(t, err).Class != Failover {
			t.Errorf("the code %q: %v", code, err)
		}
	}
	if n := len(fake.Asked()); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
}

func TestTwilioVerifyRefusals(t *testing.T) {
	s, fake := verifyTestSender(t, verifyTestOptions(SMS, verifyTestSettings))
	cases := byStatusAlone(`{}`)
	for code, class := range map[int]Class{60202: Failover, 60203: Failover, 60410: Failover, 60200: Failover, 21211: Final, 21614: Final, 20429: Retry} {
		cases = append(cases, refusal{400, fmt.Sprintf(`{"code":%d}`, code), class, fmt.Sprint(code), false})
	}
	cases = append(cases,
		refusal{429, `{"code":60203,"status":429}`, Failover, "60203", false},
		refusal{403, `{"code":60410,"status":403}`, Failover, "60410", false},
		refusal{401, `{"code":20003,"status":401}`, Failover, "20003", true},
		refusal{201, `{"sid":"VE` + strings.Repeat("1", 32) + `","status":"canceled"}`, Ambiguous, "", false})
	kitRefusals(t, s, fake, cases)
}

func TestTwilioVerifyHostile(t *testing.T) {
	kitHostile(t, "twilio_verify", verifyTestOptions(Voice, verifyTestSettings), 201)
}

func TestTwilioVerifySettings(t *testing.T) {
	good := verifyTestOptions(Voice, verifyTestSettings)
	kitRedacts(t, kitSender(t, "twilio_verify", good))
	kitSettings(t, "twilio_verify", good, []settings{
		{"service_sid": ""}, {"service_sid": "VA123456"}, {"app_hash": "much too long it is"}, {"account_sid": "AC1234567"}, {"auth_token": ""},
		{"auth_token_previous": "something"},
	})
	kitFrom(t, "twilio_verify", good, map[string]string{"*": "ACME"})
	if _, err := kitSender(t, "twilio_verify", good).Receipts(t.Context(), Callback{}); err != ErrNoReceipts {
		t.Errorf("Receipts: %v", err)
	}
}

func TestTwilioVerifyChecks(t *testing.T) {
	s, fake := verifyTestSender(t, verifyTestOptions(Voice, verifyTestSettings))
	if got := findings(s.Check(t.Context())); got != "reachability: fine\ncredentials: fine" {
		t.Errorf("found\n%s", got)
	}
	if r := fake.Last(); !strings.HasSuffix(r.Path, "/VerificationCheck") {
		t.Errorf("asked %s", r.Path)
	}
	s, _ = verifyTestSender(t, verifyTestOptions(Voice, verifyTestSettings.with("auth_token", "wrong")))
	if got := findings(s.Check(t.Context())); !strings.Contains(got, "credentials: refused") {
		t.Errorf("of wrong credentials: %s", got)
	}
}
