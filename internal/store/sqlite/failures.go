package sqlite

import (
	"encoding/binary"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// counter is a row of failures.
type counter struct {
	phoneKey string
	method   string
	core.Failures
}

// counter finds a counter, or makes a zero one that is not stored yet.
func (tx *tx) counter(phoneKey, deviceID, method string) counter {
	c := counter{phoneKey: phoneKey, method: method, Failures: core.Failures{DeviceID: deviceID}}
	tx.one(`SELECT in_row, waits_until, last_failed_at, recent FROM failures
		WHERE phone_key = ? AND device_id = ? AND method = ?`, func(r *row) {
		c.InRow, c.WaitsUntil, c.LastFailedAt, c.Recent = r.int(), r.time(), r.time(), unpackTimes(r.blob())
	}, phoneKey, deviceID, method)
	return c
}

func (tx *tx) save(c counter) {
	tx.exec(`INSERT INTO failures (phone_key, device_id, method, in_row, waits_until, last_failed_at, recent)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE
		SET in_row = ?4, waits_until = ?5, last_failed_at = ?6, recent = ?7`,
		c.phoneKey, c.DeviceID, c.method, c.InRow, c.WaitsUntil, c.LastFailedAt, packTimes(c.Recent))
}

// knownDevice gives the device whose own counter counts, or "" for strangers'.
func (tx *tx) knownDevice(deviceID, userID string) string {
	if deviceID == "" || userID == "" || !tx.exists("SELECT 1 FROM devices WHERE id = ? AND user_id = ?", deviceID, userID) {
		return ""
	}
	return deviceID
}

func packTimes(times []time.Time) []byte {
	packed := make([]byte, 0, 8*len(times))
	for _, t := range times {
		packed = binary.BigEndian.AppendUint64(packed, uint64(millis(t)))
	}
	return packed
}

func unpackTimes(packed []byte) []time.Time {
	var times []time.Time
	for ; len(packed) >= 8; packed = packed[8:] {
		times = append(times, fromMillis(int64(binary.BigEndian.Uint64(packed))))
	}
	return times
}
