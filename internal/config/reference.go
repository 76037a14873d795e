package config

import (
	"fmt"
	"strings"
)

// Reference writes every setting as a commented YAML file: taking the # off a
// line that begins a setting sets it. The limits and the alerts that may be
// changed are listed with the settings that change them.
func Reference(limits, alerts []Named) string {
	var b strings.Builder
	b.WriteString("# Settings of Countersign. A flag wins over the environment, the environment\n" +
		"# over this file. An empty value counts as not set.\n")
	for _, s := range Settings() {
		b.WriteString("\n")
		for _, line := range wrap(s.Doc, 76) {
			b.WriteString("# " + line + "\n")
		}
		writeNamed(&b, map[string][]Named{"limits": limits, "alerts": alerts}[s.Name])
		where := "environment " + s.Env
		if s.Flag != "" {
			where += ", flag --" + s.Flag
		}
		b.WriteString("# (" + where + ")\n")
		b.WriteString(strings.TrimSpace(fmt.Sprintf("#%s: %s", s.Name, s.Default)) + "\n")
	}
	return b.String()
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
