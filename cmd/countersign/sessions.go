package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

func (p program) sessions() *cobra.Command {
	end := &cobra.Command{Use: "end --all", Short: "End everybody's sessions, as after a restore", Args: cobra.NoArgs,
		Long: "End every session and every code of everybody that was made up to now, beside a\n" +
			"running server or without one. Do this after each restore of a backup: what was\n" +
			"ended since the backup was made would come alive again. Accounts, passwords and\n" +
			"API keys stay."}
	all := end.Flags().Bool("all", false, "of everybody (required: there is no other choice, and no way back)")
	why := end.Flags().String("reason", "operator", "why, for the security log")
	settings := p.addSettings(end, "data_dir")
	run := p.with(settings, func(c *cobra.Command, s config.Config, _ []string) error {
		return server.EndAllSessions(c.Context(), s, *why, p.stdout)
	})
	end.RunE = func(c *cobra.Command, args []string) error {
		if !*all {
			return errors.New("sessions end: say --all to end everybody's sessions; `countersign user disable NUMBER` ends one account's")
		}
		return run(c, args)
	}
	return group("sessions", "End everybody's sessions", end)
}
