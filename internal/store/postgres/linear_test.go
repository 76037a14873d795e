package postgres

import (
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/storetest"
)

// Two stores with connections of their own are two instances to the database.
func TestLinear(t *testing.T) {
	storetest.Linear(t, func(t *testing.T, fault storetest.Fault) []core.Store {
		o := Options{URL: database(t), Faults: func(step string) error {
			if step == StepCommit || step == StepCommitted {
				return fault(step == StepCommitted)
			}
			return nil
		}}
		return []core.Store{open(t, o), open(t, o)}
	})
}
