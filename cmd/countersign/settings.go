package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

// everySetting asks addSettings for the flags of all settings.
const everySetting = ""

// sources reads a command's settings from where its flags say, and from more
// NAME=value pairs, which count before those of the environment.
type sources func(more ...string) (config.Config, error)

// addSettings gives a command the flags of all settings, or of one alone, and
// --config. The other settings come from the file and the environment.
func (p program) addSettings(c *cobra.Command, only string) sources {
	flags := c.Flags()
	file := flags.String("config", "", "`FILE` with settings (YAML)")
	for _, s := range config.Settings() {
		if s.Flag == "" || only != everySetting && s.Name != only {
			continue
		}
		usage := strings.ReplaceAll(s.Doc, "`", "'")
		if s.Switch {
			flags.String(s.Flag, "", "`BOOL` "+usage)
			flags.Lookup(s.Flag).NoOptDefVal = "true"
			continue
		}
		flags.String(s.Flag, "", usage)
		flags.Lookup(s.Flag).DefValue = s.Default
	}
	return func(more ...string) (config.Config, error) {
		given := map[string]string{}
		for _, s := range config.Settings() {
			if f := flags.Lookup(s.Flag); f != nil && f.Changed {
				given[s.Flag] = f.Value.String()
			}
		}
		return config.Load(config.Sources{
			File: *file, Env: slices.Concat(p.env, more), Flags: given,
			Limits: server.LimitTable(), Alerts: server.AlertTable(), Providers: server.ProviderTable(), Now: p.now,
		})
	}
}

// with reads the settings and then acts. From there on an error is the
// command's failure, not a wrong command line.
func (p program) with(settings sources, act func(*cobra.Command, config.Config, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		s, err := settings()
		if err != nil {
			return failure{err}
		}
		if err := act(c, s, args); err != nil {
			return failure{err}
		}
		return nil
	}
}
