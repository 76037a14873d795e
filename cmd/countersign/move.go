package main

import (
	"github.com/spf13/cobra"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

func (p program) move() *cobra.Command {
	c := &cobra.Command{Use: "move", Short: "Move the embedded database to PostgreSQL", Args: cobra.NoArgs,
		Long: "Copy everything in data_dir's database to the PostgreSQL database that\n" +
			"COUNTERSIGN_DATABASE_URL (database_url) names, which must be empty, and compare\n" +
			"the two by counts and checksums. Sessions stay valid, pending codes open, counts\n" +
			"and locks hold. The server must be stopped. A move that was stopped goes on when\n" +
			"it is run again; until it is done no server starts over the new database, and\n" +
			"from then on none over the old one. The master key is not moved."}
	to := c.Flags().String("to", "", "`URL` in place of database_url; all users of this machine can read it while the command runs")
	settings := p.addSettings(c, "data_dir")
	given := func(...string) (config.Config, error) {
		if *to == "" {
			return settings()
		}
		return settings(config.EnvPrefix + "DATABASE_URL=" + *to) // judged as any setting is, and never told
	}
	c.RunE = p.with(given, func(c *cobra.Command, s config.Config, _ []string) error {
		return server.Move(c.Context(), s, p.options(s), p.stdout)
	})
	return c
}
