package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// genericAnswers says what a described provider's answers mean.
type genericAnswers struct {
	statuses                  []int // of success; nil: all from 200 to 299
	success                   lookup
	values                    []string // that success has; nil: any
	ref, segments, cost, code lookup
	currency                  string
	table                     map[string]verdict
}

func genericAnswerSettings() []Setting {
	return []Setting{
		{Name: "success_status", Doc: "HTTP statuses that tell of a message taken: 200,201. By default any 2xx"},
		{Name: "success_at", Doc: "where an answer says so: json:messages[0].status, or re: and a regular expression (RE2) with one group. By default the status says it all"},
		{Name: "success_values", Doc: "what has to stand there, separated by commas. By default anything"},
		{Name: "ref_at", Doc: "where the provider's name for the message stands, as success_at"},
		{Name: "segments_at", Doc: "where the number of segments stands"},
		{Name: "cost_at", Doc: "where the price stands"},
		{Name: "cost_currency", Doc: "its currency, such as USD"},
		{Name: "code_at", Doc: "where the code of an error stands. By default as success_at; where there is none, the HTTP status is the code"},
		{Name: "retry_codes", Doc: "codes after which the same provider may take the message later, separated by commas"},
		{Name: "failover_codes", Doc: "codes after which another provider may take it"},
		{Name: "alarm_codes", Doc: "as failover_codes, and an operator must act: credentials, credit"},
		{Name: "final_codes", Doc: "codes after which no provider can: no such number"},
	}
}

func (a *genericAnswers) read(o Options) (err error) {
	if a.statuses, err = o.statuses("success_status"); err != nil {
		return err
	}
	for name, l := range map[string]*lookup{
		"success_at": &a.success, "ref_at": &a.ref, "segments_at": &a.segments, "cost_at": &a.cost, "code_at": &a.code,
	} {
		if *l, err = o.lookup(name); err != nil {
			return err
		}
	}
	if !a.code.is() {
		a.code = a.success
	}
	if a.values = o.list("success_values"); a.values != nil && !a.success.is() {
		return &SettingError{"success_values", "needs success_at, which says where they stand"}
	}
	a.currency = o.Value("cost_currency")
	if a.cost.is() && priceOf("1", a.currency) == nil {
		return &SettingError{"cost_currency", "has to be the currency of cost_at, in three capital letters"}
	}
	a.table = map[string]verdict{}
	for name, v := range map[string]verdict{
		"retry_codes": retryLater, "failover_codes": useAnother, "alarm_codes": mustAct, "final_codes": noWay,
	} {
		for _, code := range o.list(name) {
			if _, twice := a.table[code]; twice {
				return &SettingError{name, "has a code that stands in another list, or twice"}
			}
			a.table[code] = v
		}
	}
	return nil
}

func (g *generic) Name() string     { return g.options.Name }
func (g *generic) Kind() string     { return "http" }
func (g *generic) Channel() Channel { return g.options.Channel }

func (g *generic) Close() error {
	g.client.CloseIdleConnections()
	return nil
}

// Send makes the request that the settings describe.
func (g *generic) Send(ctx context.Context, m Message) (Sent, error) {
	parts := slices.Concat(g.url.names(), g.body.names())
	if m.Code == "" && !slices.Contains(parts, "text") {
		return Sent{}, &SendError{Class: Failover, Code: "no_text", Cause: errors.New("the request has a place for codes alone, and this message has none")}
	}
	values := g.values(m)
	if slices.Contains(parts, "from") && values["from"] == "" {
		return Sent{}, noSender()
	}
	got, err := callOut(ctx, g.client, g.method, g.url.fill(values), g.headers(values), []byte(g.body.fill(values)))
	if err != nil {
		return Sent{}, err
	}
	return g.answers.judge(got)
}

