package gateway

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// Kind is a make of provider: what the operator's list may name.
type Kind struct {
	Name     string
	Doc      string // one line
	Channels []Channel
	Settings []Setting
	New      func(Options) (Sender, error) // its error is a *SettingError
}

// Setting is one that a kind takes, beside those that all take.
type Setting struct {
	Name     string
	Doc      string // what it means, its form, its default
	Secret   bool
	Required bool
}

// Options make a Sender. Values holds only settings of the kind, the required
// ones not empty.
type Options struct {
	Name    string
	Channel Channel
	Values  map[string]keyring.Secret

	// From has the sender by country (ISO 3166-1 alpha-2), "*" for all others; both
	// may be absent.
	From map[string]string
	// DLT are the ids that India asks for (TRAI), by purpose of a message; "*" for
	// all others.
	DLT map[string]DLT

	// ReceiptURL is where receipts of this provider come in, https://…/receipts/{Name};
	// "" where nothing outside reaches the server: then none is asked for.
	ReceiptURL string
	// Deliver takes receipts that come another way than by a call of ours (SMPP). It
	// returns once they are stored.
	Deliver func(context.Context, []Receipt) error

	HTTP *http.Client // nil: one of NewHTTPClient's
	Now  func() time.Time
	Rand io.Reader
	Log  *slog.Logger
}

// DLT names a sender and a text in India's registry.
type DLT struct {
	Entity, Template string
}

// Sender gives the sender to show in a country; "" where none is set. A name that is
// for all countries is none for those whose networks carry no names.
func (o Options) Sender(country string) string {
	if from := o.From[country]; from != "" {
		return from
	}
	from := o.From["*"]
	if named(from) && slices.Contains(noNames, country) {
		return ""
	}
	return from
}

// DLTOf gives the ids for a message; zero where it needs none.
func (o Options) DLTOf(m Message) DLT {
	if m.Country != "IN" {
		return DLT{}
	}
	if d, ok := o.DLT[m.Purpose]; ok {
		return d
	}
	return o.DLT["*"]
}

// Value gives a setting's text; "" where it is not set.
func (o Options) Value(name string) string { return o.Values[name].Reveal() }

// SettingError names a setting of a provider that cannot stand.
type SettingError struct {
	Setting string
	Problem string // what is wrong and what to do; it does not repeat the value
}

// Error names setting and problem.
func (e *SettingError) Error() string { return e.Setting + ": " + e.Problem }

// Kinds lists all kinds, in the order in which an operator reads them.
func Kinds() []Kind {
	return []Kind{
		awsKind(),
		birdKind(),
		fileKind(),
		genericKind(),
		infobipKind(),
		messagebirdKind(),
		plivoKind(),
		sinchKind(),
		smppKind(),
		supabaseKind(),
		telnyxKind(),
		twilioKind(),
		twilioVerifyKind(),
		vonageKind(),
		webhookKind(),
	}
}

// New makes a provider of a kind. Its error is a *SettingError.
func New(kind string, o Options) (Sender, error) {
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == kind })
	if i < 0 {
		return nil, &SettingError{Setting: "kind", Problem: "there is no such kind of provider; `countersign config reference` lists them"}
	}
	k := Kinds()[i]
	if err := k.check(o); err != nil {
		return nil, err
	}
	if o.HTTP == nil {
		o.HTTP = NewHTTPClient()
	}
	return k.New(o)
}

// check refuses settings that the kind does not have, and asks for those that it
// must have.
func (k Kind) check(o Options) error {
	if !slices.Contains(k.Channels, o.Channel) {
		return &SettingError{Setting: "channel", Problem: fmt.Sprintf("%s has no such channel; it has %v", k.Name, k.Channels)}
	}
	for name := range o.Values {
		if !slices.ContainsFunc(k.Settings, func(s Setting) bool { return s.Name == name }) {
			return &SettingError{Setting: name, Problem: k.Name + " has no such setting; `countersign config reference` lists those it has"}
		}
	}
	for _, s := range k.Settings {
		if s.Required && o.Value(s.Name) == "" {
			return &SettingError{Setting: s.Name, Problem: "must be set for " + k.Name + ": " + s.Doc}
		}
	}
	return nil
}
