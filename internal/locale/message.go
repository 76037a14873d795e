package locale

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Vars is all that enters a text.
type Vars struct {
	App     string // the service's name, as its operator set it
	Code    string
	Host    string // binds the code to this origin's host; "" leaves that line out
	AppHash string // in place of that line: the hash by which an Android app gets its message; "" for none
	Minutes int    // how long the code lives
}

// texts are one language's. The code's text names, in this order: app, code,
// purpose, "never share it", its life.
type texts struct {
	code             string
	signup           string
	login            string
	passwordReset    string
	phoneChange      string
	reauthentication string

	passwordWasReset   string
	phoneNumberChanged string
}

// Texts writes messages: by the operator's own templates, where there are any
// (ReadTemplates), else by the catalogue. The zero value has the catalogue alone.
type Texts struct {
	own     map[string]map[string]string // by language, then by kind
	matcher *matcher                     // nil: the catalogue's
}

// Match gives the language that comes nearest to what is preferred, as the
// function of that name does, the operator's own languages among them.
func (t Texts) Match(preferred ...string) string {
	if t.matcher == nil {
		return Match(preferred...)
	}
	return t.matcher.match(preferred)
}

// Code gives the text that carries a code, for a purpose of the core's:
// "signup", "login", "password_reset", "phone_change", and "reauthentication",
// whose words ("confirmation") fit any other too. Its last line, "@host #code",
// lets browsers fill the code in on that host only (WICG, origin-bound one-time
// codes); or it is the hash that Android's SMS Retriever asks for. An unknown lang is English.
func (t Texts) Code(lang, purpose string, v Vars) string {
	text := cmp.Or(t.own[lang][purpose], t.own[lang][anyCode])
	if text == "" {
		text = textsOf(lang).code
	}
	text = strings.NewReplacer(
		"{app}", v.App, "{code}", v.Code, "{purpose}", purposeOf(lang, purpose), "{minutes}", strconv.Itoa(max(1, v.Minutes)),
	).Replace(text)
	switch {
	case v.AppHash != "":
		text += "\n" + v.AppHash
	case v.Host != "":
		text += "\n@" + v.Host + " #" + v.Code
	}
	return text
}

// Notice gives the text that tells an owner of a change and how to object. The
// kinds are "password_reset" and "phone_number_changed", the latter for the old
// number; any other has no text. An unknown lang is English.
func (t Texts) Notice(lang, kind string, v Vars) string {
	text := t.own[lang][kind+noticeSuffix]
	if text == "" {
		switch kind {
		case "password_reset":
			text = textsOf(lang).passwordWasReset
		case "phone_number_changed":
			text = textsOf(lang).phoneNumberChanged
		}
	}
	return strings.ReplaceAll(text, "{app}", v.App)
}

// purposeOf is a purpose in words of the language.
func purposeOf(lang, purpose string) string {
	t := textsOf(lang)
	switch purpose {
	case "signup":
		return t.signup
	case "login":
		return t.login
	case "password_reset":
		return t.passwordReset
	case "phone_change":
		return t.phoneChange
	}
	return t.reauthentication
}

func textsOf(lang string) texts {
	t, ok := catalogue[lang]
	if !ok {
		return catalogue[fallback]
	}
	if lang == "el" {
		for _, text := range []*string{
			&t.code, &t.signup, &t.login, &t.passwordReset, &t.phoneChange, &t.reauthentication, &t.passwordWasReset, &t.phoneNumberChanged,
		} {
			*text = greekCapitals.Replace(*text)
		}
	}
	return t
}

// greekCapitals writes Greek capitals by the letters of GSM-7, which has only
// those that look like no Latin one (3GPP TS 23.038, 6.2.1).
var greekCapitals = strings.NewReplacer(
	"Α", "A", "Β", "B", "Ε", "E", "Ζ", "Z", "Η", "H", "Ι", "I", "Κ", "K", "Μ", "M", "Ν", "N", "Ο", "O", "Ρ", "P", "Τ", "T", "Υ", "Y", "Χ", "X",
)

// Languages lists the catalogue's, sorted.
func Languages() []string {
	names := make([]string, 0, len(catalogue))
	for name := range catalogue {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
