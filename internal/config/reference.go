package config

import (
	"fmt"
	"strings"
)

// Reference writes every setting as a commented YAML file: taking the # off a
// line that begins a setting sets it. The limits and the alerts that may be
// changed are listed with the settings that change them, the kinds of providers
// with the list of these.
func Reference(limits, alerts []Named, kinds []ProviderKind) string {
	var b strings.Builder
	b.WriteString("# Settings of Countersign. A flag wins over the environment, the environment\n" +
		"# over this file. An empty value counts as not set.\n")
	for _, s := range Settings() {
		b.WriteString("\n")
		for _, line := range wrap(s.Doc, 76) {
			b.WriteString("# " + line + "\n")
		}
		writeNamed(&b, map[string][]Named{"limits": limits, "alerts": alerts}[s.Name])
		if s.Name == providersName {
			writeKinds(&b, kinds)
		}
		where := "environment " + s.Env
		if s.Flag != "" {
			where += ", flag --" + s.Flag
		}
		b.WriteString("# (" + where + ")\n")
		b.WriteString(strings.TrimSpace(fmt.Sprintf("#%s: %s", s.Name, s.Default)) + "\n")
	}
	return b.String()
}

// entries tells what entries of all kinds take.
var entries = []struct{ example, doc string }{
	{"- kind: twilio", "what takes the messages: one of the kinds below"},
	{"  name: twilio-us", "as logs, metrics and /receipts/… call it; by default the kind"},
	{"  channel: sms", "sms, whatsapp or voice, as the kind has them"},
	{"  countries: [US, CA]", "which it takes messages to; by default all"},
	{"  prefixes: [+49151]", "beginnings of the numbers that it takes messages to; by default all"},
	{"  weight: 1", "0 to 1000: how readily it is chosen beside others; 0 is asked when no other is left"},
	{"  prices: {US: 0.008, '*': 0.2}", "what a segment costs there, in sms_currency; they go before sms_prices"},
	{"  from: {US: '+15005550006', '*': ACME}", "the sender to show, one or by country"},
	{"  dlt: {'*': {entity: '1101…', template: '1107…'}}", "the ids for India, by purpose of a message, * for all others"},
	{"  auth_token: ${TWILIO_AUTH_TOKEN}", "and the settings of its kind; ${NAME} comes from the environment"},
}

func writeKinds(b *strings.Builder, kinds []ProviderKind) {
	b.WriteString("# An entry:\n")
	for _, e := range entries {
		fmt.Fprintf(b, "#   %s\n", e.example)
		for _, line := range wrap(e.doc, 66) {
			b.WriteString("#         " + line + "\n")
		}
	}
	b.WriteString("# The kinds, and their own settings:\n")
	for _, k := range kinds {
		fmt.Fprintf(b, "#   %s (%s)\n", k.Name, strings.Join(k.Channels, ", "))
		for _, line := range wrap(k.Doc, 70) {
			b.WriteString("#       " + line + "\n")
		}
		for _, s := range k.Settings {
			text := s.Name + ": " + s.Doc
			if s.Required {
				text = s.Name + " (required): " + s.Doc
			}
			for i, line := range wrap(text, 66) {
				b.WriteString("#     " + []string{"- ", "    "}[min(i, 1)] + line + "\n")
			}
		}
	}
}

func writeNamed(b *strings.Builder, all []Named) {
	for _, named := range all {
		fmt.Fprintf(b, "#   %s=%v\n", named.Name, named.Rate)
		for _, line := range wrap(named.Doc, 70) {
			b.WriteString("#       " + line + "\n")
		}
	}
}

// wrap breaks text at blanks into lines of at most width bytes, where its
// words allow.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
