package sqlite

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
	sessionEnd = `CASE sessions.ended_at WHEN 0 THEN
			coalesce((SELECT time FROM valid_after WHERE time >= sessions.created_at), 0) ELSE sessions.ended_at END,
		CASE WHEN sessions.ended_at = 0 AND sessions.created_at <= (SELECT time FROM valid_after)
			THEN '` + core.EndedWithAll + `' ELSE sessions.end_reason END`
	challengeVoided = `CASE WHEN voided_at = 0 AND redeemed_at = 0 THEN
			coalesce((SELECT time FROM valid_after WHERE time >= created_at), 0) ELSE voided_at END`

	// sessionOver is when a session ended or lapsed.
	sessionOver = `CASE ended_at WHEN 0 THEN min(expires_at, idle_expires_at,
			coalesce((SELECT time FROM valid_after WHERE time >= created_at), expires_at)) ELSE ended_at END`
)

// EndAllSessions implements core.Store.
func (s *Store) EndAllSessions(ctx context.Context, in core.EndAllSessions) (time.Time, error) {
	return write(ctx, s, "ending all sessions", func(tx *tx) (until time.Time) {
		tx.one("UPDATE valid_after SET time = max(time, ?) RETURNING time", func(r *row) { until = r.time() }, in.Now)
		tx.tell(in.Event, core.User{}, "")
		return until
	})
}
