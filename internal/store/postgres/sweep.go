package postgres

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What lapses by a time that an index knows: $1 is the time, $2 how many rows.
// What others hold is left to a later sweep. The keys are gathered first, once: a
// plan that asked for them again would find and drop others. Of messages and
// events, partitions go; here only what is in none.
const (
	sweepTexts = `UPDATE challenges SET sealed = NULL WHERE id = ANY (ARRAY(
		SELECT id FROM challenges WHERE sealed IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED))`
	sweepChallenges = `DELETE FROM challenges WHERE id = ANY (ARRAY(
		SELECT id FROM challenges WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`
	sweepNotices = `DELETE FROM messages WHERE id = ANY (ARRAY(
		SELECT id FROM messages WHERE challenge_id IS NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`
	sweepOtherMessages = `DELETE FROM messages_other WHERE id = ANY (ARRAY(
		SELECT id FROM messages_other WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`
	sweepFailures = `WITH old AS MATERIALIZED (SELECT phone_key, device_id, method FROM failures WHERE last_failed_at <= $1
			AND NOT ($3::bigint > 0 AND method = 'password' AND device_id = '' AND in_row >= $3)
			ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED)
		DELETE FROM failures WHERE phone_key = ANY (ARRAY(SELECT phone_key FROM old))
			AND (phone_key, device_id, method) IN (SELECT phone_key, device_id, method FROM old)`
	sweepNumbers = `DELETE FROM numbers WHERE phone_key = ANY (ARRAY(
		SELECT phone_key FROM numbers WHERE used_on <= $1 ORDER BY used_on LIMIT $2 FOR UPDATE SKIP LOCKED))`
	sweepOtherEvents = `DELETE FROM events_other WHERE id = ANY (ARRAY(SELECT id FROM (
			SELECT id, time FROM events_other WHERE position <= (SELECT coalesce(min(settled), 9223372036854775807) FROM sinks)
			ORDER BY position LIMIT $2) oldest WHERE time <= $1))`
	sweepSpending = `WITH old AS MATERIALIZED (SELECT span, country, starts_at FROM spending WHERE span = $3 AND starts_at < $1
			ORDER BY starts_at LIMIT $2 FOR UPDATE SKIP LOCKED)
		DELETE FROM spending WHERE span = $3 AND starts_at < $1 AND (span, country, starts_at) IN (SELECT span, country, starts_at FROM old)`
	sweepRollups = `WITH old AS MATERIALIZED (SELECT span, starts_at, name, method, outcome, reason, country, provider, instance FROM rollups
			WHERE span = $3 AND starts_at < $1 ORDER BY starts_at LIMIT $2 FOR UPDATE SKIP LOCKED),
		kept AS (UPDATE rollup_spans SET since = greatest(since, $1) WHERE span = $3 AND EXISTS (SELECT FROM old))
		DELETE FROM rollups WHERE span = $3 AND starts_at < $1 AND (span, starts_at, name, method, outcome, reason, country, provider, instance)
			IN (SELECT span, starts_at, name, method, outcome, reason, country, provider, instance FROM old)`
)

// Sweep implements core.Store.
func (s *Store) Sweep(ctx context.Context, in core.Sweep) (more bool, err error) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	if err := s.sweepPartitions(ctx, in); err != nil {
		return false, err
	}
	swept, err := write(ctx, s, "sweeping", func(tx *tx, out *sweep) {
		out.limit, out.to = int64(in.Limit), s.sweptTo
		out.drop(tx, sweepTexts, in.Now)
		out.drop(tx, sweepChallenges, in.Now.Add(-in.KeepChallenges))
		out.drop(tx, sweepNotices, in.Now)
		out.drop(tx, sweepOtherMessages, in.Now.Add(-max(in.KeepChallenges, core.SendsDay)))
		out.drop(tx, sweepFailures, in.Now.Add(-in.KeepEnded), in.CloseAt)
		out.drop(tx, sweepNumbers, in.Now.Add(-in.KeepEnded))
		out.drop(tx, sweepOtherEvents, in.Now.Add(-in.KeepEvents))
		for _, span := range core.SpendingSpans() {
			out.drop(tx, sweepSpending, span.Since(in.Now), span.Slot)
		}
		for _, span := range rollupSpans {
			out.drop(tx, sweepRollups, core.SlotOf(in.Now.Add(-span.kept), span.slot), span.slot)
		}
		out.blankEvents(tx, in)
		out.sessions(tx, in)
	})
	if err == nil {
		s.sweptTo = swept.to
	}
	return swept.more && in.Limit > 0, err
}

