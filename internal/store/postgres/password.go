package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/password"
)

// countTry counts a failure ahead, unless the counter is locked: then it gives no
// row. $1 to $10 are the event of a wait that has run out, $11 the number, $12 the
// device that shows itself, $13 the time, $14 the waits that each failure earns
// (the last one all later ones), $15 how many times are kept, $16 at how many the
// number closes to strangers, $17 and $18 a device's limit and window. It is
// Failures.PasswordLock and Failures.AddPassword in SQL, so that it is one step.
var countTry = `WITH known AS (SELECT d.id FROM devices d JOIN phones p ON p.user_id = d.user_id WHERE d.id = $12 AND p.phone_key = $11),
	counted AS (INSERT INTO failures AS f (phone_key, device_id, method, in_row, waits_until, last_failed_at, recent)
		VALUES ($11, coalesce((SELECT id FROM known), ''), 'password', 1, ` + fmt.Sprintf(waitAfter, "1") + `, $13, ARRAY[$13::bigint])
		ON CONFLICT (phone_key, device_id, method) DO UPDATE SET in_row = f.in_row + 1, waited = f.waits_until > 0,
			waits_until = ` + fmt.Sprintf(waitAfter, "f.in_row + 1") + `, last_failed_at = $13,
			recent = (f.recent || $13::bigint)[greatest(1, cardinality(f.recent) + 2 - $15::bigint):]
		WHERE NOT (f.device_id = '' AND $16::bigint > 0 AND f.in_row >= $16) AND f.waits_until <= $13
			AND NOT (f.device_id <> '' AND $17::bigint > 0 AND cardinality(f.recent) >= $17
				AND (SELECT min(t) FROM unnest(f.recent[cardinality(f.recent) - $17 + 1:]) t) + $18::bigint > $13)
		RETURNING f.*),
	told AS (` + completed("coalesce(p.user_id, '')", "''", "coalesce(u.phone_masked, '')", "c.phone_key") + `
		FROM counted c LEFT JOIN phones p ON p.phone_key = c.phone_key LEFT JOIN users u ON u.id = p.user_id WHERE c.waited AND $1 <> '')
	SELECT waited, ` + storedCounter + ` FROM counted`

// waitAfter is until when a counter waits after its n-th failure in a row.
const waitAfter = `(SELECT CASE WHEN w > 0 THEN $13 + w ELSE 0 END
	FROM (SELECT ($14::bigint[])[least(%s, cardinality($14::bigint[]))] AS w) waits)`

// waits are what the failures in a row earn, from the first on. The last one
// stands for all later ones.
func waits(l core.PasswordLimits) []int64 {
	var all []int64
	for n := 1; ; n++ {
		wait := l.Wait(n)
		all = append(all, wait.Milliseconds())
		if l.FirstDelay <= 0 || wait >= l.MaxDelay {
			return all
		}
	}
}

// TryPassword implements core.Store.
func (s *Store) TryPassword(ctx context.Context, in core.TryPassword) (core.TryPasswordResult, error) {
	for tries := 1; ; tries++ {
		tried, err := write(ctx, s, "trying a password", func(tx *tx, out *core.TryPasswordResult) { tx.countTry(in, out) })
		if err != nil || tried.Outcome != "" {
			return tried, err
		}
		locked, err := read(ctx, s, "reading a lock", func(tx *tx, out *core.TryPasswordResult) { tx.lockOf(in, out) })
		if err != nil || locked.Outcome != "" || tries == maxTries {
			return locked, err
		}
	}
}

// countTry counts a try, and reads whose number it is. Outcome stays empty where
// the counter is locked.
func (tx *tx) countTry(in core.TryPassword, out *core.TryPasswordResult) {
	if in.SessionID != "" {
		var session aSession
		tx.acting(&session, in.SessionID)
		if tx.look(); !session.alive(in.Now) {
			out.Outcome = core.SessionEnded
			return
		}
	}
	var owner aUser
	tx.user(&owner, byPhone, in.PhoneKey)
	told := in.OnUnlocked
	fill(&told.SessionID, in.SessionID)
	tx.ask(countTry, func(r *row) {
		var waited bool
		var recent []int64
		c := counter{phoneKey: in.PhoneKey, method: byPassword}
		r.scan(append([]any{&waited}, c.into(&recent)...)...)
		c.Recent = times(recent)
		tx.queuedEvent = waited && told.ID != ""
		*out = core.TryPasswordResult{
			Outcome: core.Done, User: owner.User, Found: owner.found, KnownDevice: c.DeviceID != "",
			Failures: c.InRow, LockedUntil: c.PasswordLock(in.Limits, in.Now),
		}
	}, append(tx.eventValues(told), in.PhoneKey, in.DeviceID, in.Now, waits(in.Limits), in.Limits.Keep(),
		in.Limits.Close, in.Limits.Device, in.Limits.DeviceWindow)...)
}

// lockOf tells until when no password is judged. Outcome stays empty where the
// counter was cleared meanwhile.
func (tx *tx) lockOf(in core.TryPassword, out *core.TryPasswordResult) {
	var owner aUser
	tx.user(&owner, byPhone, in.PhoneKey)
	tx.ask("SELECT "+storedCounter+` FROM failures WHERE phone_key = $1 AND method = 'password' AND device_id = coalesce(
		(SELECT d.id FROM devices d JOIN phones p ON p.user_id = d.user_id WHERE d.id = $2 AND p.phone_key = $1), '')`, func(r *row) {
		c := counter{phoneKey: in.PhoneKey, method: byPassword}
		c.read(r)
		if until := c.PasswordLock(in.Limits, in.Now); !until.IsZero() {
			*out = core.TryPasswordResult{
				Outcome: core.Locked, RetryAt: until, Failures: c.InRow,
				User: owner.User, Found: owner.found, KnownDevice: c.DeviceID != "",
			}
		}
	}, in.PhoneKey, in.DeviceID)
}

