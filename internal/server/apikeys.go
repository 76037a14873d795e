package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
)

// NewAPIKey is what an operator asks for in a key.
type NewAPIKey struct {
	Name   string
	Scopes []string
	Life   time.Duration // 0: it does not end by itself
}

// Scopes lists what an API key may be good for.
func Scopes() []string {
	var scopes []string
	for _, scope := range core.KeyScopes() {
		scopes = append(scopes, string(scope))
	}
	return scopes
}

// CreateAPIKey makes an API key, beside a running server or without one. The
// key goes to stdout and is all that goes there; what to know about it goes to
// stderr.
func CreateAPIKey(ctx context.Context, c config.Config, key NewAPIKey, stdout, stderr io.Writer) error {
	return beside(ctx, c, func(p *parts) error {
		for i, scope := range key.Scopes {
			key.Scopes[i] = strings.TrimSpace(scope)
		}
		made, secret, err := p.core.CreateAPIKey(ctx, keyCaller(), core.CreateAPIKeyIn{Name: key.Name, Scopes: key.Scopes, Life: key.Life})
		if err != nil {
			return explainedKey(key.Name, err)
		}
		if _, err := fmt.Fprintln(stdout, secret.Reveal()); err != nil {
			return fmt.Errorf("the key was made and could not be shown: %w; revoke it (%s) and make another", err, made.ID)
		}
		_, err = fmt.Fprintf(stderr, "API key %s, %q, for %s; it ends: %s.\nIt is not shown again: keep it where secrets are kept.\n",
			made.ID, made.Name, strings.Join(made.Scopes, ", "), timeOr(made.ExpiresAt, "never"))
		return err
	})
}

// APIKeys lists all API keys, the ended ones too, and never what they are.
func APIKeys(ctx context.Context, c config.Config, stdout io.Writer) error {
	return beside(ctx, c, func(p *parts) error {
		keys, err := p.core.APIKeys(ctx, keyCaller())
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tSCOPES\tCREATED\tEXPIRES\tREVOKED")
		for _, k := range keys {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, strings.Join(k.Scopes, ","),
				timeOr(k.CreatedAt, "-"), timeOr(k.ExpiresAt, "never"), timeOr(k.RevokedAt, "no"))
		}
		return w.Flush() // which tells of every write
	})
}

// RevokeAPIKey ends an API key, by its id or its name. A running server refuses
// it at once.
func RevokeAPIKey(ctx context.Context, c config.Config, idOrName string, stdout io.Writer) error {
	return beside(ctx, c, func(p *parts) error {
		if err := p.core.RevokeAPIKey(ctx, keyCaller(), idOrName); err != nil {
			return explainedKey(idOrName, err)
		}
		_, err := fmt.Fprintf(stdout, "API key %s: revoked.\n", idOrName)
		return err
	})
}

func keyCaller() core.Caller { return core.Caller{UserAgent: "countersign apikey"} }

func timeOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.RFC3339)
}

// explainedKey says in an operator's words what the core refused.
func explainedKey(key string, err error) error {
	var refusal *core.Error
	if !errors.As(err, &refusal) {
		return err
	}
	switch refusal.Code {
	case core.CodeNotFound:
		return fmt.Errorf("there is no API key %q that is not revoked; `countersign apikey list` shows them all", key)
	case core.CodeInvalidRequest:
		return refusedFields(refusal)
	}
	return err
}

// refusedFields says which flags were not right. Those are named as the core
// names its fields, but for one.
func refusedFields(refusal *core.Error) error {
	lines := make([]string, len(refusal.Fields))
	for i, field := range refusal.Fields {
		name := field.Name
		if name == "life" {
			name = "expires"
		}
		lines[i] = "--" + name + " " + field.Message
	}
	return errors.New(strings.Join(lines, "; "))
}
