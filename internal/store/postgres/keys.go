package postgres

import (
	"context"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
)

// AddKey implements core.Store.
func (s *Store) AddKey(ctx context.Context, key keyring.StoredKey) (core.Outcome, error) {
	return write(ctx, s, "adding a key", func(tx *tx, out *core.Outcome) {
		var added int64
		tx.changes(&added, "INSERT INTO keys (id, slot, sealed, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			key.ID, key.Slot, key.Sealed, key.CreatedAt)
		tx.then(func() { *out = doneOr(added > 0, core.Taken) })
	})
}

// doneOr is Done where it was, else what it was instead.
func doneOr(done bool, instead core.Outcome) core.Outcome {
	if done {
		return core.Done
	}
	return instead
}

// ResealKey implements core.Store.
func (s *Store) ResealKey(ctx context.Context, id string, old, new []byte) (core.Outcome, error) {
	return write(ctx, s, "resealing a key", func(tx *tx, out *core.Outcome) {
		var resealed int64
		tx.changes(&resealed, "UPDATE keys SET sealed = $1 WHERE id = $2 AND sealed = $3", new, id, old)
		tx.then(func() { *out = doneOr(resealed > 0, core.Stale) })
	})
}

// DropKey implements core.Store.
func (s *Store) DropKey(ctx context.Context, id string) (core.Outcome, error) {
	return write(ctx, s, "dropping a key", func(tx *tx, out *core.Outcome) {
		var dropped int64
		tx.changes(&dropped, "DELETE FROM keys WHERE id = $1", id)
		tx.then(func() { *out = doneOr(dropped > 0, core.NotFound) })
	})
}

// Keys implements core.Store. The oldest comes first.
func (s *Store) Keys(ctx context.Context) ([]keyring.StoredKey, error) {
	return read(ctx, s, "reading keys", func(tx *tx, out *[]keyring.StoredKey) {
		collect(tx, out, "SELECT id, slot, sealed, created_at FROM keys ORDER BY created_at, id", func(r *row) (k keyring.StoredKey) {
			r.scan(&k.ID, &k.Slot, &k.Sealed, at(&k.CreatedAt))
			return k
		})
	})
}
