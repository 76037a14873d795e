package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

// program is the world that commands act in.
type program struct {
	env            []string
	stdout, stderr io.Writer
	now            time.Time // for settings that end; zero lets them stand
}

// commands is the tree of commands. Templates stay cobra's own: to set one
// would keep every method of the program from being dropped by the linker.
func commands(p program) *cobra.Command {
	root := &cobra.Command{
		Use:           "countersign",
		Short:         "Sign people in with their phone number",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(p.serve(), p.config(), p.log(), p.backup(), p.migrate(), p.move(), p.user(), p.sessions(), p.apikey(), p.stats(), p.messages(), p.doctor(), p.version())
	return root
}

func (p program) serve() *cobra.Command {
	c := &cobra.Command{Use: "serve", Short: "Run the server", Args: cobra.NoArgs,
		Long: "Run the server until it is interrupted. With nothing set it works on loopback,\nand messages go to a development inbox."}
	settings := p.addSettings(c, everySetting)
	c.RunE = p.with(settings, func(c *cobra.Command, s config.Config, _ []string) error {
		o := p.options(s)
		return server.Run(c.Context(), s, o, p.stdout)
	})
	return c
}

func (p program) config() *cobra.Command {
	// What has ended by now is told here; a server that starts again goes on without it.
	p.now = time.Now()
	check := &cobra.Command{Use: "check", Short: "Check the settings without running anything", Args: cobra.NoArgs}
	settings := p.addSettings(check, everySetting)
	check.RunE = p.with(settings, func(_ *cobra.Command, s config.Config, _ []string) error {
		if err := server.Check(s); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.stdout, "The settings are fine.")
		return err
	})
	reference := &cobra.Command{Use: "reference", Short: "Print every setting as a commented file", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := io.WriteString(p.stdout, config.Reference(server.LimitTable(), server.AlertTable(), server.ProviderTable())); err != nil {
				return failure{err}
			}
			return nil
		}}
	return group("config", "Check or explain the settings", check, reference)
}

func (p program) log() *cobra.Command {
	verify := &cobra.Command{Use: "verify FILE...", Short: "Check the security log's chain", Args: cobra.MinimumNArgs(1),
		Long: "Check that files of the security log are as they were written: nothing changed,\n" +
			"removed, moved or cut off. Give all files, the newest too, in any order."}
	part := verify.Flags().Bool("part", false, "the newest file is not among them: do not look for the end of the log")
	settings := p.addSettings(verify, "data_dir")
	verify.RunE = p.with(settings, func(c *cobra.Command, s config.Config, files []string) error {
		return server.VerifyLog(c.Context(), s, p.options(s), files, *part, p.stdout)
	})
	return group("log", "Look after the security log", verify)
}

func (p program) backup() *cobra.Command {
	c := &cobra.Command{Use: "backup FILE", Short: "Copy the database, beside a running server or without one", Args: cobra.ExactArgs(1),
		Long: "Write a consistent copy of the database to FILE, which must not exist yet. The\nserver may run meanwhile. The master key is not in the copy."}
	settings := p.addSettings(c, "data_dir")
	c.RunE = p.with(settings, func(c *cobra.Command, s config.Config, args []string) error {
		return server.Backup(c.Context(), s, args[0], p.stdout)
	})
	return c
}

func (p program) migrate() *cobra.Command {
	c := &cobra.Command{Use: "migrate", Short: "Bring the database to this release's schema", Args: cobra.NoArgs,
		Long: "Bring the database to this release's schema. `serve` does the same when it starts."}
	settings := p.addSettings(c, "data_dir")
	c.RunE = p.with(settings, func(c *cobra.Command, s config.Config, _ []string) error {
		return server.Migrate(c.Context(), s, p.options(s), p.stdout)
	})
	return c
}