// values are the parts of a message.
func (g *generic) values(m Message) map[string]string {
	dlt, text := g.options.DLTOf(m), m.Body.Reveal()
	encoding := g.encodings[0]
	if !gsm7(text) {
		encoding = g.encodings[1]
	}
	values := map[string]string{
		"text": text, "code": m.Code.Reveal(), "to": m.To.E164(), "to_digits": strings.TrimPrefix(m.To.E164(), "+"),
		"from": g.options.Sender(m.Country), "id": m.ID, "channel": string(m.Channel), "country": m.Country,
		"locale": m.Locale, "purpose": m.Purpose, "encoding": encoding,
		"validity_seconds": strconv.Itoa(remaining(m, g.options.Now(), time.Second, 1, 86_400)),
		"dlt_entity":       dlt.Entity, "dlt_template": dlt.Template,
		"user": g.options.Value("user"), "password": g.options.Value("password"), "key": g.options.Value("key"),
	}
	if g.receipts != nil {
		values["callback_url"] = g.options.callbackURL(m.ID)
	}
	return values
}

func (g *generic) headers(values map[string]string) http.Header {
	header := http.Header{}
	if g.kind != "" {
		header.Set("Content-Type", g.kind)
	}
	for name, t := range g.header {
		header.Set(name, t.fill(values))
	}
	return header
}

// judge tells what an answer means. A success that says nothing where something
// should stand may be one or not.
func (a *genericAnswers) judge(got answer) (Sent, error) {
	code, coded := a.code.find(got.body)
	if got.success() {
		word, told := a.success.find(got.body)
		fine := a.statuses == nil || slices.Contains(a.statuses, got.status)
		if fine && (!a.success.is() || told && (a.values == nil || slices.Contains(a.values, word))) {
			return a.taken(got.body), nil
		}
		if fine && told && !coded {
			code, coded = word, true
		}
		if !coded {
			return Sent{}, garbled()
		}
	}
	if !coded {
		code = strconv.Itoa(got.status)
	}
	e := got.refused(a.table, code)
	if _, known := a.table[code]; got.success() && !known {
		e.Class = Failover // an unknown code: another provider may take it
	}
	return Sent{}, e
}

func (a *genericAnswers) taken(body []byte) Sent {
	var sent Sent
	if ref, ok := a.ref.find(body); ok {
		sent.ProviderRef = ourID(ref)
	}
	if text, ok := a.segments.find(body); ok {
		if n, err := strconv.Atoi(text); err == nil && n > 0 && n < 256 {
			sent.Segments = n
		}
	}
	if text, ok := a.cost.find(body); ok {
		sent.Cost = priceOf(text, a.currency)
	}
	return sent
}

// Check asks check_url with the credentials; without one it looks whether somebody
// answers there at all.
func (g *generic) Check(ctx context.Context) []Finding {
	values := map[string]string{"user": g.options.Value("user"), "password": g.options.Value("password"), "key": g.options.Value("key")}
	var findings []Finding
	if g.checkURL != "" {
		got, err := callOut(ctx, g.client, http.MethodGet, g.checkURL, g.headers(values), nil)
		findings = probed(got, err)
		if err == nil && !got.success() {
			findings = []Finding{{What: "reachability", OK: true}, {What: "credentials", Problem: fmt.Sprintf("check_url answers with status %d", got.status)}}
		}
	} else {
		findings = answers(ctx, g.client, g.url.fill(values))
	}
	if g.receipts != nil {
		problem := callbackProblem(g.options.ReceiptURL)
		findings = append(findings, Finding{What: "callback URL", OK: problem == "", Problem: problem})
	}
	return findings
}

// answers asks the root of an address's host, without credentials, whether somebody
// answers: with whatever status.
func answers(ctx context.Context, client *http.Client, address string) []Finding {
	end := strings.Index(address, "://") + 3
	if n := strings.IndexAny(address[end:], "/?"); n >= 0 {
		address = address[:end+n]
	}
	if got, err := callOut(ctx, client, http.MethodHead, address+"/", http.Header{}, nil); err != nil {
		return probed(got, err)
	}
	return []Finding{{What: "reachability", OK: true}}
}
