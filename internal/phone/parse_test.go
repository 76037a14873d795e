package phone

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// Numbers here are of ranges set aside for fiction where a country has one,
// and the numbering plans' own examples otherwise.

func TestParseReadsWhatPeopleType(t *testing.T) {
	for _, c := range []struct{ typed, region, want, wantRegion string }{
		{"+1 415-555-0100", "", "+14155550100", "US"},
		{"(415) 555-0100", "US", "+14155550100", "US"},
		{"1 415 555 0100", "US", "+14155550100", "US"},
		{"011 44 7400 123456", "US", "+447400123456", "GB"},
		{"506-234-5678", "CA", "+15062345678", "CA"},
		{"(876) 210 1234", "JM", "+18762101234", "JM"},
		{"07400 123456", "GB", "+447400123456", "GB"},
		{"+44 (0)20 7946 0958", "", "+442079460958", "GB"},
		{"020 7946 0958", "GB", "+442079460958", "GB"},
		{"0491 570 006", "AU", "+61491570006", "AU"},
		{"0011 61 491 570 006", "AU", "+61491570006", "AU"},
		{"06 12 34 56 78", "FR", "+33612345678", "FR"},
		{"06.12.34.56.78", "FR", "+33612345678", "FR"},
		{"0171 3920012", "DE", "+491713920012", "DE"},
		{"030/23125 000", "DE", "+493023125000", "DE"},
		{"070-174 06 05", "SE", "+46701740605", "SE"},
		{"312 345 6789", "IT", "+393123456789", "IT"},
		{"+39 06 1234 5678", "", "+390612345678", "IT"},
		{"06 1234 5678", "IT", "+390612345678", "IT"},
		{"66 66 12 12", "SM", "+37866661212", "SM"},
		{"011 15 2345 6789", "AR", "+5491123456789", "AR"},
		{"+54 9 11 2345 6789", "", "+5491123456789", "AR"},
		{"+54 11 2345 6789", "", "+541123456789", "AR"},
		{"222 123 4567", "MX", "+522221234567", "MX"},
		{"(11) 96123-4567", "BR", "+5511961234567", "BR"},
		{"081234 56789", "IN", "+918123456789", "IN"},
		{"131 2345 6789", "CN", "+8613123456789", "CN"},
		{"090-1234-5678", "JP", "+819012345678", "JP"},
		{"010-2000-0000", "KR", "+821020000000", "KR"},
		{"0812-345-678", "ID", "+62812345678", "ID"},
		{"0802 123 4567", "NG", "+2348021234567", "NG"},
		{"0712 123456", "KE", "+254712123456", "KE"},
		{"٠١٠ ٠١٢٣٤٥٦٧", "EG", "+201001234567", "EG"},
		{"051 234 5678", "SA", "+966512345678", "SA"},
		{"+971 50 123 4567", "", "+971501234567", "AE"},
		{"050-234-5678", "IL", "+972502345678", "IL"},
		{"0501 234 56 78", "TR", "+905012345678", "TR"},
		{"8 (912) 345-67-89", "RU", "+79123456789", "RU"},
		{"8 (771) 000 9998", "KZ", "+77710009998", "KZ"},
		{"050 123 4567", "UA", "+380501234567", "UA"},
		{"512 345 678", "PL", "+48512345678", "PL"},
		{"601 123 456", "CZ", "+420601123456", "CZ"},
		{"06 12345678", "NL", "+31612345678", "NL"},
		{"078 123 45 67", "CH", "+41781234567", "CH"},
		{"612 34 56 78", "ES", "+34612345678", "ES"},
		{"06 20 123 4567", "HU", "+36201234567", "HU"},
		{"071 123 4567", "ZA", "+27711234567", "ZA"},
		{"8123 4567", "SG", "+6581234567", "SG"},
		{"0905 123 4567", "PH", "+639051234567", "PH"},
		{"01 23 45 67 89", "CI", "+2250123456789", "CI"},
	} {
		n, err := Parse(c.typed, c.region)
		if err != nil {
			t.Errorf("Parse(%q, %q): %v", c.typed, c.region, err)
			continue
		}
		if n.E164() != c.want || n.Region() != c.wantRegion {
			t.Errorf("Parse(%q, %q) = %s of %s, want %s of %s",
				c.typed, c.region, n.E164(), n.Region(), c.want, c.wantRegion)
		}
	}
}

