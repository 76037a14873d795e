package sqlite

import (
	"context"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// stillAlive is a session's Alive, where ?2 is the time.
const stillAlive = notEnded + " AND expires_at > ?2 AND idle_expires_at > ?2"

// rotate is the whole of a refresh that succeeds. moved compares with the
// values before.
const rotate = `UPDATE sessions SET counter = counter + 1, rotated_at = ?2, last_seen_at = ?2,
	idle_expires_at = min(?3, expires_at), token_key_id = ?4,
	moved = (network <> ?5 AND user_agent <> ?6), network = ?5, user_agent = ?6, ip_address = ?7
	WHERE id = ?1 AND counter = ?8 AND secret_hash = ?9 AND (thumbprint = '' OR thumbprint = ?10) AND ` + stillAlive + `
	RETURNING moved, ` + sessionColumns

// RotateSession implements core.Store.
func (s *Store) RotateSession(ctx context.Context, in core.RotateSession) (core.SessionResult, error) {
	return write(ctx, s, "rotating a session", func(tx *tx) core.SessionResult {
		result := core.SessionResult{Outcome: core.Done}
		var moved bool
		rotated := tx.one(rotate, func(r *row) { moved, result.Session = r.flag(), readSession(r) },
			in.SessionID, in.Now, in.Now.Add(in.IdleTimeout), in.TokenKeyID,
			in.Network, in.UserAgent, in.IPAddress, in.Counter, in.SecretHash, in.Thumbprint)
		if !rotated {
			return tx.notRotated(in)
		}
		result.User, _ = tx.user(result.Session.UserID)
		if moved {
			tx.tell(in.OnMoved, result.User, in.SessionID)
		}
		return result
	})
}

// notRotated finds out why a token did not rotate its session, and ends the
// session where the token was used before.
func (tx *tx) notRotated(in core.RotateSession) core.SessionResult {
	session, user, found := tx.session(in.SessionID)
	switch {
	case !found, subtle.ConstantTimeCompare(session.SecretHash, in.SecretHash) != 1,
		in.Counter > session.Counter,
		session.Thumbprint != "" && session.Thumbprint != in.Thumbprint:
		return core.SessionResult{Outcome: core.NotFound}
	case !session.Alive(in.Now):
		return core.SessionResult{Outcome: core.SessionEnded, Session: session, User: user}
	case in.Counter == session.Counter-1 && reissued(session, in):
		return core.SessionResult{Outcome: core.Repeated, Session: session, User: user}
	}
	session.EndedAt, session.EndReason = in.Now, "reuse"
	tx.exec("UPDATE sessions SET ended_at = ?, end_reason = ? WHERE id = ?", session.EndedAt, session.EndReason, session.ID)
	tx.tell(in.OnReused, user, session.ID)
	return core.SessionResult{Outcome: core.Reused, Session: session, User: user}
}

// reissued tells whether the predecessor gets its successor again (invariant
// 4). That the successor is unused is known: else the counter had gone on.
func reissued(s core.Session, in core.RotateSession) bool {
	return in.Now.Before(s.RotatedAt.Add(in.Grace)) ||
		s.Reissue == core.ReissueAny ||
		(in.DeviceID != "" && in.DeviceID == s.DeviceID) ||
		(s.Thumbprint != "" && s.Thumbprint == in.Thumbprint)
}

// confirm renews a living session's proof of identity. Its secret stays, its
// refresh token becomes the next one.
func (tx *tx) confirm(id, method, tokenKeyID string, now time.Time) core.Session {
	session, _, _ := tx.session(id)
	session.AuthTime, session.RotatedAt, session.TokenKeyID = now, now, tokenKeyID
	session.Counter++
	if !slices.Contains(session.Methods, method) {
		session.Methods = append(session.Methods, method)
	}
	tx.exec("UPDATE sessions SET auth_time = ?, rotated_at = ?, token_key_id = ?, counter = ?, methods = ? WHERE id = ?",
		session.AuthTime, session.RotatedAt, session.TokenKeyID, session.Counter, strings.Join(session.Methods, " "), id)
	return session
}

// endAll ends a user's sessions but one, and tells how many lived. Those that
// have lapsed end too: a clock set back must not revive them.
func (tx *tx) endAll(userID, except, reason string, now time.Time) int64 {
	const end = "UPDATE sessions SET ended_at = ?2, end_reason = ?4 WHERE user_id = ?1 AND id <> ?3 AND "
	living := tx.exec(end+stillAlive, userID, now, except, reason)
	tx.exec(end+notEnded, userID, now, except, reason)
	return living
}

// acting finds the session that an operation acts for, if it lives.
func (tx *tx) acting(id string, now time.Time) (core.Session, core.User, bool) {
	session, user, found := tx.session(id)
	return session, user, found && session.Alive(now)
}

// EndSessions implements core.Store.
func (s *Store) EndSessions(ctx context.Context, in core.EndSessions) (core.Outcome, error) {
	return write(ctx, s, "ending sessions", func(tx *tx) core.Outcome {
		user, refusal := tx.mayEnd(in)
		if refusal != core.Done {
			return refusal
		}
		if in.Scope == core.ScopeOne {
			tx.exec("UPDATE sessions SET ended_at = ?, end_reason = ? WHERE id = ?", in.Now, in.Reason, in.TargetID)
			tx.tell(in.Event, user, in.TargetID)
			return core.Done
		}
		keep := ""
		if in.Scope == core.ScopeOthers {
			keep = in.SessionID
			tx.exec(voidPhoneChanges, in.Now, user.ID)
		} else {
			tx.exec("DELETE FROM devices WHERE user_id = ?", user.ID)
			tx.exec(voidOfUser, in.Now, user.ID)
		}
		ended := tx.endAll(user.ID, keep, in.Reason, in.Now)
		tx.exec("UPDATE users SET generation = generation + 1 WHERE id = ?", user.ID)
		tx.tell(in.Event.With("ended_sessions", ended), user, in.SessionID)
		return core.Done
	})
}

// mayEnd finds whose sessions end, and whether they may.
func (tx *tx) mayEnd(in core.EndSessions) (core.User, core.Outcome) {
	var user core.User
	if in.SessionID != "" {
		_, actor, alive := tx.acting(in.SessionID, in.Now)
		if !alive {
			return core.User{}, core.SessionEnded
		}
		if in.Scope != core.ScopeOne {
			return actor, core.Done
		}
		user = actor
	}
	target, owner, alive := tx.acting(in.TargetID, in.Now)
	foreign := user.ID != "" && owner.ID != user.ID
	forged := in.SecretHash != nil && subtle.ConstantTimeCompare(target.SecretHash, in.SecretHash) != 1
	if !alive || foreign || forged {
		return core.User{}, core.NotFound
	}
	return owner, core.Done
}

// Session implements core.Store.
func (s *Store) Session(ctx context.Context, id string) (core.Session, core.User, error) {
	type both struct {
		session core.Session
		user    core.User
	}
	found, err := find(ctx, s, "reading a session", func(tx *tx) (b both, found bool) {
		b.session, b.user, found = tx.session(id)
		return b, found
	})
	return found.session, found.user, err
}

// Sessions implements core.Store. The last seen comes first.
func (s *Store) Sessions(ctx context.Context, userID string, now time.Time) ([]core.Session, error) {
	return read(ctx, s, "reading a user's sessions", func(tx *tx) []core.Session {
		return collect(tx, "SELECT "+sessionColumns+" FROM sessions WHERE user_id = ?1 AND "+stillAlive+
			" ORDER BY last_seen_at DESC, created_at DESC, id DESC", readSession, userID, now)
	})
}
