package postgres

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/store"
)

// stays are the tables that no move fills.
var stays = []string{
	"goose_db_version", "goose_lock", "pulse", "moves",
	"numbers",   // made where a turn is taken
	"instances", // who runs now
}

// Whatever the schema has a move fills, or it is said here that it does not.
func TestEveryColumnIsImported(t *testing.T) {
	moved := map[string][]string{}
	for _, table := range store.Tables() {
		moved[table.Name] = table.Names()
	}
	conn := connect(t, database(t))
	columns := texts(t, conn, `SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c
		JOIN pg_class r ON r.relname = c.table_name AND NOT r.relispartition AND r.relkind IN ('r', 'p')
		WHERE c.table_schema = 'public' AND r.relnamespace = 'public'::regnamespace`)
	if err := conn.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if len(columns) < 100 {
		t.Errorf("only %d columns", len(columns))
	}
	for _, column := range columns {
		table, name, _ := strings.Cut(column, ".")
		if !slices.Contains(stays, table) && !slices.Contains(moved[table], name) {
			t.Errorf("%s is not moved: put it into store.Tables, or say here that it stays", column)
		}
	}
}

// Behind PgBouncer, which lends a connection for one transaction, rows come and
// go as they do before it.
func TestImportBehindPgBouncer(t *testing.T) {
	i, err := OpenImport(t.Context(), Options{URL: bouncer(t, database(t)), Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}()
	at, err := i.Begin(t.Context(), "an installation")
	if err != nil || at != (store.Progress{}) {
		t.Fatalf("begun at %+v, %v", at, err)
	}
	for _, table := range store.Tables() {
		var rows []store.Row
		switch table.Name {
		case "keys":
			rows = []store.Row{{"pepper", "pepper", []byte("sealed"), int64(1)}}
		case "failures":
			rows = []store.Row{{"number", "", "sms", int64(2), int64(0), false, int64(4), []int64{3, 4}}}
		case "turns":
			rows = []store.Row{{"events", int64(7)}}
		}
		to := store.Progress{Table: table.Name, Rows: int64(len(rows))}
		if err := i.Append(t.Context(), table, rows, at, to); err != nil {
			t.Fatal(err)
		}
		at = to
		var want, got store.Sum
		for _, r := range rows {
			if err := want.Add(table, r); err != nil {
				t.Fatal(err)
			}
		}
		if err := i.Rows(t.Context(), table, 0, func(r store.Row) error { return got.Add(table, r) }); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", table.Name, err, got, want)
		}
	}
	if err := i.Append(t.Context(), store.Tables()[0], nil, store.Progress{}, at); err == nil {
		t.Error("a run that another one has passed goes on")
	}
}
