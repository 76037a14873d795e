package core

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/locale"
)

// The longest members that are kept (C-71).
const (
	maxEmailBytes  = 254 // RFC 5321 4.5.3.1.3, less the angle brackets
	maxNameRunes   = 200
	maxDeviceRunes = 128
	maxLocaleBytes = 35 // BCP 47 asks for this at least (RFC 5646 4.4.1)
)

func checkBegin(in BeginIn) error {
	var fields []Field
	fields = append(fields, checkLocale(in.Locale)...)
	fields = append(fields, checkDevice(in.Device)...)
	return refusal(fields)
}

func checkDevice(d DeviceIn) []Field {
	var fields []Field
	for _, m := range []struct{ name, value string }{
		{"device.id", d.ID}, {"device.name", d.Name}, {"device.platform", d.Platform},
	} {
		fields = append(fields, checkText(m.name, m.value, maxDeviceRunes)...)
	}
	return fields
}

func checkProfile(name, email, tag string) []Field {
	fields := checkText("name", name, maxNameRunes)
	fields = append(fields, checkEmail(email)...)
	return append(fields, checkLocale(tag)...)
}

func checkText(name, value string, most int) []Field {
	if utf8.RuneCountInString(value) > most {
		return []Field{{name, "is too long"}}
	}
	if strings.ContainsFunc(value, unprintable) {
		return []Field{{name, "has control or text direction characters"}}
	}
	return nil
}

func checkEmail(email string) []Field {
	if email == "" {
		return nil
	}
	if len(email) > maxEmailBytes {
		return []Field{{"email", "is too long"}}
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || strings.ContainsFunc(email, unprintable) || strings.ContainsFunc(email, unicode.IsSpace) {
		return []Field{{"email", "is not an e-mail address"}}
	}
	return nil
}

func checkLocale(tag string) []Field {
	if tag == "" {
		return nil
	}
	if len(tag) > maxLocaleBytes || !locale.Valid(tag) {
		return []Field{{"locale", "is not a language tag (BCP 47)"}}
	}
	return nil
}

// readCode gives a typed code's digits: blanks and hyphens around or between
// them are dropped, nothing else is (C-70).
func readCode(typed keyring.Secret, length int) (keyring.Secret, error) {
	digits := make([]byte, 0, length)
	for _, r := range typed.Reveal() {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r))
		case r == ' ' || r == '-':
		default:
			return "", invalid("code", "has to be digits")
		}
		if len(digits) > length {
			break
		}
	}
	if len(digits) != length {
		return "", invalid("code", "has the wrong number of digits")
	}
	return keyring.Secret(digits), nil
}

// unprintable says what no name may hold: control, format and direction
// characters, separators of lines and paragraphs.
func unprintable(r rune) bool {
	if r == '\u200d' || r == '\u200c' { // joiners: names and emoji need them
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}

func refusal(fields []Field) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalidRequest, Fields: fields}
}
