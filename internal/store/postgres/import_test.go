package postgres

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/store"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
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

// A year's events lie by months also where they come at once; what has no time, or
// is of too many, lies in the other partition.
func TestOldRowsGetTheirPartitions(t *testing.T) {
	url := pgtest.Copy(t, schema(t))
	i, err := OpenImport(t.Context(), Options{URL: url, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}()
	at, err := i.Begin(t.Context(), "an installation")
	if err != nil {
		t.Fatal(err)
	}
	events := store.Tables()[slices.IndexFunc(store.Tables(), func(t store.Table) bool { return t.Name == "events" })]
	var rows []store.Row
	add := func(id string) {
		row := make(store.Row, len(events.Columns))
		for n, c := range events.Columns {
			switch {
			case c.Name == "id":
				row[n] = id
			case c.Kind == store.Text:
				row[n] = ""
			case c.Kind == store.Integer:
				row[n] = int64(len(rows) + 1)
			case c.Kind == store.Boolean:
				row[n] = false
			default:
				row[n] = []byte{}
			}
		}
		rows = append(rows, row)
	}
	june := time.Date(2021, 6, 15, 0, 0, 0, 0, time.UTC)
	first, second, undated, last := dated(t, june), dated(t, june.AddDate(0, 1, 0)), "undated", dated(t, june.AddDate(9, 0, 0))
	add(first)
	add(second)
	add(undated)
	for n := range mostPartitions {
		add(dated(t, june.AddDate(0, 2+n, 0)))
	}
	add(last)
	if err := i.Append(t.Context(), events, rows, at, store.Progress{Table: "events", Rows: int64(len(rows))}); err != nil {
		t.Fatal(err)
	}
	conn := watcherOf(t, url)
	for id, want := range map[string]string{first: "events_202106", second: "events_202107", undated: "events_other", last: "events_other"} {
		if got := where(t, conn, "events", id); !slices.Equal(got, []string{want}) {
			t.Errorf("%s is in %v, want %s", id, got, want)
		}
	}
}
