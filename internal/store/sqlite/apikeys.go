package sqlite

import (
	"context"
	"strings"

	"github.com/countersign/countersign/internal/core"
)

const apiKeyColumns = "id, name, hash, scopes, created_at, expires_at, revoked_at"

func readAPIKey(r *row) core.APIKey {
	return core.APIKey{
		ID: r.text(), Name: r.text(), Hash: r.blob(), Scopes: strings.Fields(r.text()),
		CreatedAt: r.time(), ExpiresAt: r.time(), RevokedAt: r.time(),
	}
}

// AddAPIKey implements core.Store.
func (s *Store) AddAPIKey(ctx context.Context, in core.AddAPIKey) (core.Outcome, error) {
	return write(ctx, s, "adding an API key", func(tx *tx) core.Outcome {
		k := in.Key
		if tx.exists("SELECT 1 FROM api_keys WHERE name = ? AND revoked_at = 0 AND (expires_at = 0 OR expires_at > ?)", k.Name, k.CreatedAt) {
			return core.Taken
		}
		tx.exec("INSERT INTO api_keys ("+apiKeyColumns+") VALUES (?, ?, ?, ?, ?, ?, ?)",
			k.ID, k.Name, k.Hash, strings.Join(k.Scopes, " "), k.CreatedAt, k.ExpiresAt, k.RevokedAt)
		tx.tell(in.Event, core.User{}, "")
		return core.Done
	})
}

// RevokeAPIKey implements core.Store.
func (s *Store) RevokeAPIKey(ctx context.Context, in core.RevokeAPIKey) (core.Outcome, error) {
	return write(ctx, s, "revoking an API key", func(tx *tx) core.Outcome {
		which := "name"
		if tx.exists("SELECT 1 FROM api_keys WHERE id = ?", in.Key) {
			which = "id"
		}
		if tx.exec("UPDATE api_keys SET revoked_at = ? WHERE "+which+" = ? AND revoked_at = 0", in.Now, in.Key) == 0 {
			return core.NotFound
		}
		tx.tell(in.Event, core.User{}, "")
		return core.Done
	})
}

// APIKey implements core.Store.
func (s *Store) APIKey(ctx context.Context, hash []byte) (core.APIKey, error) {
	return find(ctx, s, "reading an API key", func(tx *tx) (k core.APIKey, found bool) {
		found = tx.one("SELECT "+apiKeyColumns+" FROM api_keys WHERE hash = ?", func(r *row) { k = readAPIKey(r) }, hash)
		return k, found
	})
}

// APIKeys implements core.Store.
func (s *Store) APIKeys(ctx context.Context) ([]core.APIKey, error) {
	return read(ctx, s, "reading API keys", func(tx *tx) []core.APIKey {
		return collect(tx, "SELECT "+apiKeyColumns+" FROM api_keys ORDER BY created_at, id", readAPIKey)
	})
}
