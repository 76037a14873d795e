package sqlite

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/store"
)

// stays is what is not moved: a whole table, or one column of it.
var stays = map[string][]string{
	"goose_db_version": nil,
	"sqlite_sequence":  nil, // its one row that matters is turns'
	"pulse":            nil,
	"instances":        nil, // who runs now

	"messages":         {"position"},                              // written_at there
	"password_history": {"position"},                              // generation there
	"sinks":            {"head_file", "head_count", "head_chain"}, // of the release that knew no heads
}

// Whatever the schema has is moved, or it is said here that it stays.
func TestEveryColumnIsExported(t *testing.T) {
	s := open(t, Options{})
	moved := map[string][]string{}
	for _, table := range store.Tables() {
		moved[table.Name] = table.Names()
		if _, found := exports[table.Name]; !found {
			t.Errorf("it is not known how %s is read", table.Name)
		}
	}
	looked, err := read(t.Context(), s, "looking at the schema", func(tx *tx) (looked int) {
		tx.all(`SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'`, func(r *row) {
			table, column := r.text(), r.text()
			looked++
			if columns, found := stays[table]; found && (columns == nil || slices.Contains(columns, column)) {
				return
			}
			if !slices.Contains(moved[table], column) {
				t.Errorf("%s.%s is not moved: put it into store.Tables, or say here that it stays", table, column)
			}
		})
		return looked
	})
	if err != nil || looked < 100 {
		t.Errorf("%d columns, %v", looked, err)
	}
}

// Arrival times rise with positions whatever the clock did, and are the rows' own
// where it only went forward.
func TestArrivalsRise(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var clock arrivals
		var position, last, latest int64
		for range rapid.IntRange(1, 20).Draw(rt, "rows") {
			position += rapid.Int64Range(1, 3).Draw(rt, "gap")
			own := 1000 * rapid.Int64Range(1, 50).Draw(rt, "time")
			got, err := clock.next(own-position, position)
			if err != nil || got <= last || got < own || own > latest+position && got != own {
				rt.Fatalf("time %d, position %d, behind %d: %d", own, position, last, got)
			}
			last, latest = got, max(latest, own)
		}
	})
}

// While it is open nobody else writes.
func TestExportKeepsWritersOut(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "before"}
	account(t, s, m, "number")
	e, err := OpenExport(t.Context(), Options{Path: s.path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := connect(s.path, "", pragmas("busy_timeout(0)"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.exec("UPDATE pulse SET beats = 1"); err == nil {
		t.Error("somebody wrote")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.exec("UPDATE pulse SET beats = 1"); err != nil {
		t.Errorf("closed, it keeps writers out: %v", err)
	}
	if err := other.close(); err != nil {
		t.Error(err)
	}
}
