package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// This file goes on from check_limits.go: who takes messages.

// kindNames lists what an entry may be.
func (l *loader) kindNames() string {
	names := make([]string, len(l.kinds))
	for i, k := range l.kinds {
		names[i] = k.Name
	}
	return "one of " + strings.Join(names, ", ")
}

// checkKind refuses what the entry's kind does not have, and asks for what it
// must have.
func (n *providerNode) checkKind(p Provider, at ast.Node) {
	if p.Kind == "" {
		return
	}
	i := slices.IndexFunc(n.l.kinds, func(k ProviderKind) bool { return k.Name == p.Kind })
	if i < 0 {
		n.refuse(at, "kind", "there is no such kind of provider: %s", n.l.kindNames())
		return
	}
	k := n.l.kinds[i]
	if !slices.Contains(k.Channels, p.Channel) {
		n.refuse(at, "channel", "%s has no such channel; it has %s", k.Name, strings.Join(k.Channels, ", "))
	}
	names := make([]string, len(k.Settings))
	for i, s := range k.Settings {
		names[i] = s.Name
		if _, given := p.Values[s.Name]; s.Required && !given {
			n.refuse(at, s.Name, "must be set for %s: %s", k.Name, s.Doc)
		}
	}
	known := append(slices.Clone(names), commonMembers...)
	for _, name := range slices.Sorted(maps.Keys(p.Values)) {
		if slices.Contains(names, name) {
			continue
		}
		problem := k.Name + " has no such setting; `countersign config reference` lists those it has"
		if near := nearest(name, known); near != "" {
			problem = k.Name + " has no such setting; did you mean " + near + "?"
		}
		n.refuse(at, name, "%s", problem)
	}
}

// commonMembers are what entries of all kinds take.
var commonMembers = []string{"kind", "name", "channel", "countries", "prefixes", "weight", "prices", "from", "dlt"}

// InboxServed tells whether messages go to the development inbox: no provider is
// named, or the inbox is.
func (c Config) InboxServed() bool {
	return len(c.SMSProviders) == 0 || slices.ContainsFunc(c.SMSProviders, func(p Provider) bool { return p.Kind == "inbox" })
}

// checkProviders refuses messages that cost somebody money without a bound
// (C-47), and amounts that could not be compared.
func (l *loader) checkProviders(c *Config) {
	l.checkWord("sms_routing", c.SMSRouting, "learn", "fixed")
	if len(c.SMSCurrency) != 3 || strings.Trim(c.SMSCurrency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		l.refuseSetting("sms_currency", "must be a currency in three capital letters, such as USD or EUR")
	}
	_, everywhere := c.SMSPrices["*"]
	if c.SMSCurrency != "USD" && !everywhere && len(c.SMSPrices)+len(c.SMSBudget) > 0 {
		l.refuseSetting("sms_prices", "must say with * what is paid everywhere else while sms_currency is %s: the built-in prices are in USD", c.SMSCurrency)
	}
	paid := slices.IndexFunc(c.SMSProviders, func(p Provider) bool {
		return slices.ContainsFunc(l.kinds, func(k ProviderKind) bool { return k.Name == p.Kind && !k.Here })
	})
	if paid < 0 {
		return
	}
	name := c.SMSProviders[paid].Name
	if len(c.SMSCountries) == 0 && l.wasRead("sms_countries") {
		l.refuseSetting("sms_countries", "must be set while %s sends messages: name the countries that your users are in, such as US,CA; "+
			"what goes to all others is what fraud is made of", name)
	}
	if c.SMSBudget[BudgetTotal] == (Budget{}) && l.wasRead("sms_budget") {
		l.refuseSetting("sms_budget", "must bound what messages cost in all while %s sends them: in an hour, a day or a month, such as day=50", name)
	}
}
