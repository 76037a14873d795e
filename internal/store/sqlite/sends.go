package sqlite

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// admit counts the sends to a message's number. Decoys and others are counted
// in the same step by the same rows (C-61).
func (tx *tx) admit(m core.Message, limits core.SendLimits, now time.Time) core.Admission {
	return tx.sends(m.PhoneKey, m.Bucket, limits, now).Admit(m.Bucket, func() core.Sends {
		return tx.sends(m.PhoneKey, core.BucketSolved, *limits.Spare, now)
	}, now)
}

func (tx *tx) sends(phoneKey, bucket string, limits core.SendLimits, now time.Time) core.Sends {
	s := core.Sends{SendLimits: limits}
	window := limits.Window()
	if window == 0 {
		return s
	}
	tx.all(`SELECT m.created_at, coalesce(c.redeemed_at = 0, m.erased = 'open')
		FROM messages m LEFT JOIN challenges c ON c.id = m.challenge_id
		WHERE m.phone_key = ? AND m.bucket = ? AND m.created_at > ? AND (m.challenge_id IS NOT NULL OR m.erased <> '')
		ORDER BY m.created_at DESC`, func(r *row) { s.Add(r.time(), r.flag()) }, phoneKey, bucket, now.Add(-window))
	return s
}
