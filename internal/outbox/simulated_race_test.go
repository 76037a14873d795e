//go:build race

package outbox_test

import "time"

// The race detector makes the simulation slow: it looks for lost messages alone.
const (
	simulatedPeople = 200
	simulatedDay    = 20 * time.Minute
)
