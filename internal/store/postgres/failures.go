package postgres

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// keptFailures is how many failure times a counter keeps at least: more than
// any window's limit, so that a limit raised later still sees them.
const keptFailures = 64

// counter counts one number's failures by one method: strangers' together, or
// one known device's.
type counter struct {
	phoneKey string
	deviceID string // "" for strangers
	method   string

	inRow        int // since a success
	waitsUntil   time.Time
	lastFailedAt time.Time
	recent       []time.Time // oldest first
}

// storedCounter is what intoCounter reads.
const storedCounter = "device_id, in_row, waits_until, last_failed_at, recent"

func (c *counter) into(recent *[]int64) []any {
	return []any{&c.deviceID, &c.inRow, at(&c.waitsUntil), at(&c.lastFailedAt), recent}
}

// read reads storedCounter.
func (c *counter) read(r *row) {
	var recent []int64
	r.scan(c.into(&recent)...)
	c.recent = times(recent)
}

func (tx *tx) save(c counter) {
	tx.exec(`INSERT INTO failures (phone_key, device_id, method, in_row, waits_until, last_failed_at, recent)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (phone_key, device_id, method) DO UPDATE
		SET in_row = excluded.in_row, waits_until = excluded.waits_until, last_failed_at = excluded.last_failed_at, recent = excluded.recent`,
		c.phoneKey, c.deviceID, c.method, c.inRow, c.waitsUntil, c.lastFailedAt, stored(c.recent))
}

// add counts a failure. At most keep of the latest, and keptFailures in any
// case, are remembered one by one.
func (c *counter) add(now time.Time, keep int) {
	c.inRow++
	c.lastFailedAt = now
	c.recent = append(c.recent, now)
	if surplus := len(c.recent) - max(keep, keptFailures); surplus > 0 {
		c.recent = c.recent[surplus:]
	}
}

// window tells how many failures lie within the window, and until when the
// counter is locked by them; zero where it is not. A limit of 0 never locks.
func (c *counter) window(limit int, length time.Duration, now time.Time) (count int, until time.Time) {
	for i := len(c.recent) - 1; i >= 0 && now.Before(c.recent[i].Add(length)); i-- {
		count++
	}
	if limit > 0 && count >= limit {
		until = c.recent[len(c.recent)-limit].Add(length)
	}
	return count, until
}

// codeWindow is window with the limits of codes.
func (c *counter) codeWindow(l core.CodeLimits, now time.Time) (count int, until time.Time) {
	if c.deviceID != "" {
		return c.window(l.Device, l.DeviceWindow, now)
	}
	return c.window(l.Strangers, l.StrangersWindow, now)
}

// passwordLock tells until when no password is judged; zero: it may be.
func (c *counter) passwordLock(l core.PasswordLimits, now time.Time) time.Time {
	if c.deviceID == "" && l.Close > 0 && c.inRow >= l.Close {
		return now.Add(l.MaxDelay)
	}
	var until time.Time
	if now.Before(c.waitsUntil) {
		until = c.waitsUntil
	}
	if c.deviceID != "" {
		if _, full := c.window(l.Device, l.DeviceWindow, now); full.After(until) {
			until = full
		}
	}
	return until
}

// earned is how long a counter waits after its n-th failure in a row:
// FirstDelay from Free on, doubling, MaxDelay at most.
func earned(l core.PasswordLimits, n int) time.Duration {
	if n < l.Free || l.FirstDelay <= 0 {
		return 0
	}
	delay := l.FirstDelay
	for range n - l.Free {
		if delay >= l.MaxDelay {
			break
		}
		delay *= 2
	}
	return min(delay, l.MaxDelay)
}

func stored(times []time.Time) []int64 {
	ms := make([]int64, len(times))
	for i, t := range times {
		ms[i] = millis(t)
	}
	return ms
}

func times(ms []int64) []time.Time {
	all := make([]time.Time, len(ms))
	for i, t := range ms {
		all[i] = fromMillis(t)
	}
	return all
}
