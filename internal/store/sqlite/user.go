package sqlite

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// EditUser implements core.Store.
func (s *Store) EditUser(ctx context.Context, in core.EditUser) (core.EditUserResult, error) {
	return write(ctx, s, "editing a user", func(tx *tx) core.EditUserResult {
		_, user, alive := tx.acting(in.SessionID, in.Now)
		if !alive {
			return core.EditUserResult{Outcome: core.SessionEnded}
		}
		replace(&user.Name, in.Name)
		replace(&user.Email, in.Email)
		replace(&user.Locale, in.Locale)
		user.UpdatedAt = in.Now
		tx.exec("UPDATE users SET name = ?, email = ?, locale = ?, updated_at = ? WHERE id = ?",
			user.Name, user.Email, user.Locale, user.UpdatedAt, user.ID)
		tx.tell(in.Event, user, in.SessionID)
		return core.EditUserResult{Outcome: core.Done, User: user}
	})
}

func replace(member, with *string) {
	if with != nil {
		*member = *with
	}
}

// DeleteUser implements core.Store.
func (s *Store) DeleteUser(ctx context.Context, in core.DeleteUser) (core.Outcome, error) {
	return write(ctx, s, "deleting a user", func(tx *tx) core.Outcome {
		_, user, alive := tx.acting(in.SessionID, in.Now)
		if !alive {
			return core.SessionEnded
		}
		lapsed := in.Now.Add(-sendDay)
		tx.exec(keepCounted, user.ID, user.Phone.Key, lapsed, in.Now, sendDay.Milliseconds())
		tx.exec("DELETE FROM messages WHERE "+ofUserOrNumber+" AND (erased = '' OR created_at <= ?3)", user.ID, user.Phone.Key, lapsed)
		tx.exec("DELETE FROM challenges WHERE "+ofUserOrNumber, user.ID, user.Phone.Key)
		tx.exec("DELETE FROM users WHERE id = ?", user.ID) // takes all that references it along
		tx.tell(in.Event, user, in.SessionID)
		return core.Done
	})
}

const (
	ofUserOrNumber = "(phone_key = ?2 OR (user_id = ?1 AND user_id <> ''))"

	// keepCounted leaves of the messages of challenges that are erased what is
	// counted of the day (C-39), apart from them: nobody is sent more to by
	// deleting accounts. They lapse when nothing counts them any more, as notices do.
	keepCounted = `UPDATE messages SET challenge_id = NULL,
		erased = (SELECT iif(c.redeemed_at = 0, 'open', 'redeemed') FROM challenges c WHERE c.id = challenge_id),
		user_id = '', phone_masked = '', sealed = NULL, sealed_for = '', provider = '', provider_ref = '', request_id = '',
		prefix_key = '', attempts = '',
		state = iif(state = 'queued', 'expired', state), held = min(held, 1),
		holder = '', settled_at = iif(settled_at = 0, ?4, settled_at), expires_at = created_at + ?5
		WHERE challenge_id IN (SELECT id FROM challenges WHERE ` + ofUserOrNumber + `) AND created_at > ?3`
)

// DisableUser implements core.Store. Of a user who is disabled already nothing
// happens, and nothing is told.
func (s *Store) DisableUser(ctx context.Context, in core.ChangeUser) (core.Outcome, error) {
	return write(ctx, s, "disabling a user", func(tx *tx) core.Outcome {
		user, found := tx.user(in.UserID)
		if !found || user.Disabled() {
			return doneIf(found)
		}
		tx.exec("UPDATE users SET generation = generation + 1 WHERE id = ?", user.ID)
		tx.setDisabled(user.ID, in.Now, in.Now)
		tx.endAll(user.ID, "", "disabled", in.Now)
		tx.exec(voidOfUser, in.Now, user.ID)
		tx.exec(voidOfNumber, in.Now, user.Phone.Key)
		tx.tell(in.Event, user, "")
		return core.Done
	})
}

// EnableUser implements core.Store.
func (s *Store) EnableUser(ctx context.Context, in core.ChangeUser) (core.Outcome, error) {
	return write(ctx, s, "enabling a user", func(tx *tx) core.Outcome {
		user, found := tx.user(in.UserID)
		if !found || !user.Disabled() {
			return doneIf(found)
		}
		tx.setDisabled(user.ID, time.Time{}, in.Now)
		tx.tell(in.Event, user, "")
		return core.Done
	})
}

func (tx *tx) setDisabled(userID string, at, now time.Time) {
	tx.exec("UPDATE users SET disabled_at = ?, updated_at = ? WHERE id = ?", at, now, userID)
}

func doneIf(found bool) core.Outcome {
	if found {
		return core.Done
	}
	return core.NotFound
}

// UnlockNumber implements core.Store.
func (s *Store) UnlockNumber(ctx context.Context, in core.UnlockNumber) error {
	_, err := write(ctx, s, "unlocking a number", func(tx *tx) struct{} {
		tx.exec("DELETE FROM failures WHERE phone_key = ?", in.PhoneKey)
		owner, _ := tx.ownerOf(in.PhoneKey)
		tx.tell(in.Event, whoHas(owner, in.PhoneKey), "")
		return struct{}{}
	})
	return err
}

// User implements core.Store.
func (s *Store) User(ctx context.Context, id string) (core.User, error) {
	return find(ctx, s, "reading a user", func(tx *tx) (core.User, bool) { return tx.user(id) })
}

// Number implements core.Store. It asks the same of a number that nobody has.
func (s *Store) Number(ctx context.Context, key, deviceID string) (core.NumberState, error) {
	return read(ctx, s, "reading a number", func(tx *tx) (state core.NumberState) {
		tx.one(`SELECT coalesce(f.in_row, 0), coalesce(f.last_failed_at, 0), d.id IS NOT NULL, coalesce(d.proved_at, 0) > 0, u.id IS NOT NULL, `+userColumns+`
			FROM (SELECT ?1 AS phone_key) n
			LEFT JOIN failures f ON f.phone_key = n.phone_key AND f.device_id = '' AND f.method = 'sms'
			LEFT JOIN phones p ON p.phone_key = n.phone_key
			LEFT JOIN users u ON u.id = p.user_id
			LEFT JOIN devices d ON d.id = ?2 AND d.user_id = u.id`, func(r *row) {
			state.CodeFailures, state.LastFailedAt = r.int(), r.time()
			state.KnownDevice, state.DeviceProved = r.flag(), r.flag()
			if found, owner := r.flag(), readUser(r); found {
				state.User = owner
			}
		}, key, deviceID)
		return state
	})
}
