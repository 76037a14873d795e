package e2e

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/ncruces/go-sqlite3"
	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/postgres"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
	"github.com/countersign/countersign/internal/store/sqlite"
)

// engine is what the instances of a pair stand on.
type engine struct {
	database func(testing.TB) string // a fresh one: where it is
	open     func(where string, faults func(step string) error) (closingStore, error)
	look     func(t testing.TB, where string) witness
	tables   string // asks for the names of all tables
	oneWrite bool   // its stores wait for one another's lock
	checks   int    // how many long random runs are enough; 0 for as many as are asked for
}

// check is rapid.Check for long runs: it leaves out those past on.checks, but
// none once one has failed, so that rapid can find the shortest.
func (on engine) check(t *testing.T, property func(*rapid.T)) {
	t.Helper()
	passed, failed := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if !failed && on.checks > 0 && passed >= on.checks {
			return
		}
		defer func() {
			if passed++; rt.Failed() {
				failed = true
			}
		}()
		property(rt)
	})
}

type closingStore interface {
	core.Store
	Close() error
}

// witness looks into a database past its engine: rows gives each row of one
// snapshot, with its columns as they lie there.
type witness interface {
	rows(query string, each func(columns [][]byte)) error
}

// The steps of an operation, by the word that every engine has for them.
const (
	stepBegin     = sqlite.StepBegin
	stepStatement = sqlite.StepStatement
	stepOperation = sqlite.StepOperation
	stepCommit    = sqlite.StepCommit
	stepCommitted = sqlite.StepCommitted
)

// onEveryEngine shows the same over each of them.
func onEveryEngine(t *testing.T, show func(*testing.T, engine)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		show(t, onSQLite())
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		show(t, onPostgres())
	})
}

func onSQLite() engine {
	enough := 0
	if raced {
		enough = 8 // scripts/test has the rest without the race detector
	}
	return engine{
		database: func(t testing.TB) string { return filepath.Join(t.TempDir(), "test.db") },
		open: func(where string, faults func(string) error) (closingStore, error) {
			return sqlite.Open(context.Background(), sqlite.Options{Path: where, Faults: faults})
		},
		look:     lookIntoSQLite,
		tables:   "SELECT name FROM sqlite_master WHERE type = 'table'",
		oneWrite: true,
		checks:   enough,
	}
}

// onPostgres gives each store its own connections: it cannot tell the other one
// from another machine's.
func onPostgres() engine {
	return engine{
		database: func(t testing.TB) string { return pgtest.Copy(t, migrated(t)) },
		open: func(where string, faults func(string) error) (closingStore, error) {
			return postgres.Open(context.Background(), postgres.Options{URL: where, Conns: 4, Faults: faults})
		},
		look:   lookIntoPostgres,
		tables: "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
		checks: 8,
	}
}

// template is a database that has the schema and nothing else.
var template struct {
	sync.Mutex
	url string
}

// migrated gives the template, which whoever asks first makes.
func migrated(t testing.TB) string {
	t.Helper()
	template.Lock()
	defer template.Unlock()
	if template.url == "" {
		url := pgtest.Database(t)
		s, err := postgres.Open(context.Background(), postgres.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		template.url = url
	}
	return template.url
}

type sqliteWitness struct{ db *sqlite3.Conn }

func lookIntoSQLite(t testing.TB, where string) witness {
	t.Helper()
	db, err := sqlite3.Open("file:" + where + "?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return sqliteWitness{db: db}
}

func (w sqliteWitness) rows(query string, each func(columns [][]byte)) error {
	stmt, _, err := w.db.Prepare(query)
	if err != nil {
		return err
	}
	columns := make([][]byte, stmt.ColumnCount())
	for stmt.Step() {
		for i := range columns {
			columns[i] = stmt.ColumnRawText(i)
			if stmt.ColumnType(i) == sqlite3.BLOB {
				columns[i] = stmt.ColumnRawBlob(i)
			}
		}
		each(columns)
	}
	if err := stmt.Err(); err != nil {
		_ = stmt.Close()
		return err
	}
	return stmt.Close()
}

type postgresWitness struct{ conn *pgx.Conn }

func lookIntoPostgres(t testing.TB, where string) witness {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return postgresWitness{conn: conn}
}

func (w postgresWitness) rows(query string, each func(columns [][]byte)) error {
	rows, err := w.conn.Query(context.Background(), query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		each(rows.RawValues())
	}
	return rows.Err()
}
