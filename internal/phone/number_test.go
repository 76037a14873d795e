package phone

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func number(t *testing.T, e164 string) Number {
	t.Helper()
	n, err := FromE164(e164)
	if err != nil {
		t.Fatalf("FromE164(%q): %v", e164, err)
	}
	return n
}

func TestC100MasksKeepCountryCodeAndTwoDigits(t *testing.T) {
	for e164, want := range map[string]string{
		"+14155550100": "+1********00", "+447700900123": "+44********23", "+390612345678": "+39********78",
		"+2250123456789": "+225********89", "+15005550006": "+1********06", "+9991234567": "+********67",
	} {
		if got := number(t, e164).Masked(); got != want {
			t.Errorf("Masked of %s: %s, want %s", e164, got, want)
		}
	}
}

func TestNothingButE164ShowsANumber(t *testing.T) {
	n := number(t, "+14155550100")
	type row struct{ Phone Number }
	encoded, err := json.Marshal(row{n})
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "n", n, "p", &n)
	shown := []string{string(encoded), logged.String(), n.String(), n.GoString(), fmt.Sprintf("%x", n), fmt.Sprintf("%X", row{n})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, n), fmt.Sprintf(verb, &n), fmt.Sprintf(verb, row{n}), fmt.Sprintf(verb, []Number{n}))
	}
	for _, s := range shown {
		if strings.Contains(s, "415555") || strings.Contains(s, "343135") {
			t.Errorf("shows the number: %s", s)
		}
	}
}

func TestNumberParts(t *testing.T) {
	n := number(t, "+447700900123")
	if n.CountryCode() != "44" || n.Region() != "GB" || n.Prefix() != "+44770090" || n.IsZero() {
		t.Errorf("parts: %q %q %q", n.CountryCode(), n.Region(), n.Prefix())
	}
	if got := number(t, "+15005550006"); got.Region() != "US" || got.CountryCode() != "1" {
		t.Errorf("a test number: %q, %q", got.Region(), got.CountryCode())
	}
	if got := number(t, "+9991234567"); got.Region() != "" || got.CountryCode() != "" {
		t.Errorf("a number of no country: %q, %q", got.Region(), got.CountryCode())
	}
	var none Number
	if !none.IsZero() || none.E164() != "" || none.Masked() != "" || none.Prefix() != "" || none.Region() != "" || none.CountryCode() != "" {
		t.Error("the zero Number has parts")
	}
}

func TestFromE164JudgesShapeOnly(t *testing.T) {
	for _, s := range []string{"", "+", "+123456", "+1234567890123456", "+0123456789", "14155550100", "+1415555010a", "+1 415 555 0100", "+١٤١٥٥٥٥٠١٠٠"} {
		if n, err := FromE164(s); err == nil || !n.IsZero() {
			t.Errorf("FromE164(%q) = %s, %v", s, n.E164(), err)
		}
	}
	for _, s := range []string{"+1234567", "+123456789012345", "+15005550006", "+80012345678"} {
		number(t, s)
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("+1 415-555-0100", ""); err != nil {
			b.Fatal(err)
		}
	}
}
