package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/storetest"
)

// The engine is what passes the suite.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) core.Store { return open(t, Options{}) })
}

// open opens a store in a new directory (or where o.Path says), and closes it
// with the test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "countersign.db")
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}
