package sqlite

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What lapses by a time that an index knows: ?1 is the time, ?2 how many rows.
const (
	sweepTexts = `UPDATE challenges SET sealed = NULL WHERE rowid IN (
		SELECT rowid FROM challenges WHERE sealed IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2)`
	sweepChallenges = `DELETE FROM challenges WHERE rowid IN (
		SELECT rowid FROM challenges WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)`
	sweepNotices = `DELETE FROM messages WHERE position IN (
		SELECT position FROM messages WHERE challenge_id IS NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2)`
	sweepFailures = `DELETE FROM failures WHERE (phone_key, device_id, method) IN (
		SELECT phone_key, device_id, method FROM failures WHERE last_failed_at <= ?1
			AND NOT (?3 > 0 AND method = 'password' AND device_id = '' AND in_row >= ?3) ORDER BY last_failed_at LIMIT ?2)`
)

// Sweep implements core.Store.
func (s *Store) Sweep(ctx context.Context, in core.Sweep) (more bool, err error) {
	return write(ctx, s, "sweeping", func(tx *tx) bool {
		ended := in.Now.Add(-in.KeepEnded)
		full := int64(in.Limit)
		more := tx.exec(sweepTexts, in.Now, in.Limit) == full
		more = tx.exec(sweepChallenges, in.Now.Add(-in.KeepChallenges), in.Limit) == full || more
		more = tx.exec(sweepNotices, in.Now, in.Limit) == full || more
		more = tx.exec(sweepFailures, ended, in.Limit, in.CloseAt) == full || more
		more = tx.sweepEvents(in) || more
		more = tx.sweepSpending(in) || more
		more = tx.sweepRollups(in) || more
		more = tx.blankEvents(in) || more
		more = s.sweepSessions(tx, in) || more
		return more && in.Limit > 0
	})
}

// sweepEvents drops the oldest events that every sink has. They lie in the
// order of their commits, which is that of their times but for moments.
func (tx *tx) sweepEvents(in core.Sweep) (more bool) {
	cut := in.Now.Add(-in.KeepEvents)
	var last int64
	dropped := 0
	tx.query(`SELECT position, time FROM events WHERE position <= (SELECT coalesce(min(settled), 1 << 62) FROM sinks)
		ORDER BY position LIMIT ?`, func(r *row) bool {
		position, at := r.long(), r.time()
		if at.After(cut) {
			return false
		}
		last = position
		dropped++
		return true
	}, in.Limit)
	if dropped > 0 {
		tx.exec("DELETE FROM events WHERE position <= ?", last)
	}
	return dropped == in.Limit
}

// blankEvents takes addresses and agents from the oldest events that have any.
func (tx *tx) blankEvents(in core.Sweep) (more bool) {
	type stored struct {
		position int64
		event    event.Event
	}
	cut := in.Now.Add(-in.KeepAddresses)
	var old []stored
	tx.query("SELECT position, payload FROM events WHERE addressed = 1 ORDER BY position LIMIT ?", func(r *row) bool {
		each := stored{position: r.long(), event: tx.readEvent(r)}
		if tx.err != nil || each.event.Time.After(cut) {
			return false
		}
		old = append(old, each)
		return true
	}, in.Limit)
	for _, each := range old {
		each.event.IPAddress, each.event.UserAgent = "", ""
		tx.exec("UPDATE events SET addressed = 0, payload = ? WHERE position = ?", event.Encode(each.event), each.position)
	}
	return len(old) == in.Limit
}

// sessionsAtOnce is how many sessions one sweep looks at.
const sessionsAtOnce = 1000

// sweepSessions drops sessions that are over for long, and blanks addresses
// and agents of those unseen for long. When a session lapses changes with each
// refresh; instead of an index that each refresh would have to write, the
// sweeps walk through the table, a stretch each.
func (s *Store) sweepSessions(tx *tx, in core.Sweep) (more bool) {
	type aged struct {
		rowid          int64
		over, lastSeen time.Time // over: ended or lapsed
		addressed      bool
	}
	stretch := collect(tx, `SELECT rowid, `+sessionOver+`,
		last_seen_at, ip_address <> '' OR network <> '' OR user_agent <> ''
		FROM sessions WHERE rowid > ? ORDER BY rowid LIMIT ?`, func(r *row) aged {
		return aged{rowid: r.long(), over: r.time(), lastSeen: r.time(), addressed: r.flag()}
	}, s.sweptTo, sessionsAtOnce)

	changed := 0
	for _, each := range stretch {
		if changed == in.Limit {
			return true
		}
		s.sweptTo = each.rowid
		switch {
		case !each.over.After(in.Now.Add(-in.KeepEnded)):
			tx.exec("DELETE FROM sessions WHERE rowid = ?", each.rowid)
			changed++
		case each.addressed && !each.lastSeen.After(in.Now.Add(-in.KeepAddresses)):
			tx.exec("UPDATE sessions SET ip_address = '', network = '', user_agent = '' WHERE rowid = ?", each.rowid)
			changed++
		}
	}
	if len(stretch) == sessionsAtOnce {
		return true
	}
	s.sweptTo = 0 // all the way through: the next sweep begins anew
	return changed == in.Limit
}
