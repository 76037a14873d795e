package postgres

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// admit counts the sends to a message's number, whose turn is held. Decoys and
// others are counted in the same step by the same rows (C-61).
func (tx *tx) admit(m core.Message, limits core.SendLimits, now time.Time) core.Admission {
	sent, spare := core.Sends{SendLimits: limits}, core.Sends{}
	tx.sends(&sent, m.PhoneKey, m.Bucket, now)
	if limits.Spare != nil {
		spare.SendLimits = *limits.Spare
		tx.sends(&spare, m.PhoneKey, core.BucketSolved, now)
	}
	tx.look()
	return sent.Admit(m.Bucket, func() core.Sends { return spare }, now)
}

// sentIn are the sends to a number ($1) in a bucket ($2) since a time ($3).
const sentIn = "SELECT m.created_at, " + unredeemed + " AS open FROM messages m LEFT JOIN challenges c ON c.id = m.challenge_id" +
	" WHERE m.phone_key = $1 AND m.bucket = $2 AND m.created_at > $3 AND " + isSend

// What makes a message a send, and what makes it one that nobody has redeemed,
// also where its challenge was erased.
const (
	isSend     = "(m.challenge_id IS NOT NULL OR m.erased <> '')"
	unredeemed = "coalesce(c.redeemed_at = 0, m.erased = 'open')"
)

// sends queues the reading of what is counted.
func (tx *tx) sends(s *core.Sends, phoneKey, bucket string, now time.Time) {
	window := s.Window()
	if window == 0 {
		return
	}
	tx.ask(sentIn+" ORDER BY m.created_at DESC", func(r *row) {
		var sentAt time.Time
		var open bool
		r.scan(at(&sentAt), &open)
		s.Add(sentAt, open)
	}, phoneKey, bucket, now.Add(-window))
}