func (p program) user() *cobra.Command {
	act := func(act server.UserAct, short string) *cobra.Command {
		c := &cobra.Command{Use: string(act) + " NUMBER", Short: short, Args: cobra.ExactArgs(1),
			Long: short + ", beside a running server or without one."}
		why := ""
		if act == server.UserDisable || act == server.UserEnable {
			c.Flags().StringVar(&why, "reason", "operator", "why, for the security log")
		}
		settings := p.addSettings(c, "data_dir")
		c.RunE = p.with(settings, func(c *cobra.Command, s config.Config, args []string) error {
			return server.User(c.Context(), s, act, args[0], why, p.stdout)
		})
		return c
	}
	return group("user", "Look after the account of a phone number",
		act(server.UserShow, "Show the account of a number"),
		act(server.UserDisable, "End an account's sessions and let nobody sign in"),
		act(server.UserEnable, "Let a disabled account sign in again"),
		act(server.UserUnlock, "Forget a number's failed codes and passwords"))
}

func (p program) apikey() *cobra.Command {
	create := &cobra.Command{Use: "create", Short: "Make a key and print it, this once", Args: cobra.NoArgs,
		Long: "Make an API key, beside a running server or without one, and print it, alone on\n" +
			"standard output. It is not shown again: only its hash is kept.\n\n" +
			"Scopes: " + strings.Join(server.Scopes(), ", ")}
	var key server.NewAPIKey
	create.Flags().StringVar(&key.Name, "name", "", "what the key is called, 1 to 64 characters (required)")
	create.Flags().StringSliceVar(&key.Scopes, "scopes", nil, "`LIST` of what it is good for, separated by commas (required)")
	create.Flags().DurationVar(&key.Life, "expires", 0, "how long it works, such as 720h; 0 is until it is revoked")
	// These fail only where there is no such flag.
	_ = create.MarkFlagRequired("name")
	_ = create.MarkFlagRequired("scopes")
	createSettings := p.addSettings(create, "data_dir")
	create.RunE = p.with(createSettings, func(c *cobra.Command, s config.Config, _ []string) error {
		return server.CreateAPIKey(c.Context(), s, key, p.stdout, p.stderr)
	})

	list := &cobra.Command{Use: "list", Short: "List all keys, the ended ones too", Args: cobra.NoArgs,
		Long: "List the names and scopes of all API keys, the ended ones too, beside a running\nserver or without one. The keys themselves are not kept."}
	listSettings := p.addSettings(list, "data_dir")
	list.RunE = p.with(listSettings, func(c *cobra.Command, s config.Config, _ []string) error {
		return server.APIKeys(c.Context(), s, p.stdout)
	})

	revoke := &cobra.Command{Use: "revoke ID|NAME", Short: "End a key at once", Args: cobra.ExactArgs(1),
		Long: "End an API key at once, beside a running server or without one."}
	revokeSettings := p.addSettings(revoke, "data_dir")
	revoke.RunE = p.with(revokeSettings, func(c *cobra.Command, s config.Config, args []string) error {
		return server.RevokeAPIKey(c.Context(), s, args[0], p.stdout)
	})
	return group("apikey", "Look after the keys that let programs in", create, list, revoke)
}

func (p program) stats() *cobra.Command {
	c := &cobra.Command{Use: "stats", Short: "Show how sign-ins and codes went", Args: cobra.NoArgs,
		Long: "Show how many sign-ins succeeded and failed by method and why, how many codes\n" +
			"were sent and used by country and provider, and what limits refused, in a\n" +
			"window that ends now. A running server brings its counts about once a minute."}
	window := c.Flags().Duration("window", time.Hour, "how far back: 1m to 2160h")
	asJSON := c.Flags().Bool("json", false, "as JSON, as GET /admin/v1/stats answers")
	settings := p.addSettings(c, "data_dir")
	c.RunE = p.with(settings, func(c *cobra.Command, s config.Config, _ []string) error {
		return server.Stats(c.Context(), s, *window, *asJSON, p.stdout)
	})
	return c
}

func (p program) version() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := fmt.Fprintf(p.stdout, "countersign %s %s\n", version(), runtime.Version()); err != nil {
				return failure{err}
			}
			return nil
		}}
}

// group is a word that only leads to others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(children...)
	return c
}

func (p program) options(s config.Config) server.Options {
	return server.Options{Log: server.NewLog(p.stderr, s.LogFormat), Version: version()}
}

// version is the release, or the commit, that this binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown version)"
	}
	return info.Main.Version
}
