package postgres

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// entrant says for whom open opens a session: the one user u that a condition on
// $1 and $2 leaves.
type entrant struct {
	who   string
	is    string // $1
	under any    // $2
}

// as lets a user enter who is as the caller saw it.
func as(user core.User) entrant { return entrant{mayEnter, user.ID, user.Generation} }

// mayEnter is such a condition: the user is as the caller saw it, and enabled. $1
// is its id, $2 its generation.
const mayEnter = "FROM users u WHERE u.id = $1 AND u.generation = $2::bigint AND u.disabled_at = 0"

// insertSession is followed by an entrant's condition.
const insertSession = `INSERT INTO sessions AS s (id, user_id, counter, secret_hash, secret_sealed, token_key_id, rotated_at,
		created_at, auth_time, last_seen_at, idle_expires_at, expires_at, ended_at, end_reason,
		device_id, label_id, label_name, label_platform, ip_address, network, user_agent,
		methods, dialect, reissue, thumbprint)
	SELECT $3, u.id, $4::bigint, $5::bytea, $6::bytea, $7, $8::bigint, $9::bigint, $10::bigint, $11::bigint, $12::bigint, $13::bigint,
		$14::bigint, $15, coalesce((SELECT d.id FROM devices d WHERE d.id = $16 AND d.user_id = u.id), $17),
		$18, $19, $20, $21, $22, $23, $24, $25, $26, $27 `

// open opens a session for a user whose turn is held, on the device that was
// known or on a new one, and ends the surplus. It tells of both. A code, where that
// is the method, proves the device, too. Where nobody may enter, nothing happens
// and opened is not called. The session itself comes last: who asks by it whether
// all of this has happened is right.
func (tx *tx) open(in core.SignIn, who entrant, method string, now time.Time, opened func(core.Session)) {
	tx.keepDevice(in, who, method, now)
	if in.OnSignedIn.ID != "" {
		tx.exec(completed("u.id", "$13", "u.phone_masked", "p.phone_key")+usersOf+"WHERE u.id = (SELECT u.id "+behind(10, who.who)+")",
			append(tx.eventValues(in.OnSignedIn), who.is, who.under, in.Session.ID)...)
	}
	tx.endSurplus(in, who, now)
	session := in.Session
	tx.ask(insertSession+who.who+" RETURNING user_id, device_id", func(r *row) {
		r.scan(&session.UserID, &session.DeviceID)
		opened(session)
		tx.queuedEvent = tx.queuedEvent || in.OnSignedIn.ID != ""
	},
		who.is, who.under,
		session.ID, session.Counter, session.SecretHash, session.SecretSealed, session.TokenKeyID, session.RotatedAt,
		session.CreatedAt, session.AuthTime, session.LastSeenAt, session.IdleExpiresAt, session.ExpiresAt,
		session.EndedAt, session.EndReason, in.KnownDevice, in.Device.ID,
		session.Device.ID, session.Device.Name, session.Device.Platform, session.IPAddress, session.Network, session.UserAgent,
		joined(session.Methods), session.Dialect, string(session.Reissue), session.Thumbprint)
}

// keepDevice renews the known device, or adds the new one.
func (tx *tx) keepDevice(in core.SignIn, who entrant, method string, now time.Time) {
	d := in.Device
	var proved time.Time
	if method == bySMS {
		proved = now
	}
	if in.KnownDevice != "" {
		tx.exec(`UPDATE devices d SET label_id = $3, label_name = $4, label_platform = $5, last_seen_at = $6,
			proved_at = CASE d.proved_at WHEN 0 THEN $8 ELSE d.proved_at END `+who.who+`
			AND d.id = $7 AND d.user_id = u.id`,
			who.is, who.under, d.Label.ID, d.Label.Name, d.Label.Platform, now, in.KnownDevice, proved)
	}
	tx.exec(`INSERT INTO devices (id, user_id, label_id, label_name, label_platform, created_at, last_seen_at, proved_at)
		SELECT $3, u.id, $4, $5, $6, $7::bigint, $8::bigint, $10::bigint `+who.who+`
		AND NOT EXISTS (SELECT FROM devices d WHERE d.id = $9 AND d.user_id = u.id)`,
		who.is, who.under, d.ID, d.Label.ID, d.Label.Name, d.Label.Platform, d.CreatedAt, d.LastSeenAt, in.KnownDevice, proved)
}

// proveDevice keeps when a code was first redeemed on a device.
func (tx *tx) proveDevice(id string, now time.Time) {
	tx.exec("UPDATE devices SET proved_at = $1 WHERE id = $2 AND proved_at = 0", now, id)
}

// endSurplus ends the longest unseen session of whoever enters, if with one more
// too many lived, and tells of it.
func (tx *tx) endSurplus(in core.SignIn, who entrant, now time.Time) {
	if in.MaxSessions <= 0 {
		return
	}
	const living = notEnded + " AND expires_at > $14 AND idle_expires_at > $14"
	told := in.OnSurplus
	told.SessionID, told.Reason = "", "surplus"
	tx.ask(`WITH entrant AS (SELECT u.id `+behind(10, who.who)+`),
		ended AS (UPDATE sessions SET ended_at = $14, end_reason = 'surplus' WHERE id = (
			SELECT id FROM sessions WHERE user_id = (SELECT id FROM entrant) AND `+living+` ORDER BY last_seen_at, created_at, id LIMIT 1)
			AND (SELECT count(*) FROM sessions WHERE user_id = (SELECT id FROM entrant) AND `+living+`) >= $13::bigint
			RETURNING id, user_id),
		told AS (`+completed("u.id", "e.id", "u.phone_masked", "p.phone_key")+`
			FROM ended e JOIN users u ON u.id = e.user_id JOIN phones p ON p.user_id = u.id WHERE $1 <> '')
		SELECT id FROM ended`, func(*row) { tx.queuedEvent = true },
		append(tx.eventValues(told), who.is, who.under, in.MaxSessions, now)...)
}
