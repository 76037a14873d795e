package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

var doctorTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// hooked are settings with a webhook on this machine, for messages to Germany.
func hooked(t *testing.T, hook *gatewaytest.Fake, others ...string) config.Config {
	t.Helper()
	entry := fmt.Sprintf(`SMS_PROVIDERS=[{kind: webhook, name: hook, countries: [DE], url: %q, secret: %s, allow_private: true}]`, hook.URL(), gatewaytest.HookSecret)
	return settings(t, t.TempDir(), append([]string{
		entry, "SMS_COUNTRIES=DE,FR", "SMS_BUDGET=day=1", "SMS_PRICES=DE=0.07,*=0.2", "PUBLIC_URL=https://auth.example.com",
	}, others...)...)
}

// consult asks the doctor, whose own calls all go to a server at to.
func consult(t *testing.T, c config.Config, d DoctorOptions, to string) (string, error) {
	t.Helper()
	d.HTTP = gatewaytest.Divert(gateway.NewHTTPClient(), to)
	var out bytes.Buffer
	err := Doctor(t.Context(), c, Options{Now: func() time.Time { return doctorTime }}, d, &out)
	if strings.Contains(out.String(), gatewaytest.HookSecret) || err != nil && strings.Contains(err.Error(), gatewaytest.HookSecret) {
		t.Errorf("a secret is told: %s, %v", out.String(), err)
	}
	return out.String(), err
}

