package main

import (
	"github.com/spf13/cobra"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

func (p program) messages() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List the newest messages", Args: cobra.NoArgs,
		Long: "List the newest messages and how they stand, beside a running server or without\none. Their texts are kept for nobody, and numbers are masked."}
	var q server.MessagesQuery
	list.Flags().StringVar(&q.Request, "request", "", "`ID` of the request that caused them (X-Request-Id)")
	list.Flags().StringVar(&q.User, "user", "", "`ID` of the user whose they are")
	list.Flags().StringVar(&q.Number, "number", "", "`NUMBER` that they went to")
	list.Flags().StringVar(&q.Provider, "provider", "", "`NAME` of who took them last")
	list.Flags().StringVar(&q.State, "state", "", "queued, sent, delivered, undelivered, failed, expired or withheld")
	list.Flags().IntVar(&q.Limit, "limit", 50, "how many, 1 to 200")
	asJSON := list.Flags().Bool("json", false, "as JSON, as GET /admin/v1/messages answers")
	listSettings := p.addSettings(list, "data_dir")
	list.RunE = p.with(listSettings, func(c *cobra.Command, s config.Config, _ []string) error {
		return server.Messages(c.Context(), s, q, *asJSON, p.stdout)
	})

	explain := &cobra.Command{Use: "explain ID", Short: "Tell the whole way of a message", Args: cobra.ExactArgs(1),
		Long: "Tell by which providers a message went and why, what they and their receipts\nsaid, and why it stands as it does."}
	explainJSON := explain.Flags().Bool("json", false, "as JSON, as GET /admin/v1/messages/{id} answers")
	explainSettings := p.addSettings(explain, "data_dir")
	explain.RunE = p.with(explainSettings, func(c *cobra.Command, s config.Config, args []string) error {
		return server.ExplainMessage(c.Context(), s, args[0], *explainJSON, p.stdout)
	})
	return group("messages", "See where messages are", list, explain)
}
