package phone

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// maxTyped is how long a typed number may be in bytes, the marks of pasting
// not counted and its digits written in ASCII: 15 digits with room for
// brackets and blanks, and little for the patterns of the library to chew on.
const maxTyped = 32

// Kind tells the two refusals apart.
type Kind int

const (
	// Invalid is what cannot be a number, or is none that can exist.
	Invalid Kind = iota
	// Undeliverable is a number that exists, of a kind that takes no messages
	// or makes its callers pay.
	Undeliverable
)

// Error says why a number was refused, in words that a person can read. It
// never repeats the number.
type Error struct {
	Kind   Kind
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// Parse reads a number as people type it: blanks, brackets, hyphens, dots and
// slashes between the digits, digits of any script, the marks that pasting
// brings. Without a plus it is read in defaultRegion (ISO 3166-1 alpha-2) and
// refused where that is "". Extensions, letters and URIs are refused. The
// error is an *Error.
//
// Parse(n.E164(), "") gives n again.
func Parse(input, defaultRegion string) (Number, error) {
	parsed, e164, err := read(input, defaultRegion)
	if err != nil {
		return Number{}, err
	}
	if !phonenumbers.IsValidNumber(parsed) {
		return Number{}, &Error{Kind: Invalid, Reason: "not a phone number that can exist"}
	}
	if err := deliverable(parsed); err != nil {
		return Number{}, err
	}
	return Number{e164: e164}, nil
}

// Normalize reads a number as Parse does and gives its E.164 form, but asks
// neither whether it can exist nor of what kind it is: an operator's test
// numbers may well be none of any plan. The error is an *Error.
func Normalize(input, defaultRegion string) (e164 string, err error) {
	_, e164, err = read(input, defaultRegion)
	return e164, err
}

// ValidRegion tells whether code is a region, in upper case as ISO 3166-1
// alpha-2 has it, whose numbers can be typed without their country code.
func ValidRegion(code string) bool {
	return len(code) == 2 && phonenumbers.GetCountryCodeForRegion(code) != 0
}

func read(input, defaultRegion string) (*phonenumbers.PhoneNumber, string, error) {
	plain, err := clean(input)
	if err != nil {
		return nil, "", err
	}
	if plain[0] == '+' {
		defaultRegion = ""
	} else if !ValidRegion(defaultRegion) {
		return nil, "", &Error{Kind: Invalid, Reason: "must begin with + and the country code"}
	}
	parsed, err := phonenumbers.Parse(plain, defaultRegion)
	if err != nil {
		return nil, "", &Error{Kind: Invalid, Reason: "not a phone number that can exist"}
	}
	e164 := phonenumbers.Format(parsed, phonenumbers.E164)
	if !shaped(e164) {
		return nil, "", &Error{Kind: Invalid, Reason: "has too few or too many digits"}
	}
	return parsed, e164, nil
}

// deliverable refuses the kinds that receive no messages or charge for calls
// (C-48), and the codes of no country (+800, +870, +979, …). A fixed line
// passes: many a mobile reads as one.
func deliverable(number *phonenumbers.PhoneNumber) error {
	if phonenumbers.GetRegionCodeForNumber(number) == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
		return &Error{Kind: Undeliverable, Reason: "belongs to no country"}
	}
	switch phonenumbers.GetNumberType(number) {
	case phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.PAGER,
		phonenumbers.VOICEMAIL, phonenumbers.UAN, phonenumbers.TOLL_FREE:
		return &Error{Kind: Undeliverable, Reason: "is of a kind that cannot receive messages"}
	}
	return nil
}

// clean leaves ASCII digits and perhaps a plus before them, so that the
// library never sees a letter, an extension or a URI.
func clean(input string) (string, error) {
	var plain strings.Builder
	var length int
	for _, r := range strings.TrimSpace(input) {
		if pasted(r) {
			continue
		}
		digit, isDigit := digitOf(r)
		switch {
		case isDigit:
			plain.WriteByte('0' + digit)
			length++
		case r == '+' || r == '＋':
			if plain.Len() > 0 {
				return "", &Error{Kind: Invalid, Reason: "has a + that is not at its beginning"}
			}
			plain.WriteByte('+')
			length++
		case separates(r):
			length += len(string(r))
		default:
			return "", &Error{Kind: Invalid, Reason: "may hold digits, one leading +, blanks, brackets and hyphens only"}
		}
		if length > maxTyped {
			return "", &Error{Kind: Invalid, Reason: "is too long"}
		}
	}
	if strings.TrimPrefix(plain.String(), "+") == "" {
		return "", &Error{Kind: Invalid, Reason: "has no digits"}
	}
	return plain.String(), nil
}

// pasted tells the marks that come along when a number is copied from a
// contact list or a page: direction marks, the no-break blank and hyphen.
func pasted(r rune) bool {
	switch {
	case r == '\u200e' || r == '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return true
	}
	return r == '\u00a0' || r == '\u2011'
}

func separates(r rune) bool {
	switch r {
	case '(', ')', '.', '/', '（', '）', '．', '／', '−':
		return true
	}
	return unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Pd, r)
}

// digitOf gives the value of a decimal digit of any script. Unicode assigns
// them in runs of ten that begin with zero, so a digit's place in its range
// tells its value.
func digitOf(r rune) (byte, bool) {
	if r >= '0' && r <= '9' {
		return byte(r - '0'), true
	}
	for _, run := range unicode.Nd.R16 {
		if r >= rune(run.Lo) && r <= rune(run.Hi) {
			return byte((r - rune(run.Lo)) % 10), true
		}
	}
	for _, run := range unicode.Nd.R32 {
		if r >= rune(run.Lo) && r <= rune(run.Hi) {
			return byte((r - rune(run.Lo)) % 10), true
		}
	}
	return 0, false
}
