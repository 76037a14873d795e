package pages

import (
	"html"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/phone"
)

// page answers the inbox as a page. Its list is also what the front page shows:
// inbox.js reads it again every second and moves the new entries over, so that
// everything typed by a stranger is escaped in one place, here.
func (i inbox) page(w http.ResponseWriter, r *http.Request, typed string, to phone.Number, refused error) {
	var entries []entry
	if refused == nil {
		var err error
		if entries, err = i.entries(r, to); err != nil {
			dialect.Fail(w, r, err)
			return
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if refused != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
	}
	// An answer that breaks off has nobody left to be told.
	_, _ = io.WriteString(w, inboxPage(typed, refused, entries))
}

// entry is one item of the list, ready to be escaped.
type entry struct {
	at        time.Time
	id        string
	purpose   string
	challenge string
	to        string
	body      string
	withheld  bool
}

// entries are the messages to a number and, where one is asked for, what was
// not sent to it: newest first.
func (i inbox) entries(r *http.Request, to phone.Number) ([]entry, error) {
	var list []entry
	for _, m := range i.Inbox.List(to, shown) {
		list = append(list, sentEntry(m))
	}
	if to.IsZero() {
		return list, nil
	}
	withheld, err := i.Withheld(r.Context(), to.E164())
	if err != nil {
		return nil, err
	}
	for _, m := range withheld {
		list = append(list, withheldEntry(to, m))
	}
	slices.SortStableFunc(list, func(a, b entry) int { return b.at.Compare(a.at) })
	return list, nil
}

func sentEntry(m gateway.Message) entry {
	return entry{
		at: m.CreatedAt.UTC(), id: m.ID, purpose: m.Purpose, challenge: m.ChallengeID,
		to: m.To.E164(), body: m.Body.Reveal(),
	}
}

func withheldEntry(to phone.Number, m core.Message) entry {
	return entry{
		at: m.CreatedAt.UTC(), id: m.ID, purpose: m.Purpose, challenge: m.ChallengeID,
		to: to.E164(), withheld: true,
	}
}

func inboxPage(typed string, refused error, entries []entry) string {
	var b strings.Builder
	b.WriteString(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Inbox · Countersign</title>
<link rel="icon" href="/assets/icon.svg">
<link rel="stylesheet" href="/assets/style.css">
<script type="module" src="/assets/inbox.js"></script>
<noscript><meta http-equiv="refresh" content="5"></noscript>
</head>
<body class="narrow">
<header class="top"><a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="28" height="28"> Countersign</a>
<nav aria-label="Pages"><a href="/">Try it</a> <a href="/dev/inbox" aria-current="page">Inbox</a> <a href="/docs">API docs</a></nav></header>
<main>
<h1>Development inbox</h1>
<p class="lead">No SMS provider is configured, so every message ends here. Newest first; the list keeps itself fresh.</p>
`)
	writeFilter(&b, typed, refused)
	if refused == nil {
		writeList(&b, entries)
	}
	b.WriteString("</main>\n</body>\n</html>\n")
	return b.String()
}

func writeFilter(b *strings.Builder, typed string, refused error) {
	b.WriteString(`<form class="filter" method="get" action="/dev/inbox" role="search">
<label for="to">Only messages to</label>
<input id="to" name="to" type="tel" inputmode="tel" autocomplete="off" placeholder="+1 415 555 0100"`)
	if refused != nil {
		b.WriteString(` aria-invalid="true" aria-describedby="refused"`)
	}
	b.WriteString(` value="` + html.EscapeString(typed) + `">
<button>Show</button>
`)
	if typed != "" {
		b.WriteString(`<a href="/dev/inbox">Show all</a>` + "\n")
	}
	if refused != nil {
		b.WriteString(`<p id="refused" class="problem" role="alert">Not a number to ask for: ` + html.EscapeString(refused.Error()) + "</p>\n")
	}
	b.WriteString("</form>\n")
}

func writeList(b *strings.Builder, entries []entry) {
	b.WriteString(`<ol id="messages" class="messages" aria-live="polite" aria-label="Messages" data-watch>`)
	for _, e := range entries {
		writeEntry(b, e)
	}
	if len(entries) == 0 {
		b.WriteString(`<li id="m-none" class="none">No message yet.</li>`)
	}
	b.WriteString("</ol>\n")
}

func writeEntry(b *strings.Builder, e entry) {
	purpose := html.EscapeString(strings.ReplaceAll(e.purpose, "_", " "))
	b.WriteString(`<li id="m-` + html.EscapeString(e.id) + `" data-challenge="` + html.EscapeString(e.challenge) + `"`)
	if e.withheld {
		b.WriteString(` class="withheld"`)
	}
	b.WriteString(`><p class="meta"><b>` + html.EscapeString(e.to) + `</b> <span class="purpose">` + purpose +
		`</span> <time datetime="` + e.at.Format(timestamp) + `">` + e.at.Format("15:04:05") + ` UTC</time></p>`)
	if e.withheld {
		b.WriteString(`<p class="body">A code was asked for, but nothing was sent: no account has this number. ` +
			`Whoever asked cannot tell: the answer was the same.</p></li>`)
		return
	}
	if code := codeIn(e.body); code != "" {
		b.WriteString(`<button type="button" class="code" data-code="` + code + `" title="Take this code">` + code + `</button>`)
	}
	b.WriteString(`<p class="body">` + html.EscapeString(e.body) + `</p></li>`)
}

// codeIn finds the code in a message: its last run of six to eight digits,
// which is where phones look for it too ("@host #code" ends the text).
func codeIn(body string) string {
	runs := strings.FieldsFunc(body, func(r rune) bool { return r < '0' || r > '9' })
	for _, run := range slices.Backward(runs) {
		if len(run) >= 6 && len(run) <= 8 {
			return run
		}
	}
	return ""
}
