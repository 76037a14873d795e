package postgres

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// What ended at once, for everybody, changes no row of its own: whatever reads or
// judges sessions and challenges compares with one time. These are the ways to.
const (
	madeAfter = "created_at > (SELECT time FROM valid_after)"

	// notEnded is a session that nothing has ended, though it may have lapsed.
	notEnded = "ended_at = 0 AND " + madeAfter

	// How a session ended, and when a challenge was voided, as they are read.
	sessionEnd = `CASE s.ended_at WHEN 0 THEN
			coalesce((SELECT v.time FROM valid_after v WHERE v.time >= s.created_at), 0) ELSE s.ended_at END AS ended_at,
		CASE WHEN s.ended_at = 0 AND s.created_at <= (SELECT v.time FROM valid_after v)
			THEN '` + core.EndedWithAll + `' ELSE s.end_reason END AS end_reason`
	challengeVoided = `CASE WHEN voided_at = 0 AND redeemed_at = 0 THEN
			coalesce((SELECT v.time FROM valid_after v WHERE v.time >= created_at), 0) ELSE voided_at END AS voided_at`

	// sessionOver is when a session ended or lapsed.
	sessionOver = `CASE ended_at WHEN 0 THEN least(expires_at, idle_expires_at,
			(SELECT v.time FROM valid_after v WHERE v.time >= created_at)) ELSE ended_at END`
)

// EndAllSessions implements core.Store.
func (s *Store) EndAllSessions(ctx context.Context, in core.EndAllSessions) (time.Time, error) {
	return write(ctx, s, "ending all sessions", func(tx *tx, out *time.Time) {
		tx.ask("UPDATE valid_after SET time = greatest(time, $1) RETURNING time", func(r *row) { r.scan(at(out)) }, in.Now)
		tx.tell(in.Event, core.User{}, "")
	})
}
