package postgres

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign/countersign/internal/core"
)

func TestLostAnswerIsUncertain(t *testing.T) {
	w := &wire{}
	s := tappedStore(t, w)
	m := &maker{prefix: "lost"}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	account(t, s, m, m.id()) // what comes is prepared now
	c := m.challenge(core.PurposeSignup, "number")
	w.cut.Store(true)
	_, err := s.OpenChallenge(t.Context(), m.opening(c))
	w.cut.Store(false)
	if !errors.Is(err, core.ErrUncertain) {
		t.Fatalf("got %v, want ErrUncertain", err)
	}
	if _, err := s.Challenge(t.Context(), c.ID); err != nil {
		t.Fatalf("it was committed, yet: %v", err)
	}
}

// What the server says of a commit is understood in any language that it speaks.
// PgBouncer, between the two, says in its own words that it has lost the server.
func TestRefusalIsUnderstood(t *testing.T) {
	for _, each := range []struct {
		severity, english, code string
		want                    bool
	}{
		{"ERROR", "ERROR", uniqueViolation, true},
		{"FEHLER", "ERROR", uniqueViolation, true},
		{"ERROR", "", uniqueViolation, true}, // a server before 9.6, and PgBouncer
		{"FATAL", "FATAL", "57P01", false},   // shut down
		{"FATAL", "FATAL", uniqueViolation, false},
		{"ERROR", "", "08P01", false},
	} {
		err := fmt.Errorf("sending: %w", &pgconn.PgError{Severity: each.severity, SeverityUnlocalized: each.english, Code: each.code})
		if got := refused(err); got != each.want {
			t.Errorf("%+v: %t", each, got)
		}
	}
	if refused(errors.New("reset by peer")) {
		t.Error("a lost connection is no word of the server's")
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := open(t, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("writing: %v", err)
	}
	if _, err := s.Keys(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("reading: %v", err)
	}
}

// A connection that is lost before the commit costs nothing: the operation runs
// anew on another one.
func TestLostConnectionIsReplaced(t *testing.T) {
	url := database(t)
	s := open(t, Options{URL: url})
	m := &maker{prefix: "replaced"}
	of := account(t, s, m, m.id())
	tries := 0
	got, err := write(t.Context(), s, "testing", func(tx *tx, out *string) {
		tries++
		if tries == 1 {
			tx.one("SELECT pg_backend_pid()", func(r *row) {
				var pid int
				r.scan(&pid)
				run(t, url, fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
			})
		}
		tx.one("SELECT name FROM users WHERE id = $1", func(r *row) { r.scan(out) }, of.User.ID)
	})
	if err != nil || got != of.User.Name || tries != 2 {
		t.Errorf("got %q, %v at try %d", got, err, tries)
	}
}
