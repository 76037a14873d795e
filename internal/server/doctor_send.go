package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/locale"
	"github.com/countersign/countersign/internal/phone"
)

// testText is what a doctor's message says: no code, nothing to act on.
const testText = "Countersign test message"

// testLife is how long a provider may try to deliver it.
const testLife = 10 * time.Minute

// testResult is what came of a doctor's message.
type testResult struct {
	Provider string   `json:"provider"`
	Number   string   `json:"number"` // masked
	Expected string   `json:"expected_price"`
	Ref      string   `json:"ref,omitempty"`
	Cost     *costOut `json:"cost,omitempty"`
	Problem  string   `json:"problem,omitempty"`
}

type costOut struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

func (t testResult) text(currency string) string {
	if t.Problem != "" {
		return fmt.Sprintf("%s did not take the message to %s: %s", t.Provider, t.Number, t.Problem)
	}
	text := fmt.Sprintf("%s took the message to %s, as %q. Expected to cost %s %s", t.Provider, t.Number, t.Ref, t.Expected, currency)
	if t.Cost != nil {
		text += fmt.Sprintf("; it tells of %s %s", t.Cost.Amount, t.Cost.Currency)
	}
	return text + "."
}

// sendTest sends one message past all limits and budgets, once its price was agreed
// to. Countries that are not allowed stay so.
func sendTest(ctx context.Context, c config.Config, o Options, d DoctorOptions, all []provider) (*testResult, error) {
	number, err := phone.Parse(d.To, c.DefaultRegion)
	if err != nil {
		return nil, fmt.Errorf("--send: %w", err)
	}
	country := number.Region()
	if len(c.SMSCountries) > 0 && !slices.Contains(c.SMSCountries, country) {
		return nil, fmt.Errorf("--send: sms_countries does not allow messages to %s", country)
	}
	p, err := testProvider(d.Provider, country, number, all)
	if err != nil {
		return nil, err
	}
	segments, _ := locale.Segments(testText)
	price := core.Money(int64(segments)) * p.prices.Segment(number, country)
	result := &testResult{Provider: p.Name, Number: number.Masked(), Expected: price.String()}
	question := fmt.Sprintf("Send %q to %s by %s, for about %s %s?", testText, number.Masked(), p.Name, price, c.SMSCurrency)
	if err := agreed(d, question); err != nil {
		return nil, err
	}
	now := o.Now()
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	sent, err := p.sender.Send(ctx, gateway.Message{
		ID: newID(now, o.Rand), Channel: gateway.Channel(p.Channel), To: number, Country: country,
		Body: keyring.Secret(testText), Locale: "en", Purpose: "test", CreatedAt: now, ExpiresAt: now.Add(testLife),
	})
	if err != nil {
		result.Problem = err.Error()
		return result, nil
	}
	result.Ref = sent.ProviderRef
	if sent.Cost != nil {
		result.Cost = &costOut{core.Money(sent.Cost.Amount).String(), sent.Cost.Currency}
	}
	return result, nil
}

// testProvider is the one that was named, or the first that serves the number.
func testProvider(name, country string, number phone.Number, all []provider) (provider, error) {
	serves := func(p provider) bool {
		begins := func(prefix string) bool { return strings.HasPrefix(number.E164(), prefix) }
		return (len(p.Countries) == 0 || slices.Contains(p.Countries, country)) &&
			(len(p.Prefixes) == 0 || slices.ContainsFunc(p.Prefixes, begins))
	}
	i := slices.IndexFunc(all, func(p provider) bool {
		if name != "" {
			return p.Name == name
		}
		return serves(p)
	})
	switch {
	case i < 0 && name != "":
		return provider{}, fmt.Errorf("--provider: no entry of sms_providers is called %s", name)
	case i < 0:
		return provider{}, fmt.Errorf("--send: no entry of sms_providers takes messages to this number (%s)", country)
	case !serves(all[i]):
		return provider{}, fmt.Errorf("--provider: %s takes no messages to this number (%s)", name, country)
	}
	return all[i], nil
}

// agreed asks whoever is there, unless --yes was said.
func agreed(d DoctorOptions, question string) error {
	if d.Yes {
		return nil
	}
	if d.Confirm == nil {
		return fmt.Errorf("--send: %s Say --yes: nobody is there to ask", question)
	}
	yes, err := d.Confirm(question)
	if err != nil {
		return fmt.Errorf("--send: asking: %w", err)
	}
	if !yes {
		return errors.New("--send: nothing was sent")
	}
	return nil
}
