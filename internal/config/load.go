package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Sources is where settings come from. A flag wins over the environment, the
// environment over the file, the file over the default. An empty value counts
// as not set, wherever it stands.
type Sources struct {
	File  string            // path of a YAML file; "" for none
	Env   []string          // NAME=value, as os.Environ gives it
	Flags map[string]string // by flag name without dashes: those that were given

	Limits, Alerts []Named        // those that the settings of these names may change
	Providers      []ProviderKind // those that sms_providers may name
	Now            time.Time      // refuses what has ended by then; zero lets it stand
}

// Load reads the settings and refuses what is wrong, unknown or unsafe. Its
// error is a Refusals, except where the file cannot be read at all.
func Load(o Sources) (Config, error) {
	l := loader{settings: Settings(), given: map[string]given{}, limits: o.Limits, alerts: o.Alerts, kinds: o.Providers, env: o.Env, now: o.Now}
	if o.File != "" {
		if err := l.readFile(o.File); err != nil {
			return Config{}, err
		}
	}
	l.readEnv(o.Env)
	l.readFlags(o.Flags)
	c := l.build()
	l.check(&c)
	if len(l.refusals) > 0 {
		return Config{}, l.refusals
	}
	return c, nil
}

// later are names that API.md fixes for what this release does not do yet. To
// ignore them would be to run without what the operator asked for.
func later() map[string]string {
	return map[string]string{
		"supabase_enabled": "this release does not serve the Supabase-compatible API; leave it out",
	}
}

// given is a value as somebody wrote it, and where.
type given struct {
	text, source string

	node ast.Node // of sms_providers in a file; else nil
	file string   // that file
}

type loader struct {
	settings []Setting
	given    map[string]given // by name in the file
	refusals Refusals

	limits, alerts []Named
	kinds          []ProviderKind
	env            []string
	now            time.Time
}

// take keeps a value for the setting of that name; a later one replaces it.
func (l *loader) take(name, text, source string) {
	if strings.TrimSpace(text) != "" {
		l.given[name] = given{text: text, source: source}
	}
}

// known tells whether there is such a setting; if not, it is refused under the
// name that was written (shown), unless its value is empty.
func (l *loader) known(name, shown, text, source string) bool {
	names := make([]string, 0, len(l.settings))
	for _, s := range l.settings {
		if s.Name == name {
			return true
		}
		names = append(names, s.Name)
	}
	if strings.TrimSpace(text) == "" {
		return false
	}
	// The value is not told: a secret under a misspelt name is a secret still.
	if why, ok := later()[name]; ok {
		l.refuse(&Refusal{Setting: shown, Source: source, Problem: why})
		return false
	}
	problem := "there is no such setting; `countersign config reference` lists them all"
	if near := nearest(name, names); near != "" {
		if shown != name {
			near = EnvPrefix + strings.ToUpper(near)
		}
		problem = "there is no such setting; did you mean " + near + "?"
	}
	l.refuse(&Refusal{Setting: shown, Source: source, Problem: problem})
	return false
}

func (l *loader) refuse(r *Refusal) { l.refusals = append(l.refusals, r) }

func (l *loader) readEnv(env []string) {
	// A cluster puts these into the environment of every container when a
	// service of it happens to be called countersign.
	fromKubernetes := regexp.MustCompile(`^COUNTERSIGN_(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)$`)
	for _, pair := range env {
		key, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(key, EnvPrefix) || fromKubernetes.MatchString(key) {
			continue
		}
		name := strings.ToLower(strings.TrimPrefix(key, EnvPrefix))
		if l.known(name, key, text, "environment") {
			l.take(name, text, "environment "+key)
		}
	}
}

func (l *loader) readFlags(flags map[string]string) {
	for _, s := range l.settings {
		if text, ok := flags[s.Flag]; ok && s.Flag != "" {
			l.take(s.Name, text, "flag --"+s.Flag)
		}
	}
}

// build reads what was given over the defaults.
func (l *loader) build() Config {
	var c Config
	for _, s := range l.settings {
		if s.Name == providersName {
			l.readProviders(&c)
			continue
		}
		text := s.Default
		if g, ok := l.given[s.Name]; ok {
			text = strings.TrimSpace(g.text)
		}
		if text == "" {
			continue
		}
		if err := s.set(&c, text); err != nil {
			l.refuseSetting(s.Name, "%s", err)
		}
	}
	return c
}

// refuseSetting says what is wrong with a setting as it stands, wherever its
// value came from.
func (l *loader) refuseSetting(name, format string, args ...any) {
	for _, s := range l.settings {
		if s.Name != name {
			continue
		}
		r := &Refusal{Setting: name, Value: s.Default, Source: "default", Problem: fmt.Sprintf(format, args...)}
		if g, ok := l.given[name]; ok {
			r.Value, r.Source = fmt.Sprintf("%q", g.text), g.source
		}
		if r.Value == "" {
			r.Source = "not set"
		} else if s.Secret {
			r.Value = "[redacted]"
		}
		l.refuse(r)
	}
}

// wasRead tells whether the setting's value could be read at all, so that a
// check does not complain about it a second time.
func (l *loader) wasRead(name string) bool {
	for _, r := range l.refusals {
		if r.Setting == name || strings.HasPrefix(r.Setting, name+"[") {
			return false
		}
	}
	return true
}