func TestParseIgnoresTheMarksOfPasting(t *testing.T) {
	for _, typed := range []string{
		"\u202a+1 415-555-0100\u202c",
		"\u200e+1\u00a0415\u2011555\u20110100",
		"\u202d+1\u202b 415\u202e 5550100",
		"  +1 415 555 0100\n",
		"＋１ ４１５－５５５－０１００",
		"+١ ٤١٥ ٥٥٥ ٠١٠٠",
		"+१ ४१५ ५५५ ०१००",
		"+1.415.555.0100",
		"+\U0001d7d9 \U0001d7dc\U0001d7d9\U0001d7dd 555 0100",
		strings.Repeat("\u200e", 200) + "+14155550100",
	} {
		if n, err := Parse(typed, ""); err != nil || n.E164() != "+14155550100" {
			t.Errorf("Parse(%q) = %s, %v", typed, n.E164(), err)
		}
	}
}

func TestC69ParseRefuses(t *testing.T) {
	for _, c := range []struct{ why, typed, region string }{
		{"nothing", "", "US"},
		{"blanks", "  \u00a0 ", "US"},
		{"a plus alone", "+", "US"},
		{"no region", "4155550100", ""},
		{"an unknown region", "4155550100", "XX"},
		{"a region in lower case", "4155550100", "us"},
		{"letters", "1-800-FLOWERS", "US"},
		{"a word", "call me", "US"},
		{"full-width letters", "+1 415 555 ＡＢＣＤ", ""},
		{"an extension", "+1 415 555 0100 x123", ""},
		{"an extension after a semicolon", "+14155550100;ext=7", ""},
		{"an extension in words", "+14155550100 ext. 7", ""},
		{"an extension after a comma", "+14155550100,7", ""},
		{"a URI", "tel:+14155550100", ""},
		{"a context", "5550100;phone-context=+1415", "US"},
		{"a plus within", "+1415+5550100", ""},
		{"a plus at the end", "4155550100+", "US"},
		{"two pluses", "++14155550100", ""},
		{"a star", "*67 415 555 0100", "US"},
		{"a line break within", "+1415\n5550100", ""},
		{"a NUL", "+1415\x005550100", ""},
		{"broken UTF-8", "+1415\xff5550100", ""},
		{"too short", "+1 415", ""},
		{"too long", "+1 415 555 0100 0000 0000", ""},
		{"an unknown country code", "+999 1234 5678", ""},
		{"a country code of zero", "+0 415 555 0100", ""},
		{"an area code that cannot be", "+1 015 555 0100", ""},
		{"a short number", "911", "US"},
		{"more bytes than 32", "+1" + strings.Repeat(" ", 30) + "4155550100", ""},
		{"more digits than 32", strings.Repeat("1", 10_000), "US"},
	} {
		n, err := Parse(c.typed, c.region)
		var refused *Error
		if !errors.As(err, &refused) || refused.Kind != Invalid || refused.Reason == "" || !n.IsZero() {
			t.Errorf("%s: Parse(%q, %q) = %s, %v", c.why, c.typed, c.region, n.E164(), err)
		}
		if err != nil && strings.Contains(err.Error(), "415") {
			t.Errorf("%s: the error repeats the number: %v", c.why, err)
		}
	}
}

func TestC48UndeliverableKindsAreRefused(t *testing.T) {
	for _, c := range []struct{ kind, number string }{
		{"premium", "+19002345678"}, {"premium", "+449012345678"}, {"premium", "+33891123456"},
		{"premium", "+499001234567"}, {"premium", "+81990123456"}, {"premium", "+34803123456"},
		{"shared cost", "+611300123456"}, {"shared cost", "+4918012345"},
		{"shared cost", "+39848123456"}, {"shared cost", "+48801234567"},
		{"pager", "+447640123456"}, {"pager", "+46740123456"}, {"pager", "+41740123456"},
		{"voicemail", "+41860123456789"}, {"voicemail", "+46254123456789"}, {"voicemail", "+351600110000"},
		{"UAN", "+445512345678"}, {"UAN", "+33806123456"}, {"UAN", "+81570123456"}, {"UAN", "+2347001234567"},
		{"toll-free", "+18005550199"}, {"toll-free", "+448001234567"}, {"toll-free", "+4620123456"},
		{"no country: freephone", "+80012345678"}, {"no country: satellite", "+870773111632"},
		{"no country: shared cost", "+80812345678"}, {"no country: networks", "+883510012345"},
		{"no country: premium", "+979123456789"},
	} {
		var refused *Error
		if _, err := Parse(c.number, ""); !errors.As(err, &refused) || refused.Kind != Undeliverable {
			t.Errorf("%s: Parse(%q): %v", c.kind, c.number, err)
		}
	}
}

