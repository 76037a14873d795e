package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect/receipts"
	"github.com/countersign/countersign/internal/gateway"
	"github.com/countersign/countersign/internal/outbox"
)

// provider is one entry of sms_providers at work.
type provider struct {
	config.Provider
	sender gateway.Sender
	prices core.Prices // of a segment
}

// deliver takes receipts that come by no call of ours, under an entry's name. Nil
// where none are kept: then none may be taken from a provider either, which would
// not say them again.
type deliver func(ctx context.Context, provider string, receipts []gateway.Receipt) error

// inboxEntry stands for sms_providers where it is not set.
func inboxEntry() config.Provider {
	return config.Provider{Name: kindInbox, Kind: kindInbox, Channel: string(gateway.SMS), Weight: 1}
}

// providerEntries are the entries of sms_providers, or the inbox alone.
func providerEntries(c config.Config) []config.Provider {
	if len(c.SMSProviders) == 0 {
		return []config.Provider{inboxEntry()}
	}
	return c.SMSProviders
}

// openProviders makes the senders of all entries. Its error is a
// config.Refusals, one of each entry that cannot stand; nothing stays open then.
func openProviders(c config.Config, o Options, inbox *gateway.Inbox, told deliver) ([]provider, error) {
	var all []provider
	var refusals config.Refusals
	for _, entry := range providerEntries(c) {
		p := provider{Provider: entry, prices: pricesOf(c, entry)}
		if entry.Kind == kindInbox {
			p.sender = inbox.Entry(entry.Name, gateway.Channel(entry.Channel))
		} else {
			sender, err := gateway.New(entry.Kind, senderOptions(c, o, entry, told))
			if err != nil {
				refusals = append(refusals, refusalOf(entry, err))
				continue
			}
			p.sender = sender
		}
		all = append(all, p)
	}
	if len(refusals) > 0 {
		return nil, errors.Join(refusals, closeProviders(all))
	}
	return all, nil
}

func senderOptions(c config.Config, o Options, entry config.Provider, told deliver) gateway.Options {
	dlt := map[string]gateway.DLT{}
	for purpose, d := range entry.DLT {
		dlt[purpose] = gateway.DLT(d)
	}
	options := gateway.Options{
		Name: entry.Name, Channel: gateway.Channel(entry.Channel), Values: entry.Values, From: entry.From, DLT: dlt,
		Now: o.Now, Rand: o.Rand, Log: o.Log.With("provider", entry.Name),
	}
	if told != nil {
		options.Deliver = func(ctx context.Context, all []gateway.Receipt) error { return told(ctx, entry.Name, all) }
	}
	if !config.LoopbackHost(urlHost(c.PublicURL)) {
		options.ReceiptURL = c.PublicURL + receiptsPrefix + entry.Name
	}
	return options
}

func refusalOf(entry config.Provider, err error) *config.Refusal {
	r := &config.Refusal{Setting: "sms_providers[" + entry.Name + "]", Problem: err.Error()}
	var known *gateway.SettingError
	if errors.As(err, &known) {
		r.Setting, r.Problem = r.Setting+"."+known.Setting, known.Problem
	}
	return r
}

// senders are those of all entries.
func (p *parts) senders() []gateway.Sender {
	all := make([]gateway.Sender, len(p.providers))
	for i, entry := range p.providers {
		all[i] = entry.sender
	}
	return all
}

// outboxRoutes are the entries as the outbox knows them.
func outboxRoutes(all []provider) []outbox.Route {
	routes := make([]outbox.Route, len(all))
	for i, p := range all {
		routes[i] = outbox.Route{Sender: p.sender, Countries: p.Countries, Prefixes: p.Prefixes, Weight: p.Weight, Prices: p.prices}
	}
	return routes
}

// routed has the outbox know what receipts say of a way. Beside a running server
// there is none.
func (p *parts) routed(provider, country string, failed bool) {
	if p.outbox != nil {
		p.outbox.Receipt(provider, country, failed)
	}
}

// smsWarning tells when all providers of a channel fail. Whoever is signed in, or
// has a password, is served all the same: the server stays ready, as without Redis.
func (p *parts) smsWarning() string { return failing(p.providers, p.outbox.Circuits()) }

func failing(all []provider, circuits []outbox.CircuitState) string {
	shut := map[string]bool{}
	for _, circuit := range circuits {
		if circuit.Open {
			shut[circuit.Provider] = true
		}
	}
	serves := map[string]bool{}
	for _, entry := range all {
		serves[entry.Channel] = serves[entry.Channel] || !shut[entry.Name]
	}
	for _, entry := range all {
		if !serves[entry.Channel] {
			return "sms: no provider of " + entry.Channel + " takes messages as it should (the log tells why), they wait and are tried again"
		}
	}
	return ""
}

// deliver keeps receipts that came by no call of ours. A provider may have some
// before the core is there.
func (p *parts) deliver(ctx context.Context, provider string, told []gateway.Receipt) error {
	select {
	case <-p.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.core.RecordReceipts(ctx, provider, receipts.Read(told, p.currency))
}

func closeProviders(all []provider) error {
	var errs []error
	for _, p := range slices.Backward(all) {
		if err := p.sender.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing the provider %s: %w", p.Name, err))
		}
	}
	return errors.Join(errs...)
}

// pricesOf are an entry's own prices over those of sms_prices; alone, where they
// say what is paid everywhere else.
func pricesOf(c config.Config, entry config.Provider) core.Prices {
	all := prices(c)
	if len(entry.Prices) == 0 {
		return all
	}
	own := core.Prices{}
	if _, everywhere := entry.Prices["*"]; !everywhere {
		maps.Copy(own, all)
	}
	for where, price := range entry.Prices {
		own[where] = core.Money(price)
	}
	return own
}

// coreRoutes are the entries as flows know them. The inbox alone needs none.
func coreRoutes(c config.Config) []core.Route {
	var routes []core.Route
	for _, entry := range c.SMSProviders {
		routes = append(routes, core.Route{
			Channel: core.Channel(entry.Channel), Countries: entry.Countries, Prefixes: entry.Prefixes, Prices: pricesOf(c, entry),
		})
	}
	return routes
}

// providerNames are those that metrics may tell of.
func providerNames(c config.Config) []string {
	var names []string
	for _, entry := range providerEntries(c) {
		names = append(names, entry.Name)
	}
	return names
}

func servesCountry(p config.Provider, country string) bool {
	return len(p.Countries) == 0 || slices.Contains(p.Countries, country)
}

// checkProviders tells what is wrong with the entries of sms_providers that the
// settings alone show.
func checkProviders(c config.Config, o Options) error {
	var refusals config.Refusals
	for _, country := range c.SMSCountries {
		takes := func(p config.Provider) bool { return servesCountry(p, country) }
		if len(c.SMSProviders) > 0 && !slices.ContainsFunc(c.SMSProviders, takes) {
			refusals = append(refusals, &config.Refusal{
				Setting: "sms_countries", Problem: fmt.Sprintf("no entry of sms_providers takes messages to %s: add it to the countries of one, or leave it out", country),
			})
		}
	}
	refusals = append(refusals, unaffordable(c)...)
	all, err := openProviders(c, o.whole(), gateway.NewInbox(1), nil)
	var more config.Refusals
	if errors.As(err, &more) {
		refusals = append(refusals, more...)
	} else if err != nil {
		return err
	}
	if err := closeProviders(all); err != nil {
		return err
	}
	if len(refusals) > 0 {
		return refusals
	}
	return nil
}
