package postgres

import (
	"context"
	"crypto/subtle"

	"github.com/countersign/countersign/internal/core"
)

// rotating is an UPDATE to which a condition is added. It is the whole of a
// refresh that succeeds.
const rotating = `UPDATE sessions s SET counter = s.counter + 1, rotated_at = $2, last_seen_at = $2,
		idle_expires_at = least($3, s.expires_at), token_key_id = $4,
		moved = (s.network <> $5 AND s.user_agent <> $6), network = $5, user_agent = $6, ip_address = $7
		FROM users u JOIN phones p ON p.user_id = u.id
		WHERE s.id = $1 AND s.counter = $8 AND s.secret_hash = $9 AND (s.thumbprint = '' OR s.thumbprint = $10)
		AND s.ended_at = 0 AND s.` + madeAfter + ` AND s.expires_at > $2 AND s.idle_expires_at > $2 AND u.id = s.user_id `

// Nearly every refresh has no event. One that may have it in its statement costs
// the server a quarter more, though nothing is told.
var (
	rotate = rotating + `AND ($11 OR s.network = $5 OR s.user_agent = $6) RETURNING ` + sessionColumns + ", " + userColumns

	// rotateMoved is a refresh from another network by another agent; $1 to $10 are
	// its event.
	rotateMoved = `WITH rotated AS (` + behind(10, rotating+`AND s.network <> $5 AND s.user_agent <> $6
		RETURNING `+sessionColumns+", "+renamed) + `),
	told AS (` + completed("user_id", "id", "phone_masked", "phone_key") + `FROM rotated)
	SELECT * FROM rotated`
)

// renamed are userColumns, where names must not come twice.
const renamed = `u.id AS owner, p.phone_key, u.phone_sealed, u.phone_masked, u.phone_verified_at, u.name, u.email, u.locale,
	u.password_hash, u.generation, u.disabled_at, u.created_at AS signed_up_at, u.updated_at`

// RotateSession implements core.Store.
func (s *Store) RotateSession(ctx context.Context, in core.RotateSession) (core.SessionResult, error) {
	untold := func(tx *tx, out *core.SessionResult) {
		tx.ask(rotate, readRotated(out), append(rotationValues(in), in.OnMoved.ID == "")...)
	}
	rotated, err := write(ctx, s, "rotating a session", untold)
	if err != nil || rotated.Outcome == core.Done {
		return rotated, err
	}
	return write(ctx, s, "rotating a session", func(tx *tx, out *core.SessionResult) {
		var held aSession
		untold(tx, out) // its token may have become the current one just now
		if in.OnMoved.ID != "" {
			tx.ask(rotateMoved, readRotated(out), append(tx.eventValues(in.OnMoved), rotationValues(in)...)...)
		}
		tx.holdSession(&held, in.SessionID)
		if tx.look(); out.Outcome == core.Done {
			tx.queuedEvent = in.OnMoved.ID != ""
			return
		}
		*out = tx.notRotated(in, held)
	})
}

func rotationValues(in core.RotateSession) []any {
	return []any{
		in.SessionID, in.Now, in.Now.Add(in.IdleTimeout), in.TokenKeyID,
		in.Network, in.UserAgent, in.IPAddress, in.Counter, in.SecretHash, in.Thumbprint,
	}
}

func readRotated(out *core.SessionResult) func(*row) {
	return func(r *row) {
		r.scan(append(intoSession(&out.Session), intoUser(&out.User)...)...)
		out.Outcome = core.Done
	}
}

// notRotated finds out why a token did not rotate its session, which is held, and
// ends the session where the token was used before.
func (tx *tx) notRotated(in core.RotateSession, s aSession) core.SessionResult {
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