func TestDoctorFindsNothing(t *testing.T) {
	hook := gatewaytest.NewWebhook(t, gatewaytest.HookSecret, doctorTime)
	c := hooked(t, hook)
	s := start(t, c, Options{})
	out, err := consult(t, c, DoctorOptions{}, "http://"+s.Addr())
	for _, want := range []string{"settings  sms_budget        ok     set", "hook      signature         ok", "hook      receipts reach us ok", "hook      callback URL      ok"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if err != nil || strings.Contains(out, "WRONG") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, asked := range hook.Asked() {
		if !strings.Contains(asked.Body, `"message.ping"`) {
			t.Errorf("a check sent %s", asked.Body)
		}
	}
	out, err = consult(t, c, DoctorOptions{JSON: true}, "http://"+s.Addr())
	var told struct {
		OK       bool
		Findings []finding
	}
	if bad := json.Unmarshal([]byte(out), &told); bad != nil || err != nil || !told.OK || len(told.Findings) < 8 {
		t.Errorf("%v, %v\n%s", bad, err, out)
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		answer gatewaytest.Answer
		url    string // public_url
		to     string
		want   string
	}{
		"a refused signature": {gatewaytest.Answer{Status: 401}, "https://auth.example.com", elsewhere.URL, "hook signature WRONG"},
		"another server":      {gatewaytest.Answer{Status: 204}, "https://auth.example.com", elsewhere.URL, "hook receipts reach us WRONG https://auth.example.com/receipts/hook answers with status 403, and not as this server does"},
		"no server":           {gatewaytest.Answer{Status: 204}, "https://auth.example.com", "http://127.0.0.1:1", "hook receipts reach us WRONG nothing answers"},
		"an address of here":  {gatewaytest.Answer{Status: 204}, "http://127.0.0.1:8420", elsewhere.URL, "settings public_url WRONG is this machine's own"},
	} {
		hook := gatewaytest.NewWebhook(t, gatewaytest.HookSecret, doctorTime)
		hook.Answers(c.answer)
		out, err := consult(t, hooked(t, hook, "PUBLIC_URL="+c.url), DoctorOptions{}, c.to)
		if !errors.Is(err, errIll) || !strings.Contains(strings.Join(strings.Fields(out), " "), c.want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestDoctorSends(t *testing.T) {
	hook := gatewaytest.NewWebhook(t, gatewaytest.HookSecret, doctorTime)
	c := hooked(t, hook)
	s := start(t, c, Options{})
	question, answer := "", true
	confirm := func(q string) (bool, error) { question = q; return answer, nil }
	sends := func() (n int) {
		for _, asked := range hook.Asked() {
			if strings.Contains(asked.Body, `"message.send"`) {
				n++
			}
		}
		return n
	}

	hook.Answers(gatewaytest.Answer{Status: 204}, gatewaytest.Answer{Status: 200, Body: `{"ref":"r-1","cost":{"amount":"0.065","currency":"USD"}}`})
	out, err := consult(t, c, DoctorOptions{To: "+4915112345678", Confirm: confirm}, "http://"+s.Addr())
	if !strings.HasPrefix(question, `Send "Countersign test message" to `) || !strings.HasSuffix(question, " by hook, for about 0.07 USD?") || strings.Contains(question, "15112345678") {
		t.Errorf("asked %q", question)
	}
	if err != nil || !strings.Contains(out, `as "r-1". Expected to cost 0.07 USD; it tells of 0.065 USD.`) || strings.Contains(out, "15112345678") {
		t.Errorf("%v\n%s", err, out)
	}
	if body := hook.Last().Body; sends() != 1 || !strings.Contains(body, `"body":"Countersign test message"`) || strings.Contains(body, `"code"`) {
		t.Errorf("%d sent, the last %s", sends(), body)
	}

	answer = false
	for name, d := range map[string]DoctorOptions{
		"nothing was sent":                          {To: "+4915112345678", Confirm: confirm},
		"nobody is there":                           {To: "+4915112345678"},
		"does not allow":                            {To: "+390612345678", Yes: true},
		"no entry of sms_providers takes messages":  {To: "+33612345678", Yes: true},
		"no entry of sms_providers is called other": {To: "+4915112345678", Yes: true, Provider: "other"},
		"hook takes no messages":                    {To: "+33612345678", Yes: true, Provider: "hook"},
		"--send: ":                                  {To: "12", Yes: true},
	} {
		if _, err := consult(t, c, d, "http://"+s.Addr()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if sends() != 1 {
		t.Errorf("%d messages were sent", sends())
	}

	hook.Answers(gatewaytest.Answer{Status: 204}, gatewaytest.Answer{Status: 422, Body: `{"class":"final","code":"no_such_number"}`})
	out, err = consult(t, c, DoctorOptions{To: "+4915112345678", Yes: true, Provider: "hook"}, "http://"+s.Addr())
	if !errors.Is(err, errIll) || !strings.Contains(out, "did not take the message to") || !strings.Contains(out, "final no_such_number") {
		t.Errorf("refused: %v\n%s", err, out)
	}
}

// Whoever only looks at the settings keeps no receipts, and takes none: a message
// centre would not say them again.
func TestSettingsAreLookedAtWithoutTakingReceipts(t *testing.T) {
	centre := gatewaytest.NewSMSC(t)
	entry := fmt.Sprintf(`SMS_PROVIDERS=[{kind: smpp, name: centre, countries: [DE], address: %q, system_id: house, password: secret08, from: ACME}]`, centre.Listen(nil))
	c := settings(t, t.TempDir(), entry, "SMS_COUNTRIES=DE", "SMS_BUDGET=day=1")
	if o := senderOptions(c, Options{}.whole(), c.SMSProviders[0], nil); o.Deliver != nil {
		t.Error("receipts are taken where none are kept")
	}
	if err := Check(c); err != nil {
		t.Error(err)
	}
	if _, binds, _, _ := centre.Counts(); binds != 0 {
		t.Errorf("a look at the settings bound %d times", binds)
	}
	if out, err := consult(t, c, DoctorOptions{}, "http://127.0.0.1:1"); !strings.Contains(out, "bind") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, binds, unbinds, _ := centre.Counts(); binds != 1 || unbinds != 1 {
		t.Errorf("the doctor bound %d times, and left %d times; to look it needs one", binds, unbinds)
	}
}
