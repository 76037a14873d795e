package sqlite

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/password"
)

// TryPassword implements core.Store.
func (s *Store) TryPassword(ctx context.Context, in core.TryPassword) (core.TryPasswordResult, error) {
	return write(ctx, s, "trying a password", func(tx *tx) core.TryPasswordResult {
		if in.SessionID != "" {
			if _, _, alive := tx.acting(in.SessionID, in.Now); !alive {
				return core.TryPasswordResult{Outcome: core.SessionEnded}
			}
		}
		result := core.TryPasswordResult{Outcome: core.Done}
		result.User, result.Found = tx.ownerOf(in.PhoneKey)
		failures := tx.counter(in.PhoneKey, tx.knownDevice(in.DeviceID, result.User.ID), byPassword)
		result.KnownDevice = failures.DeviceID != ""

		if until := failures.PasswordLock(in.Limits, in.Now); !until.IsZero() {
			result.Outcome, result.RetryAt, result.Failures = core.Locked, until, failures.InRow
			return result
		}
		waited := !failures.WaitsUntil.IsZero()
		failures.AddPassword(in.Limits, in.Now)
		tx.save(failures)
		if waited {
			tx.tell(in.OnUnlocked, whoHas(result.User, in.PhoneKey), in.SessionID)
		}
		result.Failures = failures.InRow
		result.LockedUntil = failures.PasswordLock(in.Limits, in.Now)
		return result
	})
}

// whoHas is whom an event about a number tells of, also where nobody has it.
func whoHas(owner core.User, phoneKey string) core.User {
	owner.Phone.Key = phoneKey
	return owner
}

// FailPassword implements core.Store.
func (s *Store) FailPassword(ctx context.Context, in core.FailPassword) error {
	_, err := write(ctx, s, "failing a password", func(tx *tx) struct{} {
		tx.tell(in.OnFailed, core.User{}, "")
		tx.tell(in.OnLocked, core.User{}, "")
		return struct{}{}
	})
	return err
}

// PassPassword implements core.Store.
func (s *Store) PassPassword(ctx context.Context, in core.TriedPassword) error {
	_, err := write(ctx, s, "passing a password", func(tx *tx) struct{} {
		tx.clear(in)
		return struct{}{}
	})
	return err
}

// OpenSession implements core.Store.
func (s *Store) OpenSession(ctx context.Context, in core.OpenSession) (core.SessionResult, error) {
	return write(ctx, s, "opening a session", func(tx *tx) core.SessionResult {
		user, found := tx.user(in.UserID)
		if !found || user.Generation != in.Generation {
			return core.SessionResult{Outcome: core.Stale}
		}
		tx.clear(in.Tried)
		if user.Disabled() {
			tx.tell(in.OnDisabled, user, "")
			return core.SessionResult{Outcome: core.Disabled, User: user}
		}
		user = tx.upgrade(user, in.Upgraded)
		return core.SessionResult{Outcome: core.Done, User: user, Session: tx.open(in.SignIn, user, byPassword, in.Now)}
	})
}

// ConfirmSession implements core.Store.
func (s *Store) ConfirmSession(ctx context.Context, in core.ConfirmSession) (core.SessionResult, error) {
	return write(ctx, s, "confirming a session", func(tx *tx) core.SessionResult {
		session, user, alive := tx.acting(in.SessionID, in.Now)
		if !alive {
			return core.SessionResult{Outcome: core.SessionEnded}
		}
		if user.Generation != in.Generation {
			return core.SessionResult{Outcome: core.Stale}
		}
		tx.clear(in.Tried)
		user = tx.upgrade(user, in.Upgraded)
		session = tx.confirm(session.ID, core.MethodPassword, in.TokenKeyID, in.Now)
		tx.tell(in.OnConfirmed, user, session.ID)
		return core.SessionResult{Outcome: core.Done, Session: session, User: user}
	})
}

// SetPassword implements core.Store.
func (s *Store) SetPassword(ctx context.Context, in core.SetPassword) (core.Outcome, error) {
	return write(ctx, s, "setting a password", func(tx *tx) core.Outcome {
		_, user, alive := tx.acting(in.SessionID, in.Now)
		if !alive {
			return core.SessionEnded
		}
		if user.Generation != in.Generation {
			return core.Stale
		}
		tx.clear(in.Tried)
		user = tx.setPassword(user, in.Hash, in.HistoryKeep, in.Now)
		tx.endAll(user.ID, in.SessionID, "password_change", in.Now)
		tx.exec(voidOfUser, in.Now, user.ID)
		tx.tell(in.OnChanged, user, in.SessionID)
		return core.Done
	})
}

// clear sets the counter to zero that a right password was tried under.
func (tx *tx) clear(tried core.TriedPassword) {
	if tried.PhoneKey == "" {
		return
	}
	device := ""
	if tried.KnownDevice {
		device = tried.DeviceID
	}
	tx.exec("DELETE FROM failures WHERE phone_key = ? AND device_id = ? AND method = 'password'", tried.PhoneKey, device)
}

// upgrade replaces the hash by one of the same password with today's
// parameters. The history does not see it.
func (tx *tx) upgrade(user core.User, hash password.Hash) core.User {
	if hash != "" {
		user.PasswordHash = hash
		tx.exec("UPDATE users SET password_hash = ? WHERE id = ?", string(hash), user.ID)
	}
	return user
}

// setPassword sets a user's password and raises the generation. The hash
// before it joins the history, which keeps so many with the current one.
func (tx *tx) setPassword(user core.User, hash password.Hash, keep int, now time.Time) core.User {
	if user.PasswordHash != "" {
		tx.exec("INSERT INTO password_history (user_id, hash) VALUES (?, ?)", user.ID, string(user.PasswordHash))
	}
	tx.exec(`DELETE FROM password_history WHERE user_id = ?1 AND position NOT IN (
		SELECT position FROM password_history WHERE user_id = ?1 ORDER BY position DESC LIMIT ?2)`, user.ID, max(keep-1, 0))
	user.PasswordHash, user.UpdatedAt = hash, now
	user.Generation++
	tx.exec("UPDATE users SET password_hash = ?, updated_at = ?, generation = ? WHERE id = ?",
		string(hash), user.UpdatedAt, user.Generation, user.ID)
	return user
}

// history is a user's hashes, the current one first.
func (tx *tx) history(user core.User) []password.Hash {
	var hashes []password.Hash
	if user.PasswordHash != "" {
		hashes = append(hashes, user.PasswordHash)
	}
	tx.all("SELECT hash FROM password_history WHERE user_id = ? ORDER BY position DESC", func(r *row) {
		hashes = append(hashes, password.Hash(r.text()))
	}, user.ID)
	return hashes
}

// PasswordHistory implements core.Store.
func (s *Store) PasswordHistory(ctx context.Context, userID string) ([]password.Hash, error) {
	return find(ctx, s, "reading a password history", func(tx *tx) ([]password.Hash, bool) {
		user, found := tx.user(userID)
		return tx.history(user), found
	})
}
