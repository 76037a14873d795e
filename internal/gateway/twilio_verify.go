package gateway

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const twilioVerifyAPI = "https://verify.twilio.com/v2/Services/"

// The code is ours: Twilio only carries it.
const (
	shortestVerify = 4
	longestVerify  = 10
)

var (
	twilioVerifyService = regexp.MustCompile(`^VA[0-9a-f]{32}$`)
	twilioVerification  = regexp.MustCompile(`^VE[0-9a-f]{32}$`)
	twilioAppHash       = regexp.MustCompile(`^[A-Za-z0-9+/]{11}$`)
)

// twilioVerifyChannels are Twilio's words for the channels.
var twilioVerifyChannels = map[Channel]string{SMS: "sms", WhatsApp: "whatsapp", Voice: "call"}

// twilioVerifyCodes are twilioCodes, and those of Verify's own: too many tries of a
// number, which are no matter of other providers, and numbers that it blocks.
func twilioVerifyCodes() map[string]verdict {
	codes := maps.Clone(twilioCodes)
	codes["60202"], codes["60203"], codes["60410"] = useAnother, useAnother, useAnother
	return codes
}

func twilioVerifyKind() Kind {
	return Kind{
		Name: "twilio_verify", Doc: "Twilio Verify, which sends our codes in texts of its own: SMS, WhatsApp and voice",
		Channels: []Channel{SMS, WhatsApp, Voice}, New: newTwilioVerify,
		Settings: append(twilioVerifyAccount(),
			Setting{Name: "service_sid", Required: true, Doc: "VA and 32 hexadecimal digits: the Verify service; custom codes must be enabled for it"},
			Setting{Name: "app_hash", Doc: "the 11 characters by which an Android app gets the message; absent by default"},
		),
	}
}

// twilioVerifyAccount are the account's settings without those of receipts.
func twilioVerifyAccount() []Setting {
	return slices.DeleteFunc(twilioAccountSettings(), func(s Setting) bool { return s.Name == "auth_token_previous" })
}

// twilioVerify sends codes by Twilio's Verify.
type twilioVerify struct {
	Options
	codes map[string]verdict
}

func newTwilioVerify(o Options) (Sender, error) {
	if err := o.checkTwilioAccount(); err != nil {
		return nil, err
	}
	if !twilioVerifyService.MatchString(o.Value("service_sid")) {
		return nil, &SettingError{Setting: "service_sid", Problem: "must be VA and 32 hexadecimal digits in small letters"}
	}
	if v := o.Value("app_hash"); v != "" && !twilioAppHash.MatchString(v) {
		return nil, &SettingError{Setting: "app_hash", Problem: "must be the 11 characters of an Android app"}
	}
	if len(o.From) > 0 {
		return nil, &SettingError{Setting: "from", Problem: "is not for twilio_verify: the service has senders of its own"}
	}
	return &twilioVerify{Options: o, codes: twilioVerifyCodes()}, nil
}

func (t *twilioVerify) Name() string     { return t.Options.Name }
func (t *twilioVerify) Kind() string     { return "twilio_verify" }
func (t *twilioVerify) Channel() Channel { return t.Options.Channel }
func (t *twilioVerify) Close() error     { return nil }

// Receipts are none: Verify tells of no message.
func (t *twilioVerify) Receipts(context.Context, Callback) ([]Receipt, error) {
	return nil, ErrNoReceipts
}

// Send starts a verification with our code. A notice, which has none, is for other
// providers.
func (t *twilioVerify) Send(ctx context.Context, m Message) (Sent, error) {
	code := m.Code.Reveal()
	if len(code) < shortestVerify || len(code) > longestVerify {
		return Sent{}, &SendError{Class: Failover, Code: "codes_only", Cause: errors.New("the provider carries codes of 4 to 10 characters and nothing else")}
	}
	form := url.Values{"To": {m.To.E164()}, "Channel": {twilioVerifyChannels[t.Options.Channel]}, "CustomCode": {code}}
	if language, _, _ := strings.Cut(m.Locale, "-"); language != "" {
		form.Set("Locale", language)
	}
	if v := t.Value("app_hash"); v != "" && t.Options.Channel == SMS {
		form.Set("AppHash", v)
	}
	a, err := t.twilioCall(ctx, http.MethodPost, t.at("Verifications"), form)
	if err != nil {
		return Sent{}, err
	}
	return t.answer(a)
}

func (t *twilioVerify) at(what string) string {
	return twilioVerifyAPI + t.Value("service_sid") + "/" + what
}

func (t *twilioVerify) answer(a answer) (Sent, error) {
	if !a.success() {
		return Sent{}, twilioRefusal(a, t.codes)
	}
	var took struct {
		SID    string `json:"sid"`
		Status string `json:"status"`
	}
	if !a.decode(&took) || !twilioVerification.MatchString(took.SID) || took.Status != "pending" {
		return Sent{}, garbled()
	}
	return Sent{ProviderRef: took.SID}, nil
}

// noSubscriber is a number that nobody can have (it is for fiction), so that no
// verification of it can be.
const noSubscriber = "+14155550100"

// Check checks a code that was never sent.
func (t *twilioVerify) Check(ctx context.Context) []Finding {
	form := url.Values{"To": {noSubscriber}, "Code": {"0000000000"}}
	a, err := t.twilioCall(ctx, http.MethodPost, t.at("VerificationCheck"), form)
	if a.status == http.StatusNotFound {
		a.status = http.StatusOK // whoever is told that it is gone was let in
	}
	return probed(a, err)
}
