package phone

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Lengths of an E.164 number in digits: at most 15 (ITU-T E.164, 6.1); the
// shortest in use that can hold a subscriber has seven with its country code.
const (
	minDigits = 7
	maxDigits = 15
)

// Number is a phone number in E.164. Only E164 shows it whole: printed, logged
// or encoded in any other way it is masked. The zero Number is no number.
// Numbers compare with ==.
type Number struct {
	e164 string
}

// FromE164 takes a number as it was stored, or as an operator configured it.
// Only its shape is judged: what was accepted once stays readable when the
// numbering plans move on. The error never repeats the number.
func FromE164(e164 string) (Number, error) {
	if !shaped(e164) {
		return Number{}, &Error{Kind: Invalid, Reason: "not an E.164 number"}
	}
	return Number{e164: e164}, nil
}

// E164 gives the whole number, "+14155550100", or "" of the zero Number.
func (n Number) E164() string { return n.e164 }

// IsZero tells whether this is no number at all.
func (n Number) IsZero() bool { return n.e164 == "" }

// CountryCode gives the country calling code in digits, without the plus; ""
// where no country has it.
func (n Number) CountryCode() string {
	for length := 1; length <= 3 && length < len(n.e164); length++ {
		code, err := strconv.Atoi(n.e164[1 : 1+length])
		if err == nil && phonenumbers.GetRegionCodeForCountryCode(code) != phonenumbers.UNKNOWN_REGION {
			return n.e164[1 : 1+length]
		}
	}
	return ""
}

// Region gives the number's region as ISO 3166-1 alpha-2. Of a number that no
// plan knows it is the main region of its country code, or "".
func (n Number) Region() string {
	if parsed, err := phonenumbers.Parse(n.e164, ""); err == nil {
		if region := phonenumbers.GetRegionCodeForNumber(parsed); region != "" {
			return region
		}
	}
	code, err := strconv.Atoi(n.CountryCode())
	if err != nil {
		return ""
	}
	return phonenumbers.GetRegionCodeForCountryCode(code)
}

// Masked shows the country code and the last two digits; every digit between
// is a star.
func (n Number) Masked() string {
	if n.IsZero() {
		return ""
	}
	shown := 1 + len(n.CountryCode())
	return n.e164[:shown] + strings.Repeat("*", len(n.e164)-shown-2) + n.e164[len(n.e164)-2:]
}

// Prefix gives the number without its last four digits: what numbers of one
// range have in common.
func (n Number) Prefix() string {
	if n.IsZero() {
		return ""
	}
	return n.e164[:len(n.e164)-4]
}

// String masks the number.
func (n Number) String() string { return n.Masked() }

// GoString masks the number under %#v.
func (n Number) GoString() string { return n.Masked() }

// Format masks the number under every verb, %x and %q included.
func (n Number) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(n.Masked())) }

// MarshalText masks the number in encoders. An answer that owes somebody the
// whole number asks for E164.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.Masked()), nil }

// LogValue masks the number in logs.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.Masked()) }

// shaped tells whether s is a plus, a digit from 1 to 9, and 6 to 14 more.
func shaped(s string) bool {
	if len(s) < 1+minDigits || len(s) > 1+maxDigits || s[0] != '+' || s[1] == '0' {
		return false
	}
	for _, c := range []byte(s[1:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
