package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/storetest"
)

// Two connections that write, as two processes over one file would be.
func TestLinear(t *testing.T) {
	storetest.Linear(t, func(t *testing.T, fault storetest.Fault) []core.Store {
		o := Options{Path: filepath.Join(t.TempDir(), "countersign.db"), Faults: func(step string) error {
			if step == StepCommit || step == StepCommitted {
				return fault(step == StepCommitted)
			}
			return nil
		}}
		return []core.Store{open(t, o), open(t, o)}
	})
}
