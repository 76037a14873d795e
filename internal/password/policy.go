package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/countersign/countersign/internal/keyring"
)

// Bounds on a password's length. Eight is the least that NIST SP 800-63B-4
// (3.1.1.2) and OWASP ASVS (6.2.1) take; no less than 64 must be allowed
// (ASVS 6.2.9), and 1024 bytes hold 256 code points of any script.
const (
	leastMinLength = 8
	mostMinLength  = 64
	maxBytes       = 1024
)

// minWord is how many code points of the service's name or a person's own data
// a password must contain for it to count. Shorter ones occur by chance.
const minWord = 4

// minDigits is how many digits of the own number in a row count.
const minDigits = 6

// Own is what the person who chooses the password tells of himself, or "".
type Own struct {
	Phone string // E.164
	Name  string
	Email string
}

// Policy judges new passwords. It is safe for concurrent use.
type Policy struct {
	minLength int
	service   []string
	common    commonList
}

// NewPolicy makes a policy: minLength in code points, held between 8 and 64;
// the service's name, which passwords must not contain; and more refused
// passwords beside the embedded ones.
func NewPolicy(minLength int, serviceName string, more []string) *Policy {
	return &Policy{
		minLength: min(max(minLength, leastMinLength), mostMinLength),
		service:   words(serviceName),
		common:    newCommonList(more),
	}
}

// Check tells what is wrong with a new password, in words that a person can
// read and that begin the same in every release: "too short", "too long",
// "common or breached", "contains the service's name", "contains your own
// data". None means that it is fine. There are no rules of composition, and
// nothing is trimmed or cut (NIST SP 800-63B-4, 3.1.1.2).
func (p *Policy) Check(pw keyring.Secret, own Own) []string {
	if len(pw) > maxBytes {
		return []string{fmt.Sprintf("too long: at most %d bytes", maxBytes)}
	}
	var wrong []string
	if utf8.RuneCountInString(normalize(pw)) < p.minLength {
		wrong = append(wrong, fmt.Sprintf("too short: at least %d characters", p.minLength))
	}
	folded := fold(pw.Reveal())
	if p.common.has(folded) || repeats(folded) {
		wrong = append(wrong, "common or breached: others use it and guessers try it first")
	}
	if containsAny(folded, p.service) {
		wrong = append(wrong, "contains the service's name")
	}
	if containsAny(folded, own.words()) || containsDigitsOf(own.Phone, folded) {
		wrong = append(wrong, "contains your own data: phone number, name or email")
	}
	return wrong
}

// normalize gives the form in which a password is judged and hashed, so that
// keyboards which compose letters differently type the same password.
func normalize(pw keyring.Secret) string { return norm.NFKC.String(pw.Reveal()) }

// fold gives the form in which words are compared: NFKC, case folded.
func fold(s string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
}

// words gives the whole of a name in the forms in which it may stand in a
// password: as written, and without what is neither letter nor digit.
func words(name string) []string {
	folded := fold(name)
	return longEnough(folded, squeeze(folded))
}

func (o Own) words() []string {
	local, _, _ := strings.Cut(o.Email, "@")
	var all []string
	for _, s := range []string{o.Name, local, o.Email} {
		all = append(all, words(s)...)
	}
	for _, s := range []string{o.Name, local} {
		all = append(all, longEnough(strings.FieldsFunc(fold(s), isBetween)...)...)
	}
	return all
}

func longEnough(candidates ...string) []string {
	var kept []string
	for _, c := range candidates {
		if utf8.RuneCountInString(c) >= minWord {
			kept = append(kept, c)
		}
	}
	return kept
}

func containsAny(folded string, words []string) bool {
	squeezed := squeeze(folded)
	for _, w := range words {
		if strings.Contains(folded, w) || strings.Contains(squeezed, w) {
			return true
		}
	}
	return false
}

// containsDigitsOf looks for six digits in a row of the number among the
// password's digits, whatever stands between them.
func containsDigitsOf(phone, folded string) bool {
	digits := keep(folded, isDigit)
	own := keep(phone, isDigit)
	for i := 0; i+minDigits <= len(own); i++ {
		if strings.Contains(digits, own[i:i+minDigits]) {
			return true
		}
	}
	return false
}

// repeats tells a password of one character only.
func repeats(folded string) bool {
	first, size := utf8.DecodeRuneInString(folded)
	return len(folded) > size && strings.Trim(folded, string(first)) == ""
}

func squeeze(s string) string { return keep(s, func(r rune) bool { return !isBetween(r) }) }

func keep(s string, wanted func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if wanted(r) {
			return r
		}
		return -1
	}, s)
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// isBetween tells what separates words. A mark belongs to its letter.
func isBetween(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
}
