package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// run does something in a database, and gives the number that it answers.
func run(t *testing.T, url, query string) (answer int) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	if err := conn.QueryRow(ctx, query).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestDatabasesAreApart(t *testing.T) {
	const look = "SELECT count(*) FROM pg_class WHERE relname = 'mine'"
	first, second := Database(t), Database(t)
	conn, err := pgx.Connect(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE mine (id int)"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]int{first: 1, second: 0, Copy(t, first): 1, Server(t): 0} {
		if got := run(t, url, look); got != want {
			t.Errorf("%s has %d such tables, want %d", url, got, want)
		}
	}
}
