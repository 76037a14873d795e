package locale

import (
	"strings"
	"testing"
)

const ownTexts = `
en:
  login: "{app}: {code} signs you in. Tell nobody."
  code: "{app}: your {purpose} code is {code}, for {minutes} min."
  password_reset_notice: "{app}: new password. Not you? Write to {app}."
bg:
  code: "{app}: {code} ({purpose})"
`

func TestOwnTemplatesGoFirst(t *testing.T) {
	own, err := ReadTemplates([]byte(ownTexts), sample)
	if err != nil {
		t.Fatal(err)
	}
	const last = "\n@auth.example.com #123456"
	for _, c := range []struct{ got, want string }{
		{own.Code("en", "login", sample), "Countersign: 123456 signs you in. Tell nobody." + last},
		{own.Code("en", "signup", sample), "Countersign: your sign-up code is 123456, for 10 min." + last},
		{own.Notice("en", "password_reset", sample), "Countersign: new password. Not you? Write to Countersign."},
		{own.Notice("en", "phone_number_changed", sample), builtIn.Notice("en", "phone_number_changed", sample)},
		{own.Code("de", "login", sample), builtIn.Code("de", "login", sample)},
		{own.Code("bg", "login", sample), "Countersign: 123456 (sign-in)" + last},
		{own.Match("bg-BG"), "bg"},
		{own.Match("de-AT"), "de"},
		{builtIn.Match("bg-BG"), "en"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestOwnTemplatesAreChecked(t *testing.T) {
	for _, c := range []struct{ kind, text, want string }{
		{"login", "{app}: sign in", "must have {code}"},
		{"login", "{app}: {code} {code}", "must have {code}, once"},
		{"login", "{code} is your code", "must have {app}"},
		{"code", "{app}: {code}", "must have {purpose}"},
		{"login", "{app}: {code} for {name}", "{name} is no place"},
		{"login", "{app}: {code} {", "{ is no place"},
		{"password_reset_notice", "{app}: {code}", "{code} is no place"},
		{"log_in", "{app}: {code}", "no such kind"},
		{"login", "{app}: {code} https://evil", "no link"},
		{"login", "{app}: {code} www.evil", "no link"},
		{"login", "{app}: {code} at evil.example", "no link"},
		{"login", "{app}.com: {code}", "no link"},
		{"login", "{app}: {code}\\n@evil.example #123456", "no link"},
		{"login", "{app}: {code}\\nsecond line", "one line"},
		{"login", "{app}: {code}\\u202e", "one line"},
		{"login", "{app}: {code} @evil", "no @"},
		{"login", "{app}: {code} " + strings.Repeat("a", 280), "3 segments of GSM-7"},
		{"login", "{app}: {code} " + strings.Repeat("ж", 100), "3 segments of UCS-2"},
		{"code", "{app}: {code} {purpose} " + strings.Repeat("a", 250), "3 segments of GSM-7"},
	} {
		_, err := ReadTemplates([]byte("en: {"+c.kind+`: "`+c.text+`"}`), sample)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "en, "+c.kind) {
			t.Errorf("%s %.60q: %v, want %q", c.kind, c.text, err, c.want)
		}
	}
	for _, text := range []string{"[]", "en: login", "en: {login: [a]}", "\x00", "en: {login: a}\nen: {login: b}"} {
		if _, err := ReadTemplates([]byte(text), sample); err == nil || !strings.Contains(err.Error(), "YAML") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ReadTemplates([]byte(`english: {login: "{app}: {code}"}`), sample); err == nil || !strings.Contains(err.Error(), "no language") {
		t.Errorf("a word as a language: %v", err)
	}
}

func FuzzReadTemplates(f *testing.F) {
	f.Add(ownTexts)
	f.Add(`en: {login: "{app}: {code}"}`)
	f.Fuzz(func(t *testing.T, text string) {
		own, err := ReadTemplates([]byte(text), sample)
		if err != nil {
			return
		}
		for lang := range own.own {
			for _, purpose := range purposes {
				got := own.Code(lang, purpose, sample)
				if n, _ := Segments(got); n > longestTemplate || !strings.Contains(got, "123456") || !strings.Contains(got, "Countersign") {
					t.Errorf("%s, %s: %q", lang, purpose, got)
				}
			}
		}
	})
}
