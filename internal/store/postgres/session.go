package postgres

import (
	"context"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// living is a session's Alive, where $2 is the time.
const living = notEnded + " AND expires_at > $2 AND idle_expires_at > $2"

// confirm renews the proof of identity of a living session that is held. Its
// secret stays, its refresh token becomes the next one.
func (tx *tx) confirm(session core.Session, method, tokenKeyID string, now time.Time) core.Session {
	session.AuthTime, session.RotatedAt, session.TokenKeyID = now, now, tokenKeyID
	session.Counter++
	if !slices.Contains(session.Methods, method) {
		session.Methods = append(slices.Clone(session.Methods), method)
	}
	tx.exec("UPDATE sessions SET auth_time = $1, rotated_at = $2, token_key_id = $3, counter = $4, methods = $5 WHERE id = $6",
		session.AuthTime, session.RotatedAt, session.TokenKeyID, session.Counter, joined(session.Methods), session.ID)
	return session
}

// endAll ends the sessions but one of a user whose turn is held. Those that have
// lapsed end too: a clock set back must not revive them. It gives how many lived,
// once that is known.
func (tx *tx) endAll(userID, except, reason string, now time.Time) (lived *int64) {
	const these = `FROM (SELECT id, ` + living + ` AS lived FROM sessions
		WHERE user_id = $1 AND id <> $3 AND ` + notEnded + ` ORDER BY id FOR NO KEY UPDATE) t WHERE s.id = t.id`
	lived = new(int64)
	tx.ask("WITH ended AS (UPDATE sessions s SET ended_at = $2, end_reason = $4 "+these+
		" RETURNING t.lived) SELECT count(*) FILTER (WHERE lived) FROM ended", func(r *row) { r.scan(lived) }, userID, now, except, reason)
	return lived
}

// EndSessions implements core.Store.
func (s *Store) EndSessions(ctx context.Context, in core.EndSessions) (core.Outcome, error) {
	return write(ctx, s, "ending sessions", func(tx *tx, out *core.Outcome) {
		var user core.User
		if user, *out = tx.mayEnd(in); *out != core.Done {
			return
		}
		if in.Scope == core.ScopeOne {
			tx.exec("UPDATE sessions SET ended_at = $1, end_reason = $2 WHERE id = $3 AND ended_at = 0", in.Now, in.Reason, in.TargetID)
			tx.tell(in.Event, user, in.TargetID)
			return
		}
		keep := ""
		if in.Scope == core.ScopeOthers {
			keep = in.SessionID
			tx.exec(voidPhoneChanges, in.Now, user.ID)
		} else {
			tx.exec(voidOfUser, in.Now, user.ID)
		}
		ended := tx.endAll(user.ID, keep, in.Reason, in.Now)
		if in.Scope == core.ScopeAll {
			tx.exec("DELETE FROM devices WHERE user_id = $1", user.ID)
		}
		tx.exec("UPDATE users SET generation = generation + 1 WHERE id = $1", user.ID)
		tx.look()
		tx.tell(in.Event.With("ended_sessions", *ended), user, in.SessionID)
	})
}

// mayEnd takes the turn of the user whose sessions end, and tells whether they
// may.
func (tx *tx) mayEnd(in core.EndSessions) (core.User, core.Outcome) {
	var actor, target aSession
	if in.SessionID != "" {
		tx.acting(&actor, in.SessionID)
		tx.session(&target, in.TargetID) // perhaps of a user whose turn is not held
	} else {
		tx.acting(&target, in.TargetID)
	}
	tx.look()
	if in.SessionID != "" {
		if !actor.alive(in.Now) {
			return core.User{}, core.SessionEnded
		}
		if in.Scope != core.ScopeOne {
			return actor.user, core.Done
		}
	}
	foreign := in.SessionID != "" && target.user.ID != actor.user.ID
	forged := in.SecretHash != nil && subtle.ConstantTimeCompare(target.SecretHash, in.SecretHash) != 1
	if !target.alive(in.Now) || foreign || forged {
		return core.User{}, core.NotFound
	}
	return target.user, core.Done
}

// Session implements core.Store.
func (s *Store) Session(ctx context.Context, id string) (core.Session, core.User, error) {
	found, err := find(ctx, s, "reading a session", func(tx *tx, out *aSession, found *bool) {
		tx.session(out, id)
		tx.then(func() { *found = out.found })
	})
	return found.Session, found.user, err
}

// Sessions implements core.Store. The last seen comes first.
func (s *Store) Sessions(ctx context.Context, userID string, now time.Time) ([]core.Session, error) {
	return read(ctx, s, "reading a user's sessions", func(tx *tx, out *[]core.Session) {
		collect(tx, out, "SELECT "+sessionColumns+" FROM sessions s WHERE user_id = $1 AND "+living+
			" ORDER BY last_seen_at DESC, created_at DESC, id DESC", readSession, userID, now)
	})
}
