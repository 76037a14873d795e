package store_test

import (
	"crypto/rand"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store"
	"github.com/countersign/countersign/internal/store/postgres"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
	"github.com/countersign/countersign/internal/store/sqlite"
	"github.com/countersign/countersign/internal/store/storetest"
)

// schema is a database that has the schema and nothing else, to be copied.
var schema struct {
	sync.Once
	url string
}

func database(t testing.TB) (url string) {
	t.Helper()
	schema.Do(func() {
		url := pgtest.Database(t)
		closed(t, openImport(t, url))
		schema.url = url
	})
	return pgtest.Copy(t, schema.url)
}

func closed(t testing.TB, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

func openSQLite(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openExport(t testing.TB, path string) *sqlite.Export {
	t.Helper()
	e, err := sqlite.OpenExport(t.Context(), sqlite.Options{Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func openImport(t testing.TB, url string) *postgres.Import {
	t.Helper()
	i, err := postgres.OpenImport(t.Context(), postgres.Options{URL: url, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// small makes an installation that has little more than keys of its own.
func small(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "countersign.db")
	s := openSQLite(t, path)
	defer closed(t, s)
	sealed := make([]byte, 40)
	_, _ = rand.Read(sealed)
	now := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	for _, slot := range []string{keyring.SlotPseudonym, keyring.SlotPepper, keyring.SlotData} {
		if _, err := s.AddKey(t.Context(), keyring.StoredKey{ID: slot, Slot: slot, Sealed: sealed, CreatedAt: now}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"a", "b", "c"} {
		key := core.APIKey{ID: id, Name: "key " + id, Hash: []byte(id), CreatedAt: now}
		if _, err := s.AddAPIKey(t.Context(), core.AddAPIKey{Key: key}); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// sumsIn reads all tables of a database.
func sumsIn(t testing.TB, url string) map[string]store.Sum {
	t.Helper()
	i := openImport(t, url)
	defer closed(t, i)
	all := map[string]store.Sum{}
	for _, table := range store.Tables() {
		var sum store.Sum
		if err := i.Rows(t.Context(), table, 0, func(r store.Row) error { return sum.Add(table, r) }); err != nil {
			t.Fatal(err)
		}
		all[table.Name] = sum
	}
	return all
}

// empty names the tables that a move found without rows.
func empty(r store.Report) (names []string) {
	for _, m := range r.Tables {
		if m.From.Rows == 0 {
			names = append(names, m.Table)
		}
	}
	return names
}

// namesIn collects the names of all that is in a source.
func namesIn(t testing.TB, from store.Reader) (of storetest.Names) {
	t.Helper()
	phones := map[string]bool{}
	column := func(table, column string, take func(any)) {
		for _, each := range store.Tables() {
			if each.Name != table {
				continue
			}
			for i, name := range each.Names() {
				if name != column {
					continue
				}
				err := from.Rows(t.Context(), each, 0, func(r store.Row) error {
					if r[i] != nil {
						take(r[i])
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	into := func(list *[]string) func(any) { return func(v any) { *list = append(*list, v.(string)) } }
	column("users", "id", into(&of.Users))
	column("sessions", "id", into(&of.Sessions))
	column("devices", "id", into(&of.Devices))
	column("challenges", "id", into(&of.Challenges))
	column("heads", "log", into(&of.Logs))
	column("challenges", "begin_key", func(v any) { of.BeginKeys = append(of.BeginKeys, v.([]byte)) })
	column("api_keys", "hash", func(v any) { of.APIKeys = append(of.APIKeys, v.([]byte)) })
	for _, table := range []string{"phones", "challenges", "messages", "failures"} {
		column(table, "phone_key", func(v any) {
			if key := v.(string); !phones[key] {
				phones[key] = true
				of.Phones = append(of.Phones, key)
			}
		})
	}
	return of
}
