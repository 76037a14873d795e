package sqlite

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// open opens a session for a user, on the device that was known or on a new
// one, and ends the surplus. It tells of both. A code, where that is the
// method, proves the device, too.
func (tx *tx) open(in core.SignIn, user core.User, method string, now time.Time) core.Session {
	session := in.Session
	session.UserID = user.ID
	session.DeviceID = tx.keepDevice(in, user.ID, now)
	if method == bySMS {
		tx.proveDevice(session.DeviceID, now)
	}
	tx.insertSession(session)
	tx.tell(in.OnSignedIn, user, session.ID)
	tx.endSurplus(in, user, session.ID, now)
	return session
}

// keepDevice gives the id of the session's device. A known one is renewed.
func (tx *tx) keepDevice(in core.SignIn, userID string, now time.Time) string {
	label := in.Device.Label
	if in.KnownDevice != "" {
		renewed := tx.exec(`UPDATE devices SET label_id = ?, label_name = ?, label_platform = ?, last_seen_at = ?
			WHERE id = ? AND user_id = ?`, label.ID, label.Name, label.Platform, now, in.KnownDevice, userID)
		if renewed > 0 {
			return in.KnownDevice
		}
	}
	device := in.Device
	device.UserID = userID
	tx.insertDevice(device)
	return device.ID
}

// proveDevice keeps when a code was first redeemed on a device.
func (tx *tx) proveDevice(id string, now time.Time) {
	tx.exec("UPDATE devices SET proved_at = ? WHERE id = ? AND proved_at = 0", now, id)
}

// endSurplus ends the longest unseen session of a user who now has more than
// MaxSessions; never the new one.
func (tx *tx) endSurplus(in core.SignIn, user core.User, newest string, now time.Time) {
	if in.MaxSessions <= 0 {
		return
	}
	living := 0
	tx.one("SELECT count(*) FROM sessions WHERE user_id = ?1 AND "+stillAlive, func(r *row) { living = r.int() }, user.ID, now)
	if living <= in.MaxSessions {
		return
	}
	ended := ""
	tx.one(`UPDATE sessions SET ended_at = ?2, end_reason = 'surplus' WHERE id = (
		SELECT id FROM sessions WHERE user_id = ?1 AND id <> ?3 AND `+stillAlive+`
		ORDER BY last_seen_at, created_at, id LIMIT 1) RETURNING id`,
		func(r *row) { ended = r.text() }, user.ID, now, newest)
	if ended != "" {
		told := in.OnSurplus
		told.SessionID, told.Reason = ended, "surplus"
		tx.tell(told, user, ended)
	}
}
