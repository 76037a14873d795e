package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/keyring"
)

// kinds are some that providers may be of, for tests.
func kinds() []ProviderKind {
	return []ProviderKind{
		{Name: "acme", Doc: "Takes all.", Channels: []string{"sms", "whatsapp"}, Settings: []ProviderSetting{
			{Name: "key", Doc: "what proves who asks.", Secret: true, Required: true},
			{Name: "headers", Doc: "what is sent along, and more of it than has room in one line of the reference."},
		}},
		{Name: "inbox", Doc: "Keeps them.", Channels: []string{"sms", "voice"}, Here: true},
	}
}

const bounded = "sms_countries: US\nsms_budget: day=50\n"

func loadFile(t *testing.T, text string, env ...string) (Config, error) {
	t.Helper()
	from := named()
	from.File, from.Env = writeFile(t, "c.yaml", text), env
	return Load(from)
}

func TestProvidersInAFile(t *testing.T) {
	c, err := loadFile(t, bounded+`sms_currency: EUR
sms_prices: {'*': 0.1}
sms_routing: fixed
sms_providers:
  - kind: acme
    key: ${ACME_KEY}
  - name: acme-in
    kind: acme
    channel: whatsapp
    countries: [IN, NO]
    prefixes: [+49151, +1]
    weight: 0
    prices: {IN: 0.0013, +9198: 2, '*': 1}
    from: {IN: ACMEIN, '*': +15005550006}
    dlt: {login: {entity: 1101, template: 1107}, '*': {entity: '01', template: 2}}
    key: |
      line
      another
    headers: {X-Key: '${ACME_KEY}', X-B: 'a,b=c'}
  - kind: inbox
    from: Me
`, "ACME_KEY=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	want := []Provider{
		{Name: "acme", Kind: "acme", Channel: "sms", Weight: 1, Values: map[string]keyring.Secret{"key": "s3cret"}},
		{
			Name: "acme-in", Kind: "acme", Channel: "whatsapp", Countries: []string{"IN", "NO"}, Prefixes: []string{"+49151", "+1"},
			Prices: map[string]Decimal{"IN": 1300, "+9198": 2_000_000, "*": 1_000_000},
			From:   map[string]string{"IN": "ACMEIN", "*": "+15005550006"},
			DLT:    map[string]DLT{"login": {"1101", "1107"}, "*": {"01", "2"}},
			Values: map[string]keyring.Secret{"key": "line\nanother\n", "headers": `{"X-B":"a,b=c","X-Key":"s3cret"}`},
		},
		{Name: "inbox", Kind: "inbox", Channel: "sms", Weight: 1, From: map[string]string{"*": "Me"}, Values: map[string]keyring.Secret{}},
	}
	if diff := cmp.Diff(want, c.SMSProviders); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProvidersInTheEnvironment(t *testing.T) {
	for _, text := range []string{
		`[{"kind":"acme","key":"${K}","countries":["US"]}]`,
		"- kind: acme\n  key: ${K}\n  countries: US",
	} {
		from := named()
		from.Env = []string{"COUNTERSIGN_SMS_PROVIDERS=" + text, "K=v", "COUNTERSIGN_SMS_COUNTRIES=US", "COUNTERSIGN_SMS_BUDGET=month=9"}
		c, err := Load(from)
		if err != nil || len(c.SMSProviders) != 1 || c.SMSProviders[0].Values["key"].Reveal() != "v" || c.SMSProviders[0].Countries[0] != "US" {
			t.Errorf("%s: %+v, %v", text, c.SMSProviders, err)
		}
	}
}

// What is no YAML is told by its place, and nothing of it is shown.
func TestProvidersThatAreNoYAML(t *testing.T) {
	for text, says := range map[string]string{
		"- kind: acme\n  key: \"c4nary-s3cret\n": "is not YAML at line 2, column ",
		"- kind: acme\n\tkey: c4nary-s3cret\n":   "is not YAML at line 2, column ",
		"[{kind: acme, key: c4nary-s3cret":       "is not YAML at line 1, column ",
		"c4nary-s3cret":                          "must be a list of entries",
	} {
		from := named()
		from.Env = []string{"COUNTERSIGN_SMS_PROVIDERS=" + text}
		_, err := Load(from)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "c4nary") {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

// All that is wrong is told at once, by entry and line, and no value of it.
func TestProviderRefusals(t *testing.T) {
	const secret = "c4nary-s3cret"
	for _, c := range []struct{ entry, setting, says string }{
		{"- {name: x}", "sms_providers[1].kind", "one of acme, inbox"},
		{"- kind: acme", "sms_providers[acme].key", "what proves who asks"},
		{"- {kind: acme, key: ''}", "sms_providers[acme].key", "must be set"},
		{"- {kind: acme, key: '${NOT_SET}'}", "sms_providers[acme].key", "NOT_SET is not set"},
		{"- {kind: acme, key: 'Bearer ${ACME_KEY}'}", "sms_providers[acme].key", "has ${ACME_KEY} within"},
		{"- {kind: acme, key: k, headers: {X-Key: 'Bearer ${ACME_KEY}'}}", "sms_providers[acme].headers", "has ${ACME_KEY} within"},
		{"- {kind: acme, key: k, headers: [a, '${ACME_KEY}']}", "sms_providers[acme].headers", "has ${ACME_KEY} within"},
		{"- {kind: acme, key: k, prices: {US: '${PRICE}'}}", "sms_providers[acme].prices", "has ${PRICE} within"},
		{"- {kind: acme, key: k, countries: '${NOT_SET}'}", "sms_providers[acme].countries", "NOT_SET is not set"},
		{"- {kind: acme, key: k, from: '${NOT_SET}'}", "sms_providers[acme].from", "NOT_SET is not set"},
		{"- {kind: acme, key: k, hedaers: " + secret + "}", "sms_providers[acme].hedaers", "did you mean headers?"},
		{"- {kind: acme, key: k, wieght: 1}", "sms_providers[acme].wieght", "did you mean weight?"},
		{"- {kind: acme, key: k, zzzzzzzzz: " + secret + "}", "sms_providers[acme].zzzzzzzzz", "config reference"},
		{"- {kind: amce, key: " + secret + "}", "sms_providers[amce].kind", "one of acme, inbox"},
		{"- {kind: acme, key: k, channel: voice}", "sms_providers[acme].channel", "it has sms, whatsapp"},
		{"- {kind: acme, key: k, name: Upper}", "sms_providers[1].name", "small letters"},
		{"- {kind: acme, key: k}\n- {kind: acme, key: k}", "sms_providers[2].name", "name of its own"},
		{"- {kind: acme, key: k, weight: 1001}", "sms_providers[acme].weight", "0 to 1000"},
		{"- {kind: acme, key: k, countries: [us]}", "sms_providers[acme].countries", "capital"},
		{"- {kind: acme, key: k, prefixes: [49]}", "sms_providers[acme].prefixes", "+49151"},
		{"- {kind: acme, key: k, prices: {US: 1.x}}", "sms_providers[acme].prices", "six digits"},
		{"- {kind: acme, key: k, prices: {usa: 1}}", "sms_providers[acme].prices", "no country"},
		{"- {kind: acme, key: k, from: {usa: 1}}", "sms_providers[acme].from", "by country"},
		{"- {kind: acme, key: k, dlt: {'*': {entity: 1}}}", "sms_providers[acme].dlt", "entity"},
		{"- {kind: acme, key: [[" + secret + "]]}", "sms_providers[acme].key", "plain value"},
		{"- acme", "sms_providers[1]", "name: value pairs"},
	} {
		_, err := loadFile(t, bounded+"sms_providers:\n"+c.entry+"\n")
		refusals, _ := err.(Refusals)
		if len(refusals) != 1 || refusals[0].Setting != c.setting || !strings.Contains(refusals[0].Problem, c.says) || !strings.Contains(refusals[0].Source, " line ") {
			t.Errorf("%s: %v; want one of %s with %q", c.entry, err, c.setting, c.says)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: a value is told: %v", c.entry, err)
		}
	}
	for _, text := range []string{"acme", "{kind: acme}", "[" + secret, "[" + strings.Repeat("{kind: inbox}, ", 40) + "]"} {
		if _, err := load("SMS_PROVIDERS=" + text); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What reaches carriers costs somebody money: it starts with a bound alone.
func TestC47ARealProviderNeedsCountriesAndABudget(t *testing.T) {
	const acme = "sms_providers: [{kind: acme, key: k}]\n"
	for _, c := range []struct{ text, refused string }{
		{acme, "sms_countries sms_budget"},
		{acme + "sms_countries: US\n", "sms_budget"},
		{acme + "sms_budget: day=50\n", "sms_countries"},
		{acme + "sms_countries: US\nsms_budget: US/day=50\n", "sms_budget"},
		{acme + "sms_countries: US\nsms_budget: hour=5\n", ""},
		{"sms_providers: [{kind: inbox}]\n", ""},
		{"sms_providers: [{kind: inbox}, {kind: acme, key: k}]\n", "sms_countries sms_budget"},
		{"sms_currency: euro\n", "sms_currency"},
		{"sms_currency: EUR\nsms_budget: day=1\n", "sms_prices"},
		{"sms_routing: random\n", "sms_routing"},
	} {
		_, err := loadFile(t, c.text)
		refusals, _ := err.(Refusals)
		var names []string
		for _, r := range refusals {
			names = append(names, r.Setting)
		}
		if strings.Join(names, " ") != c.refused {
			t.Errorf("%s refused %v, want %q", c.text, err, c.refused)
		}
	}
}

// The inbox keeps off listeners that strangers reach, a real provider does not.
func TestC83ProvidersOffLoopback(t *testing.T) {
	const away = bounded + "listen: 0.0.0.0:80\npublic_url: https://a.example\ntrusted_proxies: 10.0.0.0/8\n"
	if _, err := loadFile(t, away+"sms_providers: [{kind: acme, key: k}]\n"); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "sms_providers: [{kind: acme, key: k}, {kind: inbox}]\n"} {
		if _, err := loadFile(t, away+text); err == nil || !strings.Contains(err.Error(), "inbox") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
