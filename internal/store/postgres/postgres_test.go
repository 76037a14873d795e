package postgres

import (
	"context"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
	"github.com/countersign/countersign/internal/store/storetest"
)

// The engine is what passes the suite; and nothing in it waits in a circle.
func TestStore(t *testing.T) {
	t.Cleanup(func() {
		conn := connect(t, pgtest.Server(t))
		if got := texts(t, conn, "SELECT sum(deadlocks)::text FROM pg_stat_database"); got[0] != "0" {
			t.Errorf("%s deadlocks", got[0])
		}
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
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
