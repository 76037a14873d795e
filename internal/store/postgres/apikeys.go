package postgres

import (
	"context"

	"github.com/countersign/countersign/internal/core"
)

const keyFields = "id, name, hash, scopes, created_at, expires_at, revoked_at"

func readAPIKey(r *row) (k core.APIKey) {
	r.scan(&k.ID, &k.Name, &k.Hash, (*words)(&k.Scopes), at(&k.CreatedAt), at(&k.ExpiresAt), at(&k.RevokedAt))
	return k
}

// AddAPIKey implements core.Store.
func (s *Store) AddAPIKey(ctx context.Context, in core.AddAPIKey) (core.Outcome, error) {
	return write(ctx, s, "adding an API key", func(tx *tx, out *core.Outcome) {
		k := in.Key
		var taken bool
		tx.holdTurn(turnAPIKeys)
		tx.exists(&taken, "SELECT FROM api_keys WHERE name = $1 AND revoked_at = 0 AND (expires_at = 0 OR expires_at > $2)", k.Name, k.CreatedAt)
		if tx.look(); taken {
			*out = core.Taken
			return
		}
		tx.exec("INSERT INTO api_keys ("+keyFields+") VALUES ($1, $2, $3, $4, $5, $6, $7)",
			k.ID, k.Name, k.Hash, joined(k.Scopes), k.CreatedAt, k.ExpiresAt, k.RevokedAt)
		tx.tell(in.Event, core.User{}, "")
		*out = core.Done
	})
}

// RevokeAPIKey implements core.Store.
func (s *Store) RevokeAPIKey(ctx context.Context, in core.RevokeAPIKey) (core.Outcome, error) {
	return write(ctx, s, "revoking an API key", func(tx *tx, out *core.Outcome) {
		tx.holdTurn(turnAPIKeys)
		revoked := tx.changed(`UPDATE api_keys SET revoked_at = $1 WHERE revoked_at = 0 AND (id = $2
			OR name = $2 AND NOT EXISTS (SELECT FROM api_keys WHERE id = $2))`, in.Now, in.Key)
		if revoked == 0 {
			*out = core.NotFound
			return
		}
		tx.tell(in.Event, core.User{}, "")
		*out = core.Done
	})
}

// APIKey implements core.Store.
func (s *Store) APIKey(ctx context.Context, hash []byte) (core.APIKey, error) {
	return find(ctx, s, "reading an API key", func(tx *tx, out *core.APIKey, found *bool) {
		tx.ask("SELECT "+keyFields+" FROM api_keys WHERE hash = $1", func(r *row) {
			*out = readAPIKey(r)
			*found = true
		}, hash)
	})
}

// APIKeys implements core.Store.
func (s *Store) APIKeys(ctx context.Context) ([]core.APIKey, error) {
	return read(ctx, s, "reading API keys", func(tx *tx, out *[]core.APIKey) {
		collect(tx, out, "SELECT "+keyFields+" FROM api_keys ORDER BY created_at, id", readAPIKey)
	})
}
