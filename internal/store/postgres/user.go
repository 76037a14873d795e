package postgres

import (
	"context"

	"github.com/countersign/countersign/internal/core"
)

// EditUser implements core.Store.
func (s *Store) EditUser(ctx context.Context, in core.EditUser) (core.EditUserResult, error) {
	return write(ctx, s, "editing a user", func(tx *tx, out *core.EditUserResult) {
		var session aSession
		tx.acting(&session, in.SessionID)
		if tx.look(); !session.alive(in.Now) {
			out.Outcome = core.SessionEnded
			return
		}
		user := session.user
		replace(&user.Name, in.Name)
		replace(&user.Email, in.Email)
		replace(&user.Locale, in.Locale)
		user.UpdatedAt = in.Now
		tx.exec("UPDATE users SET name = $1, email = $2, locale = $3, updated_at = $4 WHERE id = $5",
			user.Name, user.Email, user.Locale, user.UpdatedAt, user.ID)
		tx.tell(in.Event, user, in.SessionID)
		out.Outcome, out.User = core.Done, user
	})
}

func replace(member, with *string) {
	if with != nil {
		*member = *with
	}
}

// DeleteUser implements core.Store.
func (s *Store) DeleteUser(ctx context.Context, in core.DeleteUser) (core.Outcome, error) {
	return write(ctx, s, "deleting a user", func(tx *tx, out *core.Outcome) {
		var session aSession
		tx.holdNumbers(numberOfSession, in.SessionID, in.Now)
		tx.acting(&session, in.SessionID)
		if tx.look(); !session.alive(in.Now) {
			*out = core.SessionEnded
			return
		}
		user := session.user
		if !tx.mustHold(user.Phone.Key) {
			return
		}
		lapsed := in.Now.Add(-sendDay)
		tx.exec("SELECT FROM challenges c WHERE "+ofUserOrNumber+" ORDER BY id FOR UPDATE", user.ID, user.Phone.Key)
		tx.exec(keepCounted, user.ID, user.Phone.Key, lapsed, in.Now, sendDay)
		tx.exec("DELETE FROM messages c WHERE "+ofUserOrNumber+" AND (erased = '' OR created_at <= $3)", user.ID, user.Phone.Key, lapsed)
		tx.exec("DELETE FROM challenges c WHERE "+ofUserOrNumber, user.ID, user.Phone.Key)
		tx.exec("DELETE FROM users WHERE id = $1", user.ID) // takes all that references it along
		tx.tell(in.Event, user, in.SessionID)
		*out = core.Done
	})
}

const (
	ofUserOrNumber = "(c.phone_key = $2 OR (c.user_id = $1 AND c.user_id <> ''))"

	// keepCounted leaves of the messages of challenges that are erased what is
	// counted of the day (C-39), apart from them: nobody is sent more to by
	// deleting accounts. They lapse when nothing counts them any more, as notices do.
	keepCounted = `UPDATE messages m SET challenge_id = NULL, erased = CASE c.redeemed_at WHEN 0 THEN 'open' ELSE 'redeemed' END,
		user_id = '', phone_masked = '', sealed = NULL, sealed_for = '', provider = '', provider_ref = '', request_id = '',
		prefix_key = '', attempts = '',
		state = CASE m.state WHEN 'queued' THEN 'expired' ELSE m.state END, held = least(m.held, 1),
		holder = '', settled_at = CASE m.settled_at WHEN 0 THEN $4 ELSE m.settled_at END, expires_at = m.created_at + $5
		FROM challenges c WHERE c.id = m.challenge_id AND ` + ofUserOrNumber + ` AND m.created_at > $3`
)

// DisableUser implements core.Store. Of a user who is disabled already nothing
// happens, and nothing is told.
func (s *Store) DisableUser(ctx context.Context, in core.ChangeUser) (core.Outcome, error) {
	return write(ctx, s, "disabling a user", func(tx *tx, out *core.Outcome) {
		var user aUser
		tx.holdNumbers(numberOfUser, in.UserID, in.Now)
		tx.holdUser(thisUser, in.UserID)
		tx.user(&user, byID, in.UserID)
		tx.look()
		*out = doneIf(user.found)
		if !user.found || user.Disabled() || !tx.mustHold(user.Phone.Key) {
			return
		}
		tx.exec(voidOfUser, in.Now, user.ID)
		tx.exec(voidOfNumber, in.Now, user.Phone.Key)
		tx.endAll(user.ID, "", "disabled", in.Now)
		tx.exec("UPDATE users SET generation = generation + 1, disabled_at = $1, updated_at = $1 WHERE id = $2", in.Now, user.ID)
		tx.tell(in.Event, user.User, "")
	})
}

// EnableUser implements core.Store.
func (s *Store) EnableUser(ctx context.Context, in core.ChangeUser) (core.Outcome, error) {
	return write(ctx, s, "enabling a user", func(tx *tx, out *core.Outcome) {
		var user aUser
		tx.holdUser(thisUser, in.UserID)
		tx.user(&user, byID, in.UserID)
		tx.look()
		*out = doneIf(user.found)
		if !user.found || !user.Disabled() {
			return
		}
		tx.exec("UPDATE users SET disabled_at = 0, updated_at = $1 WHERE id = $2", in.Now, user.ID)
		tx.tell(in.Event, user.User, "")
	})
}

func doneIf(found bool) core.Outcome {
	if found {
		return core.Done
	}
	return core.NotFound
}

// UnlockNumber implements core.Store.
func (s *Store) UnlockNumber(ctx context.Context, in core.UnlockNumber) error {
	_, err := write(ctx, s, "unlocking a number", func(tx *tx, _ *struct{}) {
		var owner aUser
		tx.holdNumbers(thisNumber, in.PhoneKey, in.Now)
		tx.user(&owner, byPhone, in.PhoneKey)
		tx.look()
		tx.exec("DELETE FROM failures WHERE phone_key = $1", in.PhoneKey)
		of := owner.User
		of.Phone.Key = in.PhoneKey // also where nobody has it
		tx.tell(in.Event, of, "")
	})
	return err
}

// User implements core.Store.
func (s *Store) User(ctx context.Context, id string) (core.User, error) {
	return find(ctx, s, "reading a user", func(tx *tx, out *core.User, found *bool) {
		tx.ask("SELECT "+userColumns+usersOf+"WHERE u.id = $1", func(r *row) {
			r.scan(intoUser(out)...)
			*found = true
		}, id)
	})
}

// Number implements core.Store. It asks the same of a number that nobody has.
func (s *Store) Number(ctx context.Context, key, deviceID string) (core.NumberState, error) {
	return read(ctx, s, "reading a number", func(tx *tx, out *core.NumberState) {
		var owner aUser
		tx.user(&owner, byPhone, key)
		tx.ask(`SELECT d.proved_at > 0 FROM devices d JOIN phones p ON p.user_id = d.user_id
			WHERE d.id = $1 AND p.phone_key = $2`, func(r *row) {
			r.scan(&out.DeviceProved)
			out.KnownDevice = true
		}, deviceID, key)
		tx.ask("SELECT in_row, last_failed_at FROM failures WHERE phone_key = $1 AND device_id = '' AND method = 'sms'", func(r *row) {
			r.scan(&out.CodeFailures, at(&out.LastFailedAt))
		}, key)
		tx.then(func() { out.User = owner.User })
	})
}
