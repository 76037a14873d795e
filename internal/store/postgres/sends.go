package postgres

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// The windows of SendLimits.
const (
	sendHour = time.Hour
	sendDay  = 24 * time.Hour
)

// admission tells under which bucket a message is counted, or which limit
// refuses it and until when.
type admission struct {
	bucket  string
	refusal core.SendLimit // "" when it is admitted
	retryAt time.Time
}

// admit counts the sends to a message's number, whose turn is held. Decoys and
// others are counted in the same step by the same rows (C-61).
func (tx *tx) admit(m core.Message, limits core.SendLimits, now time.Time) admission {
	sent, spare := sends{SendLimits: limits}, sends{}
	tx.sends(&sent, m.PhoneKey, m.Bucket, now)
	if limits.Spare != nil {
		spare.SendLimits = *limits.Spare
		tx.sends(&spare, m.PhoneKey, core.BucketSolved, now)
	}
	tx.look()
	bucket := m.Bucket
	if limits.Spare != nil && sent.full(now) {
		bucket, sent = core.BucketSolved, spare
	}
	if refusal := sent.refusal(now); refusal != "" {
		return admission{refusal: refusal, retryAt: sent.retryAt(now)}
	}
	return admission{bucket: bucket}
}

// sends is what SendLimits count of one bucket of a number, the newest first.
type sends struct {
	core.SendLimits
	at   []time.Time
	open []time.Time // those whose challenge is not redeemed
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
func (tx *tx) sends(s *sends, phoneKey, bucket string, now time.Time) {
	window := counted(s.SendLimits)
	if window == 0 {
		return
	}
	tx.ask(sentIn+" ORDER BY m.created_at DESC", func(r *row) {
		var sentAt time.Time
		var open bool
		r.scan(at(&sentAt), &open)
		s.at = append(s.at, sentAt)
		if open {
			s.open = append(s.open, sentAt)
		}
	}, phoneKey, bucket, now.Add(-window))
}

// counted is how far back limits look; not at all where nothing is limited.
func counted(l core.SendLimits) time.Duration {
	switch {
	case l.Day > 0:
		return sendDay
	case l.Hour > 0 || len(l.Waits) > 0:
		return sendHour
	}
	return 0
}

// full tells whether the bucket holds all that an hour or a day may.
func (s sends) full(now time.Time) bool {
	return now.Before(s.leaves(s.Hour, sendHour)) || now.Before(s.leaves(s.Day, sendDay))
}

func (s sends) refusal(now time.Time) core.SendLimit {
	switch {
	case now.Before(s.waitsUntil(now)):
		return core.SendWait
	case now.Before(s.leaves(s.Hour, sendHour)):
		return core.SendHour
	case now.Before(s.leaves(s.Day, sendDay)):
		return core.SendDay
	}
	return ""
}

// retryAt is when all three limits admit again. With the time, sends leave the
// hour, and the wait becomes a shorter one.
func (s sends) retryAt(now time.Time) time.Time {
	at := later(now, later(s.leaves(s.Hour, sendHour), s.leaves(s.Day, sendDay)))
	for {
		until := s.waitsUntil(at)
		if !at.Before(until) {
			return at
		}
		if next := s.open[s.waiting(at)-1].Add(sendHour); next.Before(until) {
			until = next
		}
		at = until
	}
}

// leaves is when one more is within a limit of n in a window: when the n-th
// newest leaves it. Zero for n sends or less, and without a limit.
func (s sends) leaves(n int, window time.Duration) time.Time {
	if n <= 0 || len(s.at) < n {
		return time.Time{}
	}
	return s.at[n-1].Add(window)
}

// waitsUntil is the end of the wait that stands at a time.
func (s sends) waitsUntil(at time.Time) time.Time {
	n := min(s.waiting(at), len(s.Waits))
	if n == 0 {
		return time.Time{}
	}
	return s.open[0].Add(s.Waits[n-1])
}

// waiting tells how many sends of the last hour nobody has redeemed.
func (s sends) waiting(at time.Time) int {
	n := 0
	for n < len(s.open) && at.Before(s.open[n].Add(sendHour)) {
		n++
	}
	return n
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
