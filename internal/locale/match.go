package locale

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// fallback is the language of those whose own the catalogue lacks.
const fallback = "en"

// What is looked at of a tag and of an Accept-Language header, in bytes. RFC
// 5646 (4.4.1) has every implementation take 35 for a tag.
const (
	maxTag    = 35
	maxHeader = 512
)

// Match gives the catalogue's language that comes nearest to what is
// preferred, "en" at last. Each argument is a BCP 47 tag or the value of an
// Accept-Language header (RFC 9110, 12.5.4); earlier ones come first, and what
// cannot be read is passed over.
func Match(preferred ...string) string { return catalogueMatcher().match(preferred) }

// Valid tells whether tag is a BCP 47 language tag of registered parts.
func Valid(tag string) bool {
	if tag == "" || len(tag) > maxTag || strings.Contains(tag, "_") {
		return false
	}
	_, err := language.Parse(tag)
	return err == nil
}

type matcher struct {
	matcher language.Matcher
	names   []string
}

func (m *matcher) match(preferred []string) string {
	var tags []language.Tag
	for _, p := range preferred {
		if len(p) > maxHeader {
			continue
		}
		if parsed, _, err := language.ParseAcceptLanguage(p); err == nil {
			tags = append(tags, parsed...)
		}
	}
	if _, index, confidence := m.matcher.Match(tags...); confidence > language.No {
		return m.names[index]
	}
	return fallback
}

// catalogueMatcher is made once, when first needed: a server that starts does
// not wait for it.
var catalogueMatcher = sync.OnceValue(func() *matcher { return matcherOf(nil) })
