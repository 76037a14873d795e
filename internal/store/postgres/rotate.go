package postgres

import (
	"context"
	"crypto/subtle"

	"github.com/countersign/countersign/internal/core"
)

// rotate is the whole of a refresh that succeeds. $1 to $10 are the event of a
// move; moved compares with the values before.
var rotate = `WITH rotated AS (UPDATE sessions s SET counter = s.counter + 1, rotated_at = $12, last_seen_at = $12,
		idle_expires_at = least($13, s.expires_at), token_key_id = $14,
		moved = (s.network <> $15 AND s.user_agent <> $16), network = $15, user_agent = $16, ip_address = $17
		FROM users u JOIN phones p ON p.user_id = u.id
		WHERE s.id = $11 AND s.counter = $18 AND s.secret_hash = $19 AND (s.thumbprint = '' OR s.thumbprint = $20)
		AND s.ended_at = 0 AND s.` + madeAfter + ` AND s.expires_at > $12 AND s.idle_expires_at > $12 AND u.id = s.user_id
		RETURNING s.moved, ` + sessionColumns + ", " + renamed + `),
	told AS (` + completed("user_id", "id", "phone_masked", "phone_key") + `FROM rotated WHERE moved AND $1 <> '')
	SELECT * FROM rotated`

// renamed are userColumns, where names must not come twice.
const renamed = `u.id AS owner, p.phone_key, u.phone_sealed, u.phone_masked, u.phone_verified_at, u.name, u.email, u.locale,
	u.password_hash, u.generation, u.disabled_at, u.created_at AS signed_up_at, u.updated_at`

// RotateSession implements core.Store.
func (s *Store) RotateSession(ctx context.Context, in core.RotateSession) (core.SessionResult, error) {
	rotated, err := write(ctx, s, "rotating a session", func(tx *tx, out *core.SessionResult) {
		tx.ask(rotate, func(r *row) {
			var moved bool
			r.scan(append([]any{&moved}, append(intoSession(&out.Session), intoUser(&out.User)...)...)...)
			out.Outcome = core.Done
			tx.queuedEvent = moved && in.OnMoved.ID != ""
		}, append(tx.eventValues(in.OnMoved),
			in.SessionID, in.Now, in.Now.Add(in.IdleTimeout), in.TokenKeyID,
			in.Network, in.UserAgent, in.IPAddress, in.Counter, in.SecretHash, in.Thumbprint)...)
	})
	if err != nil || rotated.Outcome == core.Done {
		return rotated, err
	}
	return write(ctx, s, "rotating a session", func(tx *tx, out *core.SessionResult) { *out = tx.notRotated(in) })
}

// notRotated finds out why a token did not rotate its session, and ends the
// session where the token was used before.
func (tx *tx) notRotated(in core.RotateSession) core.SessionResult {
	var s aSession
	tx.holdSession(&s, in.SessionID)
	tx.look()
	result := core.SessionResult{Session: s.Session, User: s.user}
	switch {
	case !s.found, subtle.ConstantTimeCompare(s.SecretHash, in.SecretHash) != 1,
		in.Counter > s.Counter,
		s.Thumbprint != "" && s.Thumbprint != in.Thumbprint:
		return core.SessionResult{Outcome: core.NotFound}
	case !s.alive(in.Now):
		result.Outcome = core.SessionEnded
	case in.Counter == s.Counter-1 && reissued(s.Session, in):
		result.Outcome = core.Repeated
	case in.Counter == s.Counter: // the token is the current one: nothing may end this session
		tx.fail(errLookAgain)
	default:
		result.Outcome, result.Session.EndedAt, result.Session.EndReason = core.Reused, in.Now, "reuse"
		tx.exec("UPDATE sessions SET ended_at = $1, end_reason = 'reuse' WHERE id = $2", in.Now, s.ID)
		tx.tell(in.OnReused, s.user, s.ID)
	}
	return result
}

// reissued tells whether the predecessor gets its successor again (invariant
// 4). That the successor is unused is known: else the counter had gone on.
func reissued(s core.Session, in core.RotateSession) bool {
	return in.Now.Before(s.RotatedAt.Add(in.Grace)) ||
		s.Reissue == core.ReissueAny ||
		(in.DeviceID != "" && in.DeviceID == s.DeviceID) ||
		(s.Thumbprint != "" && s.Thumbprint == in.Thumbprint)
}
