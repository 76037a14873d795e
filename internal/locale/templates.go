package locale

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"golang.org/x/text/language"
)

// The kinds of templates beside the purposes.
const (
	anyCode      = "code"    // of all purposes that have no template of their own
	noticeSuffix = "_notice" // behind the kind of a notice
)

// longestTemplate is how many segments a template of an operator's may take.
const longestTemplate = 2

// ReadTemplates reads an operator's own templates: a YAML mapping of languages
// (BCP 47) to kinds to texts. The kinds are the purposes, "code" for all purposes
// that are not named, "password_reset_notice" and "phone_number_changed_notice".
// What a language lacks is the catalogue's; of a language that the catalogue lacks
// too, English.
//
// Each text is filled in with v and checked: places to fill, letters, links, and
// segments, two at most with the last line. The error names all that is wrong.
func ReadTemplates(text []byte, v Vars) (Texts, error) {
	var own map[string]map[string]string
	if err := yaml.UnmarshalWithOptions(text, &own, yaml.Strict()); err != nil {
		return Texts{}, fmt.Errorf("must be a YAML mapping of languages to kinds to texts, such as en: {login: \"{app}: {code} is your sign-in code.\"}")
	}
	var wrong []error
	texts := Texts{own: map[string]map[string]string{}}
	for _, lang := range slices.Sorted(maps.Keys(own)) {
		if !Valid(lang) {
			wrong = append(wrong, fmt.Errorf("%q is no language (BCP 47), such as en or pt-BR", lang))
			continue
		}
		texts.own[lang] = own[lang]
		for _, kind := range slices.Sorted(maps.Keys(own[lang])) {
			if err := check(kind, own[lang][kind]); err != nil {
				wrong = append(wrong, fmt.Errorf("%s, %s: %w", lang, kind, err))
			} else if err := texts.checkLength(lang, kind, v); err != nil {
				wrong = append(wrong, fmt.Errorf("%s, %s: %w", lang, kind, err))
			}
		}
	}
	if len(wrong) > 0 {
		return Texts{}, errors.Join(wrong...)
	}
	texts.matcher = matcherOf(slices.Sorted(maps.Keys(texts.own)))
	return texts, nil
}

// codeKinds and noticeKinds are what a template may be for.
func codeKinds() []string {
	return []string{anyCode, "signup", "login", "password_reset", "phone_change", "reauthentication"}
}

func noticeKinds() []string {
	return []string{"password_reset" + noticeSuffix, "phone_number_changed" + noticeSuffix}
}

var (
	place = regexp.MustCompile(`\{[^{}]*\}|[{}]`)
	// link is what phones make one of: a scheme, or a name with a domain behind it.
	link = regexp.MustCompile(`(?i)://|\bwww\.|[\pL\pN-]+\.[\pL]{2,}`)
)

// check looks at one template by itself.
func check(kind, text string) error {
	places := []string{"{app}"}
	switch {
	case slices.Contains(codeKinds(), kind):
		places = append(places, "{code}", "{purpose}", "{minutes}")
	case !slices.Contains(noticeKinds(), kind):
		return fmt.Errorf("there is no such kind; there are %s", strings.Join(append(codeKinds(), noticeKinds()...), ", "))
	}
	for _, found := range place.FindAllString(text, -1) {
		if !slices.Contains(places, found) {
			return fmt.Errorf("%s is no place to fill here; there are %s", found, strings.Join(places, ", "))
		}
	}
	bare := place.ReplaceAllString(text, "x")
	switch {
	case len(places) > 1 && strings.Count(text, "{code}") != 1:
		return errors.New("must have {code}, once")
	case !strings.Contains(text, "{app}"):
		return errors.New("must have {app}: people have to see who sent it")
	case kind == anyCode && !strings.Contains(text, "{purpose}"):
		return errors.New("must have {purpose}: people have to see what the code is for")
	case link.MatchString(bare):
		return errors.New("must have no link, and nothing that a phone makes one of: put a blank behind each full stop")
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("must be one line of printable characters")
	case strings.ContainsAny(bare, "@#"):
		return errors.New("must have no @ and no #: these mark the last line, which is added to it")
	}
	return nil
}

// checkLength fills a template in, as long as it gets.
func (t Texts) checkLength(lang, kind string, v Vars) error {
	purposes := []string{kind}
	if kind == anyCode {
		purposes = codeKinds()[1:]
	}
	for _, purpose := range purposes {
		text := t.Code(lang, purpose, v)
		if notice, ok := strings.CutSuffix(kind, noticeSuffix); ok {
			text = t.Notice(lang, notice, v)
		}
		if n, encoding := Segments(text); n > longestTemplate {
			return fmt.Errorf("takes %d segments of %s with app and last line, %d at most; shorten it, or keep to the letters of GSM-7", n, encoding, longestTemplate)
		}
	}
	return nil
}

// matcherOf matches the catalogue's languages and more.
func matcherOf(more []string) *matcher {
	names := Languages()
	for _, name := range more {
		if _, ok := catalogue[name]; !ok {
			names = append(names, name)
		}
	}
	tags := make([]language.Tag, len(names))
	for i, name := range names {
		tags[i] = language.MustParse(name)
	}
	return &matcher{matcher: language.NewMatcher(tags), names: names}
}
