package postgres

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/password"
)

// setPassword sets a user's password and raises the generation. The hash
// before it joins the history, which keeps so many with the current one.
func (tx *tx) setPassword(user core.User, hash password.Hash, keep int, now time.Time) core.User {
	if user.PasswordHash != "" {
		tx.exec("INSERT INTO password_history (user_id, generation, hash) VALUES ($1, $2, $3)",
			user.ID, user.Generation, string(user.PasswordHash))
	}
	tx.exec(`DELETE FROM password_history WHERE user_id = $1 AND generation NOT IN (
		SELECT generation FROM password_history WHERE user_id = $1 ORDER BY generation DESC LIMIT $2)`, user.ID, max(keep-1, 0))
	user.PasswordHash, user.UpdatedAt = hash, now
	user.Generation++
	tx.exec("UPDATE users SET password_hash = $1, updated_at = $2, generation = $3 WHERE id = $4",
		string(hash), user.UpdatedAt, user.Generation, user.ID)
	return user
}

// history queues the reading of a user's hashes, the current one first.
func (tx *tx) history(into *[]password.Hash, user core.User) {
	if user.PasswordHash != "" {
		*into = append(*into, user.PasswordHash)
	}
	tx.earlier(into, user.ID)
}

// earlier queues the reading of the hashes before the current one, the latest
// first.
func (tx *tx) earlier(into *[]password.Hash, userID string) {
	collect(tx, into, "SELECT hash FROM password_history WHERE user_id = $1 ORDER BY generation DESC", func(r *row) password.Hash {
		var hash string
		r.scan(&hash)
		return password.Hash(hash)
	}, userID)
}

// PasswordHistory implements core.Store.
func (s *Store) PasswordHistory(ctx context.Context, userID string) ([]password.Hash, error) {
	return find(ctx, s, "reading a password history", func(tx *tx, out *[]password.Hash, found *bool) {
		tx.ask("SELECT password_hash FROM users WHERE id = $1", func(r *row) {
			var hash string
			if r.scan(&hash); hash != "" {
				*out = append(*out, password.Hash(hash))
			}
			*found = true
		}, userID)
		tx.earlier(out, userID)
	})
}
