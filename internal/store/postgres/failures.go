package postgres

import (
	"time"

	"github.com/countersign/countersign/internal/core"
)

// counter is a row of failures.
type counter struct {
	phoneKey string
	method   string
	core.Failures
}

// storedCounter is what counter.into reads.
const storedCounter = "device_id, in_row, waits_until, last_failed_at, recent"

func (c *counter) into(recent *[]int64) []any {
	return []any{&c.DeviceID, &c.InRow, at(&c.WaitsUntil), at(&c.LastFailedAt), recent}
}

// read reads storedCounter.
func (c *counter) read(r *row) {
	var recent []int64
	r.scan(c.into(&recent)...)
	c.Recent = times(recent)
}

func (tx *tx) save(c counter) {
	tx.exec(`INSERT INTO failures (phone_key, device_id, method, in_row, waits_until, last_failed_at, recent)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (phone_key, device_id, method) DO UPDATE
		SET in_row = excluded.in_row, waits_until = excluded.waits_until, last_failed_at = excluded.last_failed_at, recent = excluded.recent`,
		c.phoneKey, c.DeviceID, c.method, c.InRow, c.WaitsUntil, c.LastFailedAt, stored(c.Recent))
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
