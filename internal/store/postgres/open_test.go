package postgres

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// Of several instances that start at once on an empty database, one migrates and
// all come up.
func TestInstancesMigrateOnce(t *testing.T) {
	url := pgtest.Database(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			s, err := Open(context.Background(), Options{URL: url, Conns: 1})
			if err != nil {
				t.Errorf("opening: %v", err)
				return
			}
			if err := s.Ping(context.Background()); err != nil {
				t.Errorf("pinging: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
	all.Wait()
	conn := connect(t, url)
	applied := texts(t, conn, "SELECT version_id::text FROM goose_db_version WHERE version_id > 0")
	if len(applied) != 4 {
		t.Errorf("migrations applied: %v", applied)
	}
	if err := conn.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// What is queued on one instance is heard on the others.
func TestQueuedIsHeardElsewhere(t *testing.T) {
	url := database(t)
	here, there := open(t, Options{URL: url}), open(t, Options{URL: url})
	m := &maker{prefix: "heard"}
	late := time.After(20 * time.Second)
	for {
		// The other one may not listen yet: it is told again.
		if _, err := here.OpenChallenge(t.Context(), m.opening(m.challenge("signup", m.id()))); err != nil {
			t.Fatal(err)
		}
		select {
		case <-there.MessagesQueued():
			return
		case <-time.After(100 * time.Millisecond):
		case <-late:
			t.Fatal("nothing was heard")
		}
	}
}

// A server that would lose what it acknowledged is told of (invariant 6).
func TestUnsafeServerIsToldOf(t *testing.T) {
	var log bytes.Buffer
	open(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "fsync=off") {
		t.Errorf("the log says only: %s", log.String())
	}
}

// Strangers send what they like: no text makes an operation fail.
func TestAnyTextIsStored(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "text"}
	of := account(t, s, m, m.id())
	in := rotation(of.Session)
	in.UserAgent = "a\x00b\xff"
	got, err := s.RotateSession(t.Context(), in)
	if err != nil || got.Session.UserAgent != "a\uFFFDb\uFFFD" {
		t.Errorf("got %q, %v", got.Session.UserAgent, err)
	}
	if _, _, err := s.Session(t.Context(), "no\x00id"); err == nil {
		t.Error("a session was found")
	}
}

// No attempt to connect hangs for minutes.
func TestConnectingIsBounded(t *testing.T) {
	for more, want := range map[string]time.Duration{"": connectTimeout, "&connect_timeout=7": 7 * time.Second} {
		var got time.Duration
		open(t, Options{URL: database(t) + more, configure: func(c *pgxpool.Config) { got = c.ConnConfig.ConnectTimeout }})
		if got != want {
			t.Errorf("with %q: %s, want %s", more, got, want)
		}
	}
}

// A password of the URL is in no error.
func TestErrorsHideThePassword(t *testing.T) {
	_, err := Open(t.Context(), Options{URL: "postgres://user:hunter2@127.0.0.1:1/db?sslmode=disable&connect_timeout=2"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	_, err = Open(t.Context(), Options{URL: "postgres://user:hunter2@127.0.0.1:port/db"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// A host that says nothing is given up before requests are, for the next one.
func TestASilentHostIsGivenUp(t *testing.T) {
	for setting, want := range map[string]time.Duration{"": connectTimeout, "&connect_timeout=3": 3 * time.Second} {
		var got time.Duration
		open(t, Options{URL: database(t) + setting, configure: func(c *pgxpool.Config) { got = c.ConnConfig.ConnectTimeout }})
		if got != want || got >= patience {
			t.Errorf("with %q a host may take %s, want %s", setting, got, want)
		}
	}
}

// However many wait for a connection, none waits for ever.
func TestWaitingForAConnectionIsBounded(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Conns: 1})
	held, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Ping(context.Background())
	held.Release()
	if !errors.Is(err, ErrBusy) {
		t.Errorf("Ping without a connection: %v", err)
	}
	if err := s.Ping(context.Background()); err != nil {
		t.Errorf("Ping with one: %v", err)
	}
}
