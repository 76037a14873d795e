package pgtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// server is this process's cluster, started by whoever asks first.
var server = sync.OnceValues(func() (cluster, error) { return start() })

// databases counts those that were made, for their names.
var databases atomic.Int64

// Server gives the URL of the administrator's database of this process's
// cluster, which it starts if nobody has. It fails the test where there is no
// PostgreSQL.
func Server(t testing.TB) (url string) {
	t.Helper()
	return running(t).url("postgres")
}

// Database makes an empty database for one test, and gives its URL.
func Database(t testing.TB) (url string) {
	t.Helper()
	return create(t, "template1")
}

// Copy makes a database for one test that begins as a copy of another one, to
// which nobody may be connected. It is faster than making the same anew.
func Copy(t testing.TB, of string) (url string) {
	t.Helper()
	config, err := pgx.ParseConfig(of)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return create(t, config.Database)
}

func running(t testing.TB) cluster {
	t.Helper()
	c, err := server()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return c
}

func create(t testing.TB, template string) (url string) {
	t.Helper()
	c := running(t)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	c.tell(t, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY WAL_LOG", name, template))
	return c.url(name)
}

// tell has the server do something outside of any transaction.
func (c cluster) tell(t testing.TB, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("pgtest: %s: %v", statement, err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Errorf("pgtest: %v", err)
	}
}

// yes asks the server something, on a connection of its own.
func (c cluster) yes(question string) (answer bool, err error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		return false, err
	}
	err = conn.QueryRow(ctx, question).Scan(&answer)
	return answer, errors.Join(err, conn.Close(ctx))
}
