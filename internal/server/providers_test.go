package server

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/outbox"
)

const twoWays = `SMS_PROVIDERS=[{kind: inbox, name: first, countries: [US]}, {kind: inbox, name: by-phone, channel: voice, countries: [US]}]`

// Messages go by the entries of the list, and metrics and support know them by
// their names.
func TestMessagesGoByTheEntriesOfTheList(t *testing.T) {
	dir := t.TempDir()
	c := settings(t, dir, twoWays, "SMS_BUDGET=day=50")
	s := start(t, c, Options{})
	base := "http://" + s.Addr()
	signIn(t, base)
	answer, text := call(t, "POST", base+"/v1/signup", `{"phone_number":"+14155550101","channel":"voice"}`)
	if answer.StatusCode != http.StatusAccepted || !strings.Contains(text, `"channel":"voice"`) {
		t.Fatalf("by voice: %d %s", answer.StatusCode, text)
	}
	answer, text = call(t, "POST", base+"/v1/signup", `{"phone_number":"+14155550102","channel":"whatsapp"}`)
	if answer.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "body.channel") {
		t.Errorf("by whatsapp: %d %s", answer.StatusCode, text)
	}
	answer, text = call(t, "POST", base+"/v1/signup", `{"phone_number":"+447400123456"}`)
	if answer.StatusCode != http.StatusForbidden || !strings.Contains(text, "country_not_allowed") {
		t.Errorf("to where none takes messages: %d %s", answer.StatusCode, text)
	}
	want := regexp.MustCompile(`countersign_codes_sent_total\{country="US",outcome="success",provider="(first|by-phone)"\} 1`)
	metrics := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && len(want.FindAllString(metrics, -1)) < 2; {
		_, metrics = call(t, "GET", "http://"+s.OperatorAddr()+"/metrics", "")
	}
	if found := want.FindAllString(metrics, -1); len(found) != 2 {
		t.Errorf("metrics tell of %v", found)
	}
	for _, path := range []string{"/receipts/first", "/receipts/nobody", "/receipts/"} {
		if answer, _ := call(t, "POST", base+path, "{}"); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.StatusCode)
		}
	}

	var list strings.Builder
	if err := Messages(t.Context(), c, MessagesQuery{Provider: "by-phone"}, false, &list); err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^([0-9a-f-]{36}) .*\bvoice +sent +by-phone +1$`).FindStringSubmatch(list.String())
	if row == nil || strings.Contains(list.String(), "first") {
		t.Fatalf("listed:\n%s", &list)
	}
	var told strings.Builder
	if err := ExplainMessage(t.Context(), c, row[1], false, &told); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"signup, by voice", "try 1     by by-phone: ", "taken, as " + row[1], "counted as 0.", "stands    sent: a provider took it"} {
		if !strings.Contains(told.String(), part) {
			t.Errorf("not told: %q in\n%s", part, &told)
		}
	}
	if strings.Contains(told.String()+list.String(), "14155550101") {
		t.Error("a whole number is told")
	}
	for _, c := range []struct {
		do   func() error
		says string
	}{
		{func() error {
			return ExplainMessage(t.Context(), c, "0192f3a0-0000-7000-8000-000000000000", false, &told)
		}, "no message"},
		{func() error { return Messages(t.Context(), c, MessagesQuery{State: "lost"}, false, &told) }, "--state has to be one of"},
		{func() error { return Messages(t.Context(), c, MessagesQuery{Number: "12"}, false, &told) }, "no phone number"},
	} {
		if err := c.do(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
}

// A provider of another channel that does well is no help to those who wait for an SMS.
func TestAllProvidersOfAChannelFail(t *testing.T) {
	entry := func(name, channel string) provider {
		return provider{Provider: config.Provider{Name: name, Channel: channel}}
	}
	all := []provider{entry("a", "sms"), entry("b", "sms"), entry("c", "voice")}
	a, b := outbox.CircuitState{Provider: "a", Country: "US", Open: true}, outbox.CircuitState{Provider: "b", Country: "US", Open: true}
	if got := failing(all, []outbox.CircuitState{a}); got != "" {
		t.Errorf("one of two: %q", got)
	}
	if got := failing(all, []outbox.CircuitState{a, b}); !strings.Contains(got, "no provider of sms") {
		t.Errorf("both: %q", got)
	}
}

const twilio = `{kind: twilio, account_sid: AC0123456789abcdef0123456789abcdef, auth_token: c4nary, from: "+15005550006"}`

// What the settings show is told by the check, each entry by its name, no value of it.
func TestCheckTellsOfProviders(t *testing.T) {
	for _, c := range []struct {
		settings []string
		says     []string
	}{
		{[]string{"SMS_PROVIDERS=[" + twilio + "]", "SMS_COUNTRIES=US", "SMS_BUDGET=day=1"}, nil},
		{
			[]string{"SMS_PROVIDERS=[" + twilio + "]", "SMS_COUNTRIES=US,DE", "SMS_BUDGET=day=100,DE/hour=1", "SMS_PRICES=DE=0.9,*=0.8"},
			[]string{"sms_budget: has no room for one message to DE: twilio takes 0.9 USD a segment there, and strangers may use up 0.8"},
		},
		{[]string{"SMS_PROVIDERS=[" + twilio + "]", "SMS_COUNTRIES=US,DE", "SMS_BUDGET=day=100,*/hour=1", "SMS_PRICES=*=0.8"}, nil},
		{[]string{"SMS_PROVIDERS=[{kind: inbox, countries: [US]}]", "SMS_COUNTRIES=US,DE"}, []string{"sms_countries: no entry of sms_providers takes messages to DE"}},
		{
			[]string{"SMS_PROVIDERS=[" + strings.Replace(twilio, "AC0123", "XX", 1) + ", " + strings.Replace(twilio, "kind: twilio", "name: b, kind: twilio, smart_encoded: c4nary", 1) + "]", "SMS_COUNTRIES=US", "SMS_BUDGET=day=1"},
			[]string{"sms_providers[twilio].account_sid: ", "sms_providers[b].smart_encoded: "},
		},
	} {
		err := Check(settings(t, t.TempDir(), c.settings...))
		text := ""
		if err != nil {
			text = err.Error()
		}
		for _, part := range c.says {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q in %q", c.settings, part, text)
			}
		}
		if (err != nil) != (c.says != nil) || strings.Contains(text, "c4nary") {
			t.Errorf("%s: %v", c.settings, err)
		}
	}
	_, err := Start(t.Context(), settings(t, t.TempDir(), "SMS_PROVIDERS=["+strings.Replace(twilio, "AC0123", "XX", 1)+"]", "SMS_COUNTRIES=US", "SMS_BUDGET=day=1"), Options{})
	if err == nil || !strings.Contains(err.Error(), "sms_providers[twilio].account_sid") {
		t.Errorf("it started, or %v", err)
	}
}

// With a real provider alone there is no inbox, what strangers send to /receipts is
// told, and receipts are asked for where somebody outside reaches the server.
func TestARealProviderAlone(t *testing.T) {
	dir := t.TempDir()
	s := start(t, settings(t, dir, "SMS_PROVIDERS=["+twilio+"]", "SMS_COUNTRIES=US", "SMS_BUDGET=day=1"), Options{})
	base := "http://" + s.Addr()
	if answer, _ := call(t, "GET", base+"/dev/inbox", ""); answer.StatusCode != http.StatusNotFound {
		t.Errorf("the inbox: %d", answer.StatusCode)
	}
	if answer, _ := call(t, "GET", base+"/readyz", ""); answer.StatusCode != http.StatusOK {
		t.Errorf("readyz: %d", answer.StatusCode)
	}
	answer, _ := call(t, "POST", base+"/receipts/twilio?m=c4nary-query", "{}", "X-Twilio-Signature", "c4nary-signature")
	if answer.StatusCode != http.StatusForbidden && answer.StatusCode != http.StatusNotFound {
		t.Errorf("forged: %d", answer.StatusCode)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil || strings.Contains(string(log), "c4nary") {
		t.Errorf("the log tells a secret, or %v", err)
	}
	if answer.StatusCode == http.StatusForbidden && !strings.Contains(string(log), string(event.ReceiptRefused)) {
		t.Error("a forged receipt is told nowhere")
	}
	o := senderOptions(settings(t, dir, "PUBLIC_URL=https://id.example.com"), Options{}.whole(), config.Provider{Name: "acme-us"}, nil)
	if o.ReceiptURL != "https://id.example.com/receipts/acme-us" {
		t.Errorf("receipts come in at %q", o.ReceiptURL)
	}
	if o := senderOptions(settings(t, dir), Options{}.whole(), config.Provider{Name: "acme-us"}, nil); o.ReceiptURL != "" {
		t.Errorf("over loopback receipts are asked for at %q", o.ReceiptURL)
	}
}

// Every kind has a name that stands in the list, and takes nothing that all take.
func TestKindsStandInTheList(t *testing.T) {
	common := strings.Fields("kind name channel countries prefixes weight prices from dlt")
	for _, k := range gateway.Kinds() {
		for _, s := range k.Settings {
			for _, name := range common {
				if s.Name == name {
					t.Errorf("%s has a setting %s, which all entries have", k.Name, name)
				}
			}
		}
	}
	if len(ProviderTable()) != len(gateway.Kinds())+1 {
		t.Error("the inbox is a kind too, or one is missing")
	}
}
