package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/countersign/countersign/internal/keyring"
)

// Provider is one entry of sms_providers: who takes messages of one channel.
type Provider struct {
	Name      string // as operators call it; by default the kind
	Kind      string
	Channel   string             // "sms" by default
	Countries []string           // ISO 3166-1 alpha-2; empty: all
	Prefixes  []string           // "+49151"; empty: all
	Weight    int                // 0 to 1000; 0 is asked when no other is left
	Prices    map[string]Decimal // of a segment, as sms_prices
	From      map[string]string  // the sender to show, by country or "*"
	DLT       map[string]DLT     // by purpose or "*"
	Values    map[string]keyring.Secret
}

// DLT names a sender and a text in India's registry.
type DLT struct{ Entity, Template string }

// ProviderKind is a make of provider that sms_providers may name.
type ProviderKind struct {
	Name, Doc string
	Channels  []string
	Settings  []ProviderSetting
	Here      bool // its messages stay on this machine and cost nothing
}

// ProviderSetting is one that a kind takes, beside those that all take.
type ProviderSetting struct {
	Name, Doc        string
	Secret, Required bool
}

const (
	providersName = "sms_providers"
	mostProviders = 32
	mostWeight    = 1000
)

// providerNode is one entry as it was written.
type providerNode struct {
	l       *loader
	shown   string // how refusals call it: sms_providers[2], or by its name
	source  string
	file    string
	members []*ast.MappingValueNode
}

// readProviders reads the list from the file or, as YAML or JSON, from the
// environment.
func (l *loader) readProviders(c *Config) {
	g, ok := l.given[providersName]
	if !ok {
		return
	}
	node := g.node
	if node == nil {
		file, err := parser.ParseBytes([]byte(g.text), 0)
		if err != nil {
			l.refuse(&Refusal{Setting: providersName, Source: g.source, Problem: "is not YAML" + placeOf(err) + ": it " + notProviders})
			return
		}
		if len(file.Docs) != 1 || file.Docs[0].Body == nil {
			l.refuse(&Refusal{Setting: providersName, Source: g.source, Problem: notProviders})
			return
		}
		node = file.Docs[0].Body
	}
	list, ok := node.(*ast.SequenceNode)
	if !ok || len(list.Values) > mostProviders {
		l.refuse(&Refusal{Setting: providersName, Source: g.source, Problem: notProviders})
		return
	}
	for i, value := range list.Values {
		n := &providerNode{l: l, shown: fmt.Sprintf("%s[%d]", providersName, i+1), source: g.source, file: g.file}
		if n.members, ok = pairsOf(value); !ok {
			n.refuse(value, "", "must be an entry of name: value pairs, a kind among them; `countersign config reference` shows one")
			continue
		}
		c.SMSProviders = append(c.SMSProviders, n.read(c.SMSProviders))
	}
}

// placeOf is where a YAML error is, without its message: that may quote a secret.
func placeOf(err error) string {
	var wrong yaml.Error
	if errors.As(err, &wrong) && wrong.GetToken() != nil && wrong.GetToken().Position != nil {
		at := wrong.GetToken().Position
		return fmt.Sprintf(" at line %d, column %d", at.Line, at.Column)
	}
	return ""
}

const notProviders = "must be a list of entries, 32 at most, such as [{kind: twilio, account_sid: AC…, auth_token: '${TWILIO_AUTH_TOKEN}'}]"

// refuse says what is wrong with a member of the entry, and in which line.
func (n *providerNode) refuse(at ast.Node, member, format string, args ...any) {
	r := &Refusal{Setting: n.shown, Source: n.source, Problem: fmt.Sprintf(format, args...)}
	if member != "" {
		r.Setting += "." + member
	}
	if token := at.GetToken(); n.file != "" && token != nil && token.Position != nil {
		r.Source = fmt.Sprintf("file %s line %d", n.file, token.Position.Line)
	}
	n.l.refuse(r)
}

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// read gives the entry, what could be read of it at least.
func (n *providerNode) read(before []Provider) Provider {
	p := Provider{Channel: "sms", Weight: 1, Values: map[string]keyring.Secret{}}
	var at ast.Node = n.members[0]
	given := map[string]ast.Node{}
	var names []string
	for _, pair := range n.members {
		name, ok := scalar(pair.Key)
		if !ok {
			n.refuse(pair, "", "the names of its members must be plain words")
			continue
		}
		given[name] = pair.Value
		names = append(names, name)
	}
	p.Kind, p.Name = n.word(given, "kind"), n.word(given, "name")
	if p.Name == "" {
		p.Name = strings.ReplaceAll(p.Kind, "_", "-")
	}
	switch same := func(o Provider) bool { return o.Name == p.Name }; {
	case p.Kind == "":
		n.refuse(at, "kind", "must be set: %s", n.l.kindNames())
	case !providerName.MatchString(p.Name):
		n.refuse(at, "name", "must be 1 to 32 small letters, digits and hyphens, the first one no hyphen")
	case slices.ContainsFunc(before, same):
		n.refuse(at, "name", "another entry is called %s too; give each a name of its own", p.Name)
	default:
		n.shown = providersName + "[" + p.Name + "]"
	}
	for _, name := range names {
		n.member(&p, name, given[name])
	}
	n.checkKind(p, at)
	return p
}

