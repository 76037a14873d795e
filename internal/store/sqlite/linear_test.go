package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/storetest"
)

// One instance: a server takes its data folder for itself.
func TestLinear(t *testing.T) {
	storetest.Linear(t, func(t *testing.T, fault storetest.Fault) []core.Store {
		o := Options{Path: filepath.Join(t.TempDir(), "countersign.db"), Faults: func(step string) error {
			if step == StepCommit || step == StepCommitted {
				return fault(step == StepCommitted)
			}
			return nil
		}}
		return []core.Store{open(t, o)}
	})
}
