package postgres

import (
	"context"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/storetest"
)

// The engine is what passes the suite.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) core.Store { return open(t, Options{}) })
}

// open opens a store in a fresh database (or where o.URL says), and closes it
// with the test.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	if o.URL == "" {
		o.URL = database(t)
	}
	if o.Conns == 0 {
		o.Conns = 4
	}
	s, err := Open(context.Background(), o)
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
