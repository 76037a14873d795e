package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// EnvPrefix begins the name of every setting in the environment.
const EnvPrefix = "COUNTERSIGN_"

// Setting is one field of Config as people name it.
type Setting struct {
	Name    string // in the file: "listen"
	Env     string // in the environment: "COUNTERSIGN_LISTEN"
	Flag    string // without its dashes: "listen"; "" where there is none
	Default string // as a person would write it; "" for none
	Doc     string
	Secret  bool // its value is never shown
	Switch  bool // true or false: its flag needs no value

	index int // of the field in Config
}

// Settings lists all settings, in the order of Config.
func Settings() []Setting {
	t := reflect.TypeFor[Config]()
	settings := make([]Setting, t.NumField())
	for i := range settings {
		field := t.Field(i)
		name := field.Tag.Get("name")
		s := Setting{
			Name:    name,
			Env:     EnvPrefix + strings.ToUpper(name),
			Default: field.Tag.Get("default"),
			Doc:     field.Tag.Get("doc"),
			Secret:  field.Tag.Get("secret") == "true",
			Switch:  field.Type.Kind() == reflect.Bool,
			index:   i,
		}
		if !s.Secret {
			s.Flag = strings.ReplaceAll(name, "_", "-")
		}
		settings[i] = s
	}
	return settings
}

// set reads text into the setting's field of c. The error says what is wrong
// with the text and what would be right, and never repeats what may be secret.
func (s Setting) set(c *Config, text string) error {
	field := reflect.ValueOf(c).Elem().Field(s.index)
	value, err := parse(field.Interface(), text)
	if err != nil {
		return err
	}
	field.Set(reflect.ValueOf(value))
	return nil
}

// parse reads text as a value of the type of like.
func parse(like any, text string) (any, error) {
	switch like.(type) {
	case string:
		return text, nil
	case keyring.Secret:
		return keyring.Secret(text), nil
	case bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("must be true or false")
		}
		return text == "true", nil
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("must be a whole number")
		}
		return n, nil
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("must be a span of time with its unit, such as 90s, 10m or 720h")
		}
		return d, nil
	case []string:
		return list(text), nil
	case []netip.Prefix:
		return parsePrefixes(text)
	case time.Time:
		return parseUntil(text)
	case map[string]string:
		return parsePairs(text, "+15005550006=123456", func(value string) (string, error) { return value, nil })
	case map[string]Rate:
		return parsePairs(text, "name=600/1h", parseRate)
	case map[string]Decimal:
		return parsePairs(text, "US=0.008,*=0.2", parseDecimal)
	case map[string]Budget:
		return parseBudgets(text)
	case []Provider:
		return nil, fmt.Errorf("is read as a list of entries")
	}
	return nil, fmt.Errorf("a setting of type %T cannot be read", like)
}

// list splits at commas; blanks around its items do not count.
func list(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// parsePrefixes reads prefixes; a bare address is a prefix of all its bits.
func parsePrefixes(text string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, item := range list(text) {
		if address, err := netip.ParseAddr(item); err == nil && address.Zone() == "" {
			address = address.Unmap()
			prefixes = append(prefixes, netip.PrefixFrom(address, address.BitLen()))
			continue
		}
		prefix, err := netip.ParsePrefix(item)
		if err != nil {
			return nil, fmt.Errorf("must be address prefixes separated by commas, such as 10.0.0.0/8,fd00::/8")
		}
		if prefix != prefix.Masked() {
			return nil, fmt.Errorf("a prefix has bits set beyond its length; write it as %s", prefix.Masked())
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// parsePairs reads key=value,key=value. The error of read is told with its key,
// so that it must have none where keys are secret.
func parsePairs[T any](text, example string, read func(string) (T, error)) (map[string]T, error) {
	pairs := make(map[string]T)
	for _, item := range list(text) {
		key, value, ok := strings.Cut(item, "=")
		if !ok {
			return nil, fmt.Errorf("must be pairs separated by commas, such as %s", example)
		}
		key = strings.TrimSpace(key)
		if _, twice := pairs[key]; twice {
			return nil, fmt.Errorf("names the same key twice")
		}
		var err error
		if pairs[key], err = read(strings.TrimSpace(value)); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	return pairs, nil
}

// parseUntil reads a time, or a date as the end of its day in UTC.
func parseUntil(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("must be a date such as 2026-12-31, or a time such as 2026-12-31T12:00:00Z")
	}
	return t.UTC(), nil
}