// sweep is how far one sweep has come.
type sweep struct {
	limit int64
	more  bool
	to    string // id of the last session that was looked at
}

// drop queues one of the statements above.
func (s *sweep) drop(tx *tx, statement string, till time.Time, more ...any) {
	var dropped int64
	tx.changes(&dropped, statement, append([]any{till, s.limit}, more...)...)
	tx.then(func() { s.more = s.more || dropped == s.limit })
}

// blankEvents takes addresses and agents from the oldest events that have any.
func (s *sweep) blankEvents(tx *tx, in core.Sweep) {
	var old []event.Event
	collect(tx, &old, "SELECT "+storedEvent+` FROM events WHERE addressed AND time <= $1 ORDER BY time LIMIT $2
		FOR NO KEY UPDATE SKIP LOCKED`, func(r *row) event.Event { return readEvent(r) }, in.Now.Add(-in.KeepAddresses), in.Limit)
	tx.look()
	for _, each := range old {
		each.IPAddress, each.UserAgent = "", ""
		tx.exec("UPDATE events SET addressed = false, payload = $1 WHERE id = $2", event.Encode(each), each.ID)
	}
	s.more = s.more || len(old) == in.Limit
}

// sessionsAtOnce is how many sessions one sweep looks at.
const sessionsAtOnce = 1000

// aged is what a sweep looks at of a session.
type aged struct {
	id             string
	over, lastSeen time.Time // over: ended or lapsed
	addressed      bool
}

// sessions drops sessions that are over for long, and blanks addresses and
// agents of those unseen for long. When a session lapses changes with each
// refresh; instead of an index that each refresh would have to write, the
// sweeps walk through the table, a stretch each.
func (s *sweep) sessions(tx *tx, in core.Sweep) {
	var stretch []aged
	collect(tx, &stretch, `SELECT id, `+sessionOver+`,
		last_seen_at, ip_address <> '' OR network <> '' OR user_agent <> ''
		FROM sessions WHERE id > $1 ORDER BY id LIMIT $2`, func(r *row) (each aged) {
		r.scan(&each.id, at(&each.over), at(&each.lastSeen), &each.addressed)
		return each
	}, s.to, sessionsAtOnce)
	tx.look()

	var over, unseen []string
	for _, each := range stretch {
		if len(over)+len(unseen) == in.Limit {
			s.more = true
			break
		}
		s.to = each.id
		switch {
		case !each.over.After(in.Now.Add(-in.KeepEnded)):
			over = append(over, each.id)
		case each.addressed && !each.lastSeen.After(in.Now.Add(-in.KeepAddresses)):
			unseen = append(unseen, each.id)
		}
	}
	s.drops(tx, over, unseen, in)
	switch {
	case s.more && len(stretch) > 0 && s.to != stretch[len(stretch)-1].id:
	case len(stretch) == sessionsAtOnce:
		s.more = true
	default:
		s.to = "" // all the way through: the next sweep begins anew
	}
}

// drops changes the sessions that a stretch found, unless they were used
// meanwhile.
func (s *sweep) drops(tx *tx, over, unseen []string, in core.Sweep) {
	if len(over) > 0 {
		tx.exec(`DELETE FROM sessions WHERE id = ANY (ARRAY(SELECT id FROM sessions WHERE id = ANY ($1)
			AND `+sessionOver+` <= $2 FOR UPDATE SKIP LOCKED))`,
			over, in.Now.Add(-in.KeepEnded))
	}
	if len(unseen) > 0 {
		tx.exec(`UPDATE sessions SET ip_address = '', network = '', user_agent = '' WHERE id = ANY (ARRAY(
			SELECT id FROM sessions WHERE id = ANY ($1) AND last_seen_at <= $2 FOR NO KEY UPDATE SKIP LOCKED))`,
			unseen, in.Now.Add(-in.KeepAddresses))
	}
}
