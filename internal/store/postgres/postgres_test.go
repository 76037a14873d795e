package postgres

import (
	"context"
	"sync"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
	"github.com/countersign/countersign/internal/store/storetest"
)

// The engine is what passes the suite.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) core.Store { return open(t, Options{}) })
}

// migrated is a database with the schema, to copy; made by the first test that
// asks.
var migrated struct {
	sync.Mutex
	url string
}

// database gives a fresh database with the schema.
func database(t testing.TB) string {
	t.Helper()
	migrated.Lock()
	defer migrated.Unlock()
	if migrated.url == "" {
		url := pgtest.Database(t)
		s, err := Open(context.Background(), Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		migrated.url = url
	}
	return pgtest.Copy(t, migrated.url)
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
