package server

import (
	"testing"
	"time"
)

// C-39: the store looks at an hour of sends, and the longest wait is ten times
// the window: what may be set is kept.
func TestC39WaitsFitInTheHourThatIsLookedAt(t *testing.T) {
	for _, row := range LimitTable() {
		if row.Name == "send_wait" && (row.Most.Window != 6*time.Minute || row.Most.N != mostStored || row.Least.N != 1) {
			t.Errorf("send_wait may be %d/%s to %d/%s", row.Least.N, row.Least.Window, row.Most.N, row.Most.Window)
		}
	}
}
