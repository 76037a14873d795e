package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

func (p program) doctor() *cobra.Command {
	c := &cobra.Command{Use: "doctor", Short: "Look whether messages can go out and receipts come in", Args: cobra.NoArgs,
		Long: "Look at the settings, at each provider of messages (is it reached, does it know\n" +
			"the credentials and the sender) and whether their receipts reach the running\n" +
			"server. Nothing is sent. It ends with 1 where something is wrong.\n\n" +
			"--send sends one message to a number, past all limits and budgets, once you have\n" +
			"seen its price. It holds no code."}
	var d server.DoctorOptions
	c.Flags().BoolVar(&d.JSON, "json", false, "as JSON")
	c.Flags().StringVar(&d.To, "send", "", "`NUMBER` to send one real message to, which may cost money")
	c.Flags().StringVar(&d.Provider, "provider", "", "`NAME` of who sends it; by default the first that serves the number's country")
	c.Flags().BoolVar(&d.Yes, "yes", false, "send it without asking")
	settings := p.addSettings(c, "data_dir")
	run := p.with(settings, func(c *cobra.Command, s config.Config, _ []string) error {
		if !d.JSON {
			d.Confirm = p.confirm(os.Stdin)
		}
		return server.Doctor(c.Context(), s, p.options(s), d, p.stdout)
	})
	c.RunE = func(c *cobra.Command, args []string) error {
		if d.To == "" && (d.Provider != "" || d.Yes) {
			return errors.New("doctor: --provider and --yes go with --send")
		}
		return run(c, args)
	}
	return c
}

// confirm asks on a terminal; nil where there is none.
func (p program) confirm(in *os.File) func(string) (bool, error) {
	about, err := in.Stat()
	if err != nil || about.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(question string) (bool, error) {
		if _, err := fmt.Fprint(p.stderr, question+" [y/N] "); err != nil {
			return false, err
		}
		line, err := bufio.NewReader(in).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		word := strings.ToLower(strings.TrimSpace(line))
		return word == "y" || word == "yes", nil
	}
}
