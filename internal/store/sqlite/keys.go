package sqlite

import (
	"context"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// AddKey implements core.Store.
func (s *Store) AddKey(ctx context.Context, key keyring.StoredKey) (core.Outcome, error) {
	return write(ctx, s, "adding a key", func(tx *tx) core.Outcome {
		added := tx.exec("INSERT INTO keys (id, slot, sealed, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			key.ID, key.Slot, key.Sealed, key.CreatedAt)
		if added == 0 {
			return core.Taken
		}
		return core.Done
	})
}

// ResealKey implements core.Store.
func (s *Store) ResealKey(ctx context.Context, id string, old, new []byte) (core.Outcome, error) {
	return write(ctx, s, "resealing a key", func(tx *tx) core.Outcome {
		if tx.exec("UPDATE keys SET sealed = ? WHERE id = ? AND sealed = ?", new, id, old) == 0 {
			return core.Stale
		}
		return core.Done
	})
}

// DropKey implements core.Store.
func (s *Store) DropKey(ctx context.Context, id string) (core.Outcome, error) {
	return write(ctx, s, "dropping a key", func(tx *tx) core.Outcome {
		if tx.exec("DELETE FROM keys WHERE id = ?", id) == 0 {
			return core.NotFound
		}
		return core.Done
	})
}

// Keys implements core.Store. The oldest comes first.
func (s *Store) Keys(ctx context.Context) ([]keyring.StoredKey, error) {
	return read(ctx, s, "reading keys", func(tx *tx) []keyring.StoredKey {
		return collect(tx, "SELECT id, slot, sealed, created_at FROM keys ORDER BY created_at, id", func(r *row) keyring.StoredKey {
			return keyring.StoredKey{ID: r.text(), Slot: r.text(), Sealed: r.blob(), CreatedAt: r.time()}
		})
	})
}
