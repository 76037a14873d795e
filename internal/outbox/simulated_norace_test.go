//go:build !race

package outbox_test

import "time"

// The size of the simulation that is held against a fixed order.
const (
	simulatedPeople = 10_000
	simulatedDay    = 4 * time.Hour
)
