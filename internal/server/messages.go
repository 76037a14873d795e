package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect/admin"
)

// MessagesQuery says which messages an operator wants to see; empty members bound
// nothing.
type MessagesQuery struct {
	Request, User, Number, Provider, State string
	Limit                                  int
}

// Messages lists the newest messages, beside a running server or without one.
func Messages(ctx context.Context, c config.Config, q MessagesQuery, asJSON bool, stdout io.Writer) error {
	return beside(ctx, c, func(p *parts) error {
		page, err := p.core.FindMessages(ctx, core.MessagesIn{
			RequestID: q.Request, UserID: q.User, PhoneNumber: q.Number, Provider: q.Provider,
			State: core.MessageState(q.State), Limit: q.Limit,
		})
		if err != nil {
			return explainedMessages(q, err)
		}
		if asJSON {
			return writeIndented(stdout, admin.MessagesOf(page, p.core.Currency()))
		}
		_, err = io.WriteString(stdout, messageTable(page.Messages))
		return err
	})
}

// ExplainMessage tells the whole way of a message.
func ExplainMessage(ctx context.Context, c config.Config, id string, asJSON bool, stdout io.Writer) error {
	return beside(ctx, c, func(p *parts) error {
		m, err := p.core.Message(ctx, id)
		var refusal *core.Error
		if errors.As(err, &refusal) && refusal.Code == core.CodeNotFound {
			return fmt.Errorf("there is no message %s: `countersign messages list` shows which there are", id)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return writeIndented(stdout, admin.MessageOf(m, p.core.Currency()))
		}
		_, err = io.WriteString(stdout, explanation(m, p.core.Currency()))
		return err
	})
}

func explainedMessages(q MessagesQuery, err error) error {
	var refusal *core.Error
	if errors.As(err, &refusal) && refusal.Code == core.CodeInvalidRequest {
		return fmt.Errorf("--%s %s", refusal.Fields[0].Name, refusal.Fields[0].Message)
	}
	return explained(q.Number, err)
}

func writeIndented(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func messageTable(messages []core.Message) string {
	rows := [][]string{{"ID", "MADE", "NUMBER", "PURPOSE", "CHANNEL", "STATE", "PROVIDER", "TRIES"}}
	for _, m := range messages {
		provider, _ := m.Route()
		rows = append(rows, []string{
			m.ID, atTime(m.CreatedAt), m.PhoneMasked, m.Purpose, string(m.Channel), string(m.State), provider, fmt.Sprint(m.Tries),
		})
	}
	if len(rows) == 1 {
		return "There are no such messages.\n"
	}
	var b strings.Builder
	writeTable(&b, rows)
	return strings.TrimPrefix(b.String(), "\n")
}

// explanation tells a message's way from its making to where it stands.
func explanation(m core.Message, currency string) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("message", "%s", m.ID)
	line("number", "%s %s", m.PhoneMasked, m.Country)
	line("purpose", "%s, by %s", m.Purpose, m.Channel)
	line("made", "%s, of no use from %s", atTime(m.CreatedAt), atTime(m.ExpiresAt))
	line("request", "%s", m.RequestID)
	line("price", "%v %s a try, as reserved", m.Price, currency)
	for i, a := range m.Attempts {
		fmt.Fprintf(&b, "\ntry %d     by %s: %s\n", i+1, a.Provider, a.Why)
		line("", "%s  handed to the provider", atTime(a.BeganAt))
		switch {
		case a.EndedAt.IsZero():
			line("", "%-24s  no answer was seen: it may have gone out", "")
		case a.Failure != "":
			line("", "%s  not taken: %s %s", atTime(a.EndedAt), a.Failure, a.Code)
		default:
			line("", "%s  taken, as %s", atTime(a.EndedAt), a.ProviderRef)
		}
		for _, s := range a.States {
			line("", "%s  %s %s", atTime(s.At), s.State, s.Code)
		}
		if !a.CostAt.IsZero() {
			line("", "%-24s  counted as %v %s", "", a.Cost, currency)
		}
	}
	fmt.Fprintf(&b, "\n%-9s %s: %s\n", "stands", m.State, m.Explain())
	return b.String()
}

// atTime writes a time as the API does.
func atTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
