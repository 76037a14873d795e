package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect/admin"
)

// Stats writes how sign-ins and codes went in the window that ends now, as
// tables for people or as JSON: what GET /admin/v1/stats answers.
func Stats(ctx context.Context, c config.Config, window time.Duration, asJSON bool, stdout io.Writer) error {
	return beside(ctx, c, func(p *parts) error {
		stats, err := p.core.Stats(ctx, core.StatsIn{Window: window})
		var refusal *core.Error
		if errors.As(err, &refusal) && refusal.Code == core.CodeInvalidRequest {
			return refusedFields(refusal)
		}
		if err != nil {
			return err
		}
		if asJSON {
			encoder := json.NewEncoder(stdout)
			encoder.SetIndent("", "  ")
			return encoder.Encode(admin.StatsOf(stats))
		}
		_, err = io.WriteString(stdout, statsText(stats))
		return err
	})
}

func statsText(s core.Stats) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s, all instances\n", timeOr(s.Since, "-"), timeOr(s.Until, "-"))
	writeTable(&b, signInRows(s.SignIns))
	writeTable(&b, codeRows(s.Codes))
	writeTable(&b, reasonRows(s.SignIns))
	refusals := [][]string{{"REFUSED BY LIMIT", "TIMES"}}
	for _, r := range s.Refusals {
		refusals = append(refusals, []string{r.Name, count(r.N)})
	}
	writeTable(&b, refusals)
	writeTable(&b, [][]string{
		{"ALL", "TIMES"},
		{"accounts made", count(s.Accounts)},
		{"locks", count(s.Locks)},
		{"token refreshes", count(s.Refreshes)},
		{"token refreshes failed", count(s.RefreshFails)},
		{"old refresh tokens used", count(s.Reuses)},
	})
	return b.String()
}

func signInRows(signIns []core.SignInStats) [][]string {
	rows := [][]string{{"SIGN-INS BY", "SUCCEEDED", "FAILED", "RATE"}}
	for _, s := range signIns {
		rows = append(rows, []string{s.Method, count(s.Successes), count(s.Failures), percent(s.SuccessRate)})
	}
	return rows
}

// codeRows gives a row to each country, and under it one to each of its
// providers.
func codeRows(codes []core.CodeStats) [][]string {
	rows := [][]string{{"MESSAGES TO", "SENT", "DELIVERED", "FAILED", "WITHHELD", "REDEEMED", "CONVERSION"}}
	for _, c := range codes {
		country := c.Country
		if country == "" {
			country = "unknown"
		}
		rows = append(rows, []string{country, count(c.Sent), count(c.Delivered), count(c.Failed), count(c.Withheld), count(c.Redeemed), percent(c.Conversion)})
		for _, p := range c.Providers {
			rows = append(rows, []string{"  by " + p.Provider, count(p.Sent), count(p.Delivered), count(p.Failed), "", "", ""})
		}
	}
	return rows
}

func reasonRows(signIns []core.SignInStats) [][]string {
	rows := [][]string{{"FAILED FOR", "TIMES"}}
	for _, s := range signIns {
		for _, r := range s.Reasons {
			rows = append(rows, []string{s.Method + ": " + r.Name, count(r.N)})
		}
	}
	return rows
}

// writeTable writes a table whose first row is its head, or nothing where there
// is no other row. Its first column is aligned left, the numbers right.
func writeTable(b *strings.Builder, rows [][]string) {
	if len(rows) < 2 {
		return
	}
	b.WriteString("\n")
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := fmt.Sprintf("%-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			line += fmt.Sprintf("  %*s", widths[i+1], cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// percent writes a rate, or that there is none.
func percent(rate *float64) string {
	if rate == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", *rate*100)
}
