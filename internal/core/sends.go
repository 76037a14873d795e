package core

import "time"

// This file is what the sends to a number admit. Every engine asks it: it knows no
// database. A statement that judges by itself names the rule that it repeats.

// The windows of SendLimits.
const (
	SendsHour = time.Hour
	SendsDay  = 24 * time.Hour
)

// Window is how far back limits look; 0 where nothing is limited.
func (l SendLimits) Window() time.Duration {
	switch {
	case l.Day > 0:
		return SendsDay
	case l.Hour > 0 || len(l.Waits) > 0:
		return SendsHour
	}
	return 0
}

// Sends is what SendLimits count of one bucket of a number: of their Window, the
// newest first.
type Sends struct {
	SendLimits
	at   []time.Time
	open []time.Time // those whose challenge is not redeemed
}

// Add notes the next older send, and whether its challenge is not redeemed.
func (s *Sends) Add(at time.Time, open bool) {
	s.at = append(s.at, at)
	if open {
		s.open = append(s.open, at)
	}
}

// Admission tells under which bucket a message is counted, or which limit refuses
// it and until when.
type Admission struct {
	Bucket  string
	Refusal SendLimit // "" when it is admitted
	RetryAt time.Time // of a refusal
}

// Admit judges one more message of a bucket. spare gives what was sent in
// BucketSolved; it is asked only where Spare's limits judge instead.
func (s Sends) Admit(bucket string, spare func() Sends, now time.Time) Admission {
	if s.Spare != nil && s.full(now) {
		bucket, s = BucketSolved, spare()
	}
	if refusal := s.refusal(now); refusal != "" {
		return Admission{Refusal: refusal, RetryAt: s.retryAt(now)}
	}
	return Admission{Bucket: bucket}
}

// full tells whether the bucket holds all that an hour or a day may.
func (s Sends) full(now time.Time) bool {
	return now.Before(s.leaves(s.Hour, SendsHour)) || now.Before(s.leaves(s.Day, SendsDay))
}

func (s Sends) refusal(now time.Time) SendLimit {
	switch {
	case now.Before(s.waitsUntil(now)):
		return SendWait
	case now.Before(s.leaves(s.Hour, SendsHour)):
		return SendHour
	case now.Before(s.leaves(s.Day, SendsDay)):
		return SendDay
	}
	return ""
}

// retryAt is when all three limits admit again. With the time, sends leave the
// hour, and the wait becomes a shorter one.
func (s Sends) retryAt(now time.Time) time.Time {
	at := later(now, later(s.leaves(s.Hour, SendsHour), s.leaves(s.Day, SendsDay)))
	for {
		until := s.waitsUntil(at)
		if !at.Before(until) {
			return at
		}
		if next := s.open[s.waiting(at)-1].Add(SendsHour); next.Before(until) {
			until = next
		}
		at = until
	}
}

// leaves is when one more is within a limit of n in a window: when the n-th
// newest leaves it. Zero for less than n sends, and without a limit.
func (s Sends) leaves(n int, window time.Duration) time.Time {
	if n <= 0 || len(s.at) < n {
		return time.Time{}
	}
	return s.at[n-1].Add(window)
}

// waitsUntil is the end of the wait that stands at a time.
func (s Sends) waitsUntil(at time.Time) time.Time {
	n := min(s.waiting(at), len(s.Waits))
	if n == 0 {
		return time.Time{}
	}
	return s.open[0].Add(s.Waits[n-1])
}

// waiting tells how many sends of the last hour nobody has redeemed.
func (s Sends) waiting(at time.Time) int {
	n := 0
	for n < len(s.open) && at.Before(s.open[n].Add(SendsHour)) {
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