// FailPassword implements core.Store.
func (s *Store) FailPassword(ctx context.Context, in core.FailPassword) error {
	_, err := write(ctx, s, "failing a password", func(tx *tx, _ *struct{}) {
		tx.tell(in.OnFailed, core.User{}, "")
		tx.tell(in.OnLocked, core.User{}, "")
	})
	return err
}

// PassPassword implements core.Store.
func (s *Store) PassPassword(ctx context.Context, in core.TriedPassword) error {
	_, err := write(ctx, s, "passing a password", func(tx *tx, _ *struct{}) { tx.clear(in) })
	return err
}

// OpenSession implements core.Store. What may enter takes one trip; the rest is
// looked at again.
func (s *Store) OpenSession(ctx context.Context, in core.OpenSession) (core.SessionResult, error) {
	opened, err := write(ctx, s, "opening a session", func(tx *tx, out *core.SessionResult) { tx.openSession(in, out) })
	if err != nil || opened.Outcome == core.Done {
		return opened, err
	}
	return write(ctx, s, "opening a session", func(tx *tx, out *core.SessionResult) { *out = tx.notOpened(in) })
}

func (tx *tx) openSession(in core.OpenSession, out *core.SessionResult) {
	var user aUser
	tx.holdUser(thisUser, in.UserID)
	tx.user(&user, byID, in.UserID)
	if in.Upgraded != "" {
		tx.exec("UPDATE users u SET password_hash = $3 WHERE u.id = $1 AND u.generation = $2 AND u.disabled_at = 0",
			in.UserID, in.Generation, string(in.Upgraded))
	}
	if in.Tried.PhoneKey != "" {
		tx.exec("DELETE FROM failures WHERE phone_key = $3 AND device_id = $4 AND method = 'password' AND EXISTS (SELECT "+mayEnter+")",
			in.UserID, in.Generation, in.Tried.PhoneKey, counterDevice(in.Tried))
	}
	tx.open(in.SignIn, entrant{mayEnter, in.UserID, in.Generation}, byPassword, in.Now, func(session core.Session) {
		*out = core.SessionResult{Outcome: core.Done, User: user.User, Session: session}
		if in.Upgraded != "" {
			out.User.PasswordHash = in.Upgraded
		}
	})
}

// notOpened tells why openSession opened none.
func (tx *tx) notOpened(in core.OpenSession) core.SessionResult {
	var user aUser
	tx.holdUser(thisUser, in.UserID)
	tx.user(&user, byID, in.UserID)
	tx.look()
	switch {
	case !user.found || user.Generation != in.Generation:
		return core.SessionResult{Outcome: core.Stale}
	case user.Disabled():
		tx.clear(in.Tried)
		tx.tell(in.OnDisabled, user.User, "")
		return core.SessionResult{Outcome: core.Disabled, User: user.User}
	}
	tx.fail(errLookAgain)
	return core.SessionResult{}
}

// ConfirmSession implements core.Store.
func (s *Store) ConfirmSession(ctx context.Context, in core.ConfirmSession) (core.SessionResult, error) {
	return write(ctx, s, "confirming a session", func(tx *tx, out *core.SessionResult) {
		session, outcome := tx.actingUnder(in.SessionID, in.Generation, in.Now)
		if out.Outcome = outcome; outcome != core.Done {
			return
		}
		tx.clear(in.Tried)
		out.User = tx.upgrade(session.user, in.Upgraded)
		out.Session = tx.confirm(session.Session, core.MethodPassword, in.TokenKeyID, in.Now)
		tx.tell(in.OnConfirmed, out.User, session.ID)
	})
}

// actingUnder takes the session acted for, if it lives and its user's generation
// is still the one given.
func (tx *tx) actingUnder(id string, generation int64, now time.Time) (session aSession, outcome core.Outcome) {
	tx.acting(&session, id)
	tx.look()
	switch {
	case !session.alive(now):
		return session, core.SessionEnded
	case session.user.Generation != generation:
		return session, core.Stale
	}
	return session, core.Done
}

// SetPassword implements core.Store.
func (s *Store) SetPassword(ctx context.Context, in core.SetPassword) (core.Outcome, error) {
	return write(ctx, s, "setting a password", func(tx *tx, out *core.Outcome) {
		session, outcome := tx.actingUnder(in.SessionID, in.Generation, in.Now)
		if *out = outcome; outcome != core.Done {
			return
		}
		tx.exec(voidOfUser, in.Now, session.UserID)
		tx.endAll(session.UserID, in.SessionID, "password_change", in.Now)
		tx.clear(in.Tried)
		user := tx.setPassword(session.user, in.Hash, in.HistoryKeep, in.Now)
		tx.tell(in.OnChanged, user, in.SessionID)
	})
}

// clear sets the counter to zero that a right password was tried under.
func (tx *tx) clear(tried core.TriedPassword) {
	if tried.PhoneKey != "" {
		tx.exec("DELETE FROM failures WHERE phone_key = $1 AND device_id = $2 AND method = 'password'", tried.PhoneKey, counterDevice(tried))
	}
}

// counterDevice is the device whose counter a try stood on; "" for strangers'.
func counterDevice(tried core.TriedPassword) string {
	if tried.KnownDevice {
		return tried.DeviceID
	}
	return ""
}

// upgrade replaces the hash by one of the same password with today's
// parameters. The history does not see it.
func (tx *tx) upgrade(user core.User, hash password.Hash) core.User {
	if hash != "" {
		user.PasswordHash = hash
		tx.exec("UPDATE users SET password_hash = $1 WHERE id = $2", string(hash), user.ID)
	}
	return user
}