func TestC48FixedLinesPass(t *testing.T) {
	for _, number := range []string{"+442079460958", "+493023125000", "+33199001234", "+390612345678", "+541123456789"} {
		if _, err := Parse(number, ""); err != nil {
			t.Errorf("Parse(%q): %v", number, err)
		}
	}
}

// Every plan's own examples of the kinds, so that a plan added to the library
// is judged as well.
func TestC48EveryRegion(t *testing.T) {
	refused := map[phonenumbers.PhoneNumberType]bool{
		phonenumbers.PREMIUM_RATE: true, phonenumbers.SHARED_COST: true, phonenumbers.PAGER: true,
		phonenumbers.VOICEMAIL: true, phonenumbers.UAN: true, phonenumbers.TOLL_FREE: true,
		phonenumbers.MOBILE: false, phonenumbers.FIXED_LINE: false,
	}
	for region := range phonenumbers.GetSupportedRegions() {
		for kind, refuse := range refused {
			example := phonenumbers.GetExampleNumberForType(region, kind)
			if example == nil || phonenumbers.GetNumberType(example) != kind {
				continue
			}
			if _, err := Parse(phonenumbers.Format(example, phonenumbers.E164), ""); (err != nil) != refuse {
				t.Errorf("%s, kind %d: %v", region, kind, err)
			}
		}
	}
}

func TestNormalizeAsksNoPlan(t *testing.T) {
	for typed, want := range map[string]string{
		"+15005550006": "+15005550006", "+1 (500) 555-0006": "+15005550006",
		"500 555 0006": "+15005550006", "+44 7700 900123": "+447700900123", "\u202a+1 900 234 5678": "+19002345678",
	} {
		if got, err := Normalize(typed, "US"); err != nil || got != want {
			t.Errorf("Normalize(%q) = %q, %v; want %q", typed, got, err, want)
		}
	}
	if _, err := Parse("+447700900123", ""); err == nil {
		t.Error("Parse takes a number that the plan knows as fiction only")
	}
	for _, typed := range []string{"", "+1x", "+15005550006x1", "+15", strings.Repeat("5", 40)} {
		if got, err := Normalize(typed, "US"); err == nil {
			t.Errorf("Normalize(%q) = %q", typed, got)
		}
	}
}

func TestValidRegion(t *testing.T) {
	for code, want := range map[string]bool{"US": true, "GB": true, "NG": true, "": false, "us": false, "ZZ": false, "001": false, "USA": false} {
		if ValidRegion(code) != want {
			t.Errorf("ValidRegion(%q) = %v", code, !want)
		}
	}
}

func TestDigitsOfEveryScript(t *testing.T) {
	for zero, name := range map[rune]string{
		'0': "ASCII", '٠': "Arabic", '۰': "Persian", '०': "Devanagari", '০': "Bengali",
		'๐': "Thai", '០': "Khmer", '၀': "Myanmar", '０': "full width", '\U0001d7ec': "mathematical",
	} {
		for value := range byte(10) {
			if got, ok := digitOf(zero + rune(value)); !ok || got != value {
				t.Errorf("%s %d: %d, %v", name, value, got, ok)
			}
		}
	}
	for _, r := range "a½²Ⅷ一" {
		if _, ok := digitOf(r); ok {
			t.Errorf("%q counts as a digit", r)
		}
	}
}

var shape = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func FuzzParse(f *testing.F) {
	for _, typed := range []string{
		"+14155550100", "(415) 555-0100", "\u202a+44 7700 900123\u202c", "+39 06 1234 5678", "011 15 2345 6789",
		"+٤٩ ٣٠ ٢٣١٢٥٠٠٠", "tel:+1;ext=9", "++1", "+80012345678", "0044 20 7946 0958", "+1 1 415 555 0100",
	} {
		f.Add(typed, "US")
		f.Add(typed, "AR")
	}
	f.Fuzz(func(t *testing.T, typed, region string) {
		n, err := Parse(typed, region)
		if err != nil {
			var refused *Error
			if !errors.As(err, &refused) || !n.IsZero() {
				t.Fatalf("Parse(%q, %q) = %s, %#v", typed, region, n.E164(), err)
			}
			return
		}
		if !shape.MatchString(n.E164()) {
			t.Fatalf("Parse(%q, %q) = %s", typed, region, n.E164())
		}
		again, err := Parse(n.E164(), "")
		if err != nil || again != n {
			t.Fatalf("Parse(%q, %q) = %s, and that again %s, %v", typed, region, n.E164(), again.E164(), err)
		}
	})
}