// member reads one of the entry's members into it.
func (n *providerNode) member(p *Provider, name string, value ast.Node) {
	switch name {
	case "from":
		p.From = n.from(value)
		return
	case "dlt":
		p.DLT = n.dlt(value)
		return
	}
	text, flat := n.text(name, value)
	if text == "" && flat || text == missing && slices.Contains(commonMembers, name) {
		return
	}
	switch name {
	case "kind", "name":
	case "channel":
		p.Channel = text
	case "countries":
		p.Countries = n.each(name, value, text, region, "is no country in two capital letters, such as US or DE")
	case "prefixes":
		p.Prefixes = n.each(name, value, text, prefix, "is no beginning of numbers, such as +49151")
	case "weight":
		weight, err := strconv.Atoi(text)
		if err != nil || weight < 0 || weight > mostWeight {
			n.refuse(value, name, "must be a whole number from 0 to %d", mostWeight)
		}
		p.Weight = weight
	case "prices":
		prices, err := parsePairs(text, "US=0.008,*=0.2", parseDecimal)
		if err != nil {
			n.refuse(value, name, "%v", err)
		}
		if key, ok := wrongPriceKey(prices); ok {
			n.refuse(value, name, "%q %s", key, notPriceKey)
		}
		p.Prices = prices
	default:
		p.Values[name] = keyring.Secret(text)
	}
	if !flat {
		n.refuse(value, name, "must be a plain value, a list of them, or pairs of them; anchors, tags and deeper nesting are not read")
	}
}

// each reads a list, every item of which has to be good.
func (n *providerNode) each(name string, at ast.Node, text string, good func(string) bool, problem string) []string {
	items := list(text)
	for _, item := range items {
		if !good(item) {
			n.refuse(at, name, "%q %s", item, problem)
		}
	}
	return items
}

// from reads one sender for everywhere, or one by country.
func (n *providerNode) from(value ast.Node) map[string]string {
	if text, ok := scalar(value); ok {
		return map[string]string{"*": n.resolve(value, "from", text)}
	}
	senders := map[string]string{}
	pairs, ok := pairsOf(value)
	for _, pair := range pairs {
		country, keyOK := scalar(pair.Key)
		sender, valueOK := scalar(pair.Value)
		if !keyOK || !valueOK || country != "*" && !region(country) {
			ok = false
			break
		}
		senders[country] = n.resolve(value, "from", sender)
	}
	if !ok {
		n.refuse(value, "from", "must be one sender, or one by country in two capital letters, * for all others: {US: '+15005550006', '*': ACME}")
	}
	return senders
}

// dlt reads the ids by purpose.
func (n *providerNode) dlt(value ast.Node) map[string]DLT {
	all := map[string]DLT{}
	purposes, ok := pairsOf(value)
	for _, pair := range purposes {
		purpose, isWord := scalar(pair.Key)
		ids, isPairs := pairsOf(pair.Value)
		var d DLT
		for _, id := range ids {
			name, _ := scalar(id.Key)
			text, plain := scalar(id.Value)
			switch text = n.resolve(id, "dlt", text); {
			case name == "entity" && plain:
				d.Entity = text
			case name == "template" && plain:
				d.Template = text
			default:
				isPairs = false
			}
		}
		ok = ok && isWord && isPairs && d.Entity != "" && d.Template != ""
		all[purpose] = d
	}
	if !ok {
		n.refuse(value, "dlt", "must have the ids by purpose, * for all others: {login: {entity: '1101…', template: '1107…'}, '*': {…}}")
	}
	return all
}

// word reads a member that is a plain word; "" where it is not.
func (n *providerNode) word(given map[string]ast.Node, name string) string {
	text := ""
	if value := given[name]; value != nil {
		text, _ = scalar(value)
	}
	return text
}

// text reads a member as the environment would have it, and what it takes from
// there.
func (n *providerNode) text(name string, value ast.Node) (string, bool) {
	if text, ok := scalar(value); ok {
		return n.resolve(value, name, text), true
	}
	if pairs, ok := pairsOf(value); ok && !slices.Contains(commonMembers, name) {
		return n.object(name, pairs)
	}
	text, flat := flatten(value)
	if within := withinText.FindStringSubmatch(text); within != nil {
		n.refuse(value, name, notWhole, within[1])
		return missing, flat
	}
	return text, flat
}

// object writes pairs of a kind's own setting as a JSON object of texts.
func (n *providerNode) object(name string, pairs []*ast.MappingValueNode) (string, bool) {
	texts := map[string]string{}
	for _, pair := range pairs {
		key, keyOK := scalar(pair.Key)
		value, valueOK := scalar(pair.Value)
		if !keyOK || !valueOK {
			return "", false
		}
		texts[key] = n.resolve(pair, name, value)
	}
	object, err := json.Marshal(texts)
	return string(object), err == nil
}

var fromEnvironment = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// withinText is such a name where it is not the whole value.
var withinText = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

const notWhole = "has ${%s} within a longer value or a list: only a whole value is taken from the environment, so put all of it there"

// resolve gives ${NAME} as the environment has it, and any other text as it is.
// Within a text it is refused: a provider would be sent the name for the secret.
func (n *providerNode) resolve(at ast.Node, member, text string) string {
	found := fromEnvironment.FindStringSubmatch(text)
	if found == nil {
		if within := withinText.FindStringSubmatch(text); within != nil {
			n.refuse(at, member, notWhole, within[1])
			return missing
		}
		return text
	}
	for _, pair := range n.l.env {
		if name, value, _ := strings.Cut(pair, "="); name == found[1] && value != "" {
			return value
		}
	}
	n.refuse(at, member, "takes its value from the environment, where %s is not set: set it, or write the value itself", found[1])
	return missing
}

// missing stands for a value that was refused, so that it is not refused again.
const missing = "?"
