package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/dialect/receipts"
	"github.com/countersign/countersign/internal/gateway"
)

const (
	// doctorPatience is how long one provider may take to be looked at.
	doctorPatience = 30 * time.Second

	// longestReply is how much is read of what answers where receipts come in.
	longestReply = 4 << 10
)

// DoctorOptions say what to look at.
type DoctorOptions struct {
	JSON     bool
	To       string // a number to send one real message to; "" for none
	Provider string // by whom it goes; "" is the first one that serves its country
	Yes      bool   // send without asking

	// Confirm asks whoever is there whether to go on; nil where nobody is.
	Confirm func(question string) (bool, error)
	HTTP    *http.Client // nil is one of our own
}

// finding is a thing that was looked at.
type finding struct {
	About   string `json:"about"` // "settings", or an entry of sms_providers
	What    string `json:"what"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	Note    string `json:"note,omitempty"` // what there is to know of what is fine
}

// errIll is the failure of a doctor that found something.
var errIll = errors.New("something is wrong, as told above")

// Doctor looks at the settings, at every provider of messages and at the address at
// which their receipts come in, and tells what it found. It sends nothing, but for
// the one message that was asked for. It fails where something is wrong.
func Doctor(ctx context.Context, c config.Config, o Options, d DoctorOptions, stdout io.Writer) (err error) {
	o = o.whole()
	if d.HTTP == nil {
		d.HTTP = gateway.NewHTTPClient()
	}
	providers, err := openProviders(c, o, gateway.NewInbox(1), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeProviders(providers)) }()

	report := doctorReport{Findings: settingsFindings(c), Currency: c.SMSCurrency}
	for _, p := range providers {
		report.Findings = append(report.Findings, providerFindings(ctx, c, o, d.HTTP, p)...)
	}
	if d.To != "" {
		if report.Sent, err = sendTest(ctx, c, o, d, providers); err != nil {
			return err
		}
	}
	if err := report.write(stdout, d.JSON); err != nil {
		return err
	}
	if report.ill() {
		return errIll
	}
	return nil
}

// settingsFindings tell of what concerns all providers. What must be set where a
// real one sends stops every start; where none does, it is good to know.
func settingsFindings(c config.Config) []finding {
	set := func(what string, is bool, without string) finding {
		f := finding{About: "settings", What: what, OK: true, Note: "set"}
		if !is {
			f.Note = without
		}
		return f
	}
	findings := []finding{
		set("sms_providers", len(c.SMSProviders) > 0, "not set: messages go to the development inbox, and to no phone"),
		set("sms_countries", len(c.SMSCountries) > 0, "not set: needed before messages cost money"),
		set("sms_budget", len(c.SMSBudget) > 0, "not set: needed before messages cost money"),
		set("sms_prices", len(c.SMSPrices) > 0, "not set: the rough built-in ones hold"),
	}
	address := finding{About: "settings", What: "public_url", OK: true, Note: c.PublicURL}
	switch loopback := config.LoopbackHost(urlHost(c.PublicURL)); {
	case loopback && len(c.SMSProviders) == 0:
		address.Note += ": of this machine alone, while you develop"
	case loopback:
		address.OK, address.Problem = false, "is this machine's own: no receipt of a provider comes in; set it to what clients reach the server as"
	case !strings.HasPrefix(c.PublicURL, "https://"):
		address.OK, address.Problem = false, "has to begin with https://: providers call it with what happened to messages"
	}
	return append(findings, address)
}

// providerFindings tell of one provider.
func providerFindings(ctx context.Context, c config.Config, o Options, client *http.Client, p provider) []finding {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	var findings []finding
	for _, f := range p.sender.Check(ctx) {
		findings = append(findings, finding{About: p.Name, What: f.What, OK: f.OK, Problem: f.Problem})
	}
	at := senderOptions(c, o, p.Provider, nil).ReceiptURL
	_, err := p.sender.Receipts(ctx, gateway.Callback{Method: http.MethodPost, URL: at, Header: http.Header{}, Now: o.Now()})
	if at == "" || errors.Is(err, gateway.ErrNoReceipts) {
		return findings
	}
	return append(findings, callbackFinding(ctx, client, p.Name, at))
}

// callbackFinding posts nothing to where receipts come in. That the server refuses
// it, and how, shows that the address leads to it.
func callbackFinding(ctx context.Context, client *http.Client, name, at string) finding {
	f := finding{About: name, What: "receipts reach us", Note: "from this machine; the log of the server has a refused receipt now"}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, http.NoBody)
	if err != nil {
		f.Note, f.Problem = "", "public_url cannot be called"
		return f
	}
	response, err := client.Do(request)
	if err != nil {
		f.Note, f.Problem = "", fmt.Sprintf("nothing answers at %s: is the server running, does the name resolve, is the certificate good? (%v)", at, err)
		return f
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, longestReply))
	forged := response.StatusCode == http.StatusForbidden && strings.HasPrefix(string(text), receipts.SaysForged)
	unread := response.StatusCode == http.StatusBadRequest && strings.HasPrefix(string(text), receipts.SaysUnreadable)
	if f.OK = err == nil && (forged || unread); !f.OK {
		f.Note, f.Problem = "", fmt.Sprintf("%s answers with status %d, and not as this server does: does what stands before it lead /receipts/ here, and has it these settings?", at, response.StatusCode)
	}
	return f
}

// doctorReport is all that was found.
type doctorReport struct {
	Findings []finding   `json:"findings"`
	Sent     *testResult `json:"sent,omitempty"`
	Currency string      `json:"currency"`
}

func (r doctorReport) ill() bool {
	for _, f := range r.Findings {
		if !f.OK {
			return true
		}
	}
	return r.Sent != nil && r.Sent.Problem != ""
}

func (r doctorReport) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeIndented(w, struct {
			OK bool `json:"ok"`
			doctorReport
		}{!r.ill(), r})
	}
	about, what := 0, 0
	for _, f := range r.Findings {
		about, what = max(about, utf8.RuneCountInString(f.About)), max(what, utf8.RuneCountInString(f.What))
	}
	for _, f := range r.Findings {
		mark, text := "ok", f.Note
		if !f.OK {
			mark, text = "WRONG", f.Problem
		}
		line := fmt.Sprintf("%-*s  %-*s  %-5s  %s", about, f.About, what, f.What, mark, text)
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	if r.Sent == nil {
		return nil
	}
	_, err := fmt.Fprintln(w, "\n"+r.Sent.text(r.Currency))
	return err
}
