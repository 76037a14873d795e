package locale

import (
	"strconv"
	"strings"
)

// Vars is all that enters a text.
type Vars struct {
	App     string // the service's name, as its operator set it
	Code    string
	Host    string // binds the code to this origin's host; "" leaves that line out
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

// CodeMessage gives the text that carries a code, for a purpose of the core's:
// "signup", "login", "password_reset", "phone_change", and "reauthentication",
// whose words ("confirmation") fit any other too. Its last line, "@host #code",
// lets browsers fill the code in on that host only (WICG, origin-bound one-time
// codes). An unknown lang is English.
func CodeMessage(lang, purpose string, v Vars) string {
	t := textsOf(lang)
	what := t.reauthentication
	switch purpose {
	case "signup":
		what = t.signup
	case "login":
		what = t.login
	case "password_reset":
		what = t.passwordReset
	case "phone_change":
		what = t.phoneChange
	}
	text := strings.NewReplacer(
		"{app}", v.App, "{code}", v.Code, "{purpose}", what, "{minutes}", strconv.Itoa(max(1, v.Minutes)),
	).Replace(t.code)
	if v.Host != "" {
		text += "\n@" + v.Host + " #" + v.Code
	}
	return text
}

// Notice gives the text that tells an owner of a change and how to object. The
// kinds are "password_reset" and "phone_number_changed", the latter for the old
// number; any other has no text. An unknown lang is English.
func Notice(lang, kind string, v Vars) string {
	t := textsOf(lang)
	var text string
	switch kind {
	case "password_reset":
		text = t.passwordWasReset
	case "phone_number_changed":
		text = t.phoneNumberChanged
	}
	return strings.ReplaceAll(text, "{app}", v.App)
}

func textsOf(lang string) texts {
	if t, ok := catalogue[lang]; ok {
		return t
	}
	return catalogue[fallback]
}
