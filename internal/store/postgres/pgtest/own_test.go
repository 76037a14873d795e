package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What a server of a test's own has acknowledged is there after a crash, and on
// its replica after a promotion. It fails as servers do: without room nothing
// grows, and a cut connection leaves done what was asked for.
func TestOwnClusterFailsAsServersDo(t *testing.T) {
	c := Own(t)
	c.Do("CREATE TABLE kept AS SELECT repeat('x', 1000) FROM generate_series(1, 500)")
	c.Room(1)
	if err := fill(t, c.URL()); err == nil {
		t.Error("a file grew past its bound")
	}
	c.Room(0)
	if err := fill(t, c.URL()); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	c.Kill()
	c.Start()

	p := Between(t, c)
	conn, err := pgx.Connect(t.Context(), p.URL(c.URL()))
	if err != nil {
		t.Fatal(err)
	}
	p.Cut(1)
	if _, err := conn.Exec(t.Context(), "INSERT INTO kept VALUES ('cut')"); err == nil {
		t.Error("an answer came")
	}
	p.Heal()

	replica := c.Replica()
	c.Do("INSERT INTO kept VALUES ('replicated')")
	c.Kill()
	replica.Promote()
	replica.Do("INSERT INTO kept VALUES ('promoted')")
	if kept := run(t, replica.URL(), "SELECT count(*) FROM kept"); kept != 1503 {
		t.Errorf("%d rows of 1503 are left", kept)
	}
}

// fill has a table of half a megabyte grow by a whole one.
func fill(t *testing.T, url string) error {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "INSERT INTO kept SELECT repeat('x', 1000) FROM generate_series(1, 1000)")
	return err
}
