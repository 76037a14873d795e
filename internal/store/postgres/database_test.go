package postgres

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// databases are those with today's schema: one to copy, and the copies that no
// test uses just now. Emptying one takes a tenth of the time of making one.
var databases struct {
	sync.Mutex
	migrated string
	idle     []string
}

// schema gives a database that has the schema and nothing else, to be copied.
func schema(t testing.TB) string {
	t.Helper()
	databases.Lock()
	defer databases.Unlock()
	if databases.migrated == "" {
		url := pgtest.Database(t)
		s, err := Open(context.Background(), Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		databases.migrated = url
	}
	return databases.migrated
}

// database gives an empty database with the schema for one test.
func database(t testing.TB) string {
	t.Helper()
	url := idle()
	if url == "" {
		url = pgtest.Copy(t, schema(t))
	}
	t.Cleanup(func() {
		empty(t, url)
		databases.Lock()
		defer databases.Unlock()
		databases.idle = append(databases.idle, url)
	})
	return url
}

// idle takes a database that no test uses; "" where there is none.
func idle() (url string) {
	databases.Lock()
	defer databases.Unlock()
	if n := len(databases.idle); n > 0 {
		url, databases.idle = databases.idle[n-1], databases.idle[:n-1]
	}
	return url
}

// empty makes a database as the migrations leave it.
func empty(t testing.TB, url string) {
	t.Helper()
	tables := []string{
		"users", "numbers", "messages", "challenges", "failures", "events", "sinks", "heads", "instances", "watchers", "keys", "api_keys", "spending", "rollups", "moves",
		"turns", "rollup_spans", "pulse", "valid_after",
	}
	run(t, url, "DELETE FROM "+strings.Join(tables, "; DELETE FROM ")+
		// What the schema itself brings: a move that was cut off has left none of it.
		"; INSERT INTO turns (name, last) VALUES ('events', 0), ('till', 0), ('api_keys', 0), ('partitions', 0)"+
		"; INSERT INTO rollup_spans (span, since) VALUES (60000, 0), (600000, 0), (3600000, 0)"+
		"; INSERT INTO pulse (beats) VALUES (0); INSERT INTO valid_after (time) VALUES (0)")
}

// run runs statements on a connection of its own.
func run(t testing.TB, url, statements string) {
	t.Helper()
	ctx := context.Background()
	conn := connect(t, url)
	if _, err := conn.Exec(ctx, statements); err != nil {
		t.Errorf("%s: %v", statements, err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Error(err)
	}
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
