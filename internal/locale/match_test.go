package locale

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		want      string
		preferred []string
	}{
		{"en", nil},
		{"en", []string{""}},
		{"de", []string{"de"}},
		{"de", []string{"de-AT"}},
		{"de", []string{"", "de-CH,fr;q=0.9"}},
		{"fr", []string{"fr", "de"}},
		{"fr", []string{"tlh, fr;q=0.5, de;q=0.2"}},
		{"de", []string{"fr;q=0.2, de;q=0.9"}},
		{"pt", []string{"pt-BR"}},
		{"nb", []string{"no"}},
		{"he", []string{"iw"}},
		{"id", []string{"in"}},
		{"zh", []string{"zh-CN"}},
		{"zh-Hant", []string{"zh-TW"}},
		{"en", []string{"en-GB"}},
		{"en", []string{"tlh"}},
		{"de", []string{"tlh", "de"}},
		{"en", []string{"*"}},
		{"en", []string{"a garbled ;;; header", "\x00\xff"}},
		{"de", []string{"!!", "de"}},
		{"en", []string{strings.Repeat("de,", 10_000) + "de"}},
		{"es", []string{strings.Repeat("x-", 10_000), "es-419"}},
	} {
		if got := Match(c.preferred...); got != c.want {
			t.Errorf("Match(%.60q) = %s, want %s", c.preferred, got, c.want)
		}
	}
}

func TestValid(t *testing.T) {
	for tag, want := range map[string]bool{
		"en": true, "de-AT": true, "zh-Hant-TW": true, "es-419": true, "tlh": true,
		"": false, "e": false, "english": false, "en_US": false, "xx-": false, "de AT": false, "<b>": false,
		"xx-DE": false, strings.Repeat("de-", 20) + "de": false, "en\n": false,
	} {
		if Valid(tag) != want {
			t.Errorf("Valid(%q) = %v", tag, !want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"de-AT,de;q=0.9,*;q=0.1", "zh-TW", "no", ";q=", "en-x-y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, preferred string) {
		if got := Match(preferred); catalogue[got] == (texts{}) {
			t.Errorf("Match(%q) = %q, which is not in the catalogue", preferred, got)
		}
		Valid(preferred)
	})
}
