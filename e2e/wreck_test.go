package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// wreck is what a crash left on the disk, read from a copy: the server itself
// has to put its own files in order.
type wreck struct {
	t         *testing.T
	users     map[string]int // by id, how many passwords they had before the current one
	sessions  map[string]string
	ended     map[string]string // why, by session
	purposes  map[string]int    // challenges
	messages  map[string]wreckedMessage
	events    []event.Event
	perUser   map[string]map[event.Name]int
	ofSession map[string]int // successful_login events
}

// wreckedMessage is the message of a challenge as the crash left it.
type wreckedMessage struct {
	state  core.MessageState
	voided bool // its challenge was, by a sign-out everywhere or a new password
}

func readWreck(t *testing.T, dir string) *wreck {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(filepath.Join(dir, "countersign.db"+suffix))
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue // it was closed in order
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sqlite3.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	w := &wreck{
		t: t, users: map[string]int{}, sessions: map[string]string{}, ended: map[string]string{},
		purposes: map[string]int{}, messages: map[string]wreckedMessage{},
		perUser: map[string]map[event.Name]int{}, ofSession: map[string]int{},
	}
	w.read(db)
	return w
}

func (w *wreck) read(db *sqlite3.Conn) {
	w.t.Helper()
	w.rows(db, "PRAGMA quick_check", func(s *sqlite3.Stmt) {
		if said := s.ColumnText(0); said != "ok" {
			w.t.Errorf("the database is damaged: %s", said)
		}
	})
	w.rows(db, "SELECT id, (SELECT count(*) FROM password_history WHERE user_id = users.id) FROM users", func(s *sqlite3.Stmt) {
		w.users[s.ColumnText(0)] = s.ColumnInt(1)
	})
	w.rows(db, "SELECT id, user_id, end_reason FROM sessions", func(s *sqlite3.Stmt) {
		w.sessions[s.ColumnText(0)] = s.ColumnText(1)
		if why := s.ColumnText(2); why != "" {
			w.ended[s.ColumnText(0)] = why
		}
	})
	w.rows(db, "SELECT purpose, count(*) FROM challenges GROUP BY purpose", func(s *sqlite3.Stmt) {
		w.purposes[s.ColumnText(0)] = s.ColumnInt(1)
	})
	w.rows(db, `SELECT c.id, coalesce(m.state, ''), c.voided_at
		FROM challenges c LEFT JOIN messages m ON m.challenge_id = c.id`, func(s *sqlite3.Stmt) {
		w.messages[s.ColumnText(0)] = wreckedMessage{state: core.MessageState(s.ColumnText(1)), voided: s.ColumnInt64(2) > 0}
	})
	w.rows(db, "SELECT payload FROM events ORDER BY position", func(s *sqlite3.Stmt) {
		e, err := event.Decode(s.ColumnRawBlob(0))
		if err != nil {
			w.t.Errorf("an event cannot be read: %v", err)
			return
		}
		w.note(e)
	})
}

func (w *wreck) rows(db *sqlite3.Conn, query string, read func(*sqlite3.Stmt)) {
	w.t.Helper()
	stmt, _, err := db.Prepare(query)
	if err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = stmt.Close() }()
	for stmt.Step() {
		read(stmt)
	}
	if err := stmt.Err(); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

func (w *wreck) note(e event.Event) {
	w.events = append(w.events, e)
	if e.UserID != "" {
		if w.perUser[e.UserID] == nil {
			w.perUser[e.UserID] = map[event.Name]int{}
		}
		w.perUser[e.UserID][e.Name]++
	}
	if e.Name == event.SuccessfulLogin {
		w.ofSession[e.SessionID]++
	}
}

// checkWhole wants every change to have its event, and every event its change
// (invariant 8), whatever was in flight.
func (w *wreck) checkWhole() {
	w.t.Helper()
	for id, passwords := range w.users {
		told := w.perUser[id]
		if told[event.AccountCreated] != 1 || told[event.PasswordChanged] != passwords {
			w.t.Errorf("user %s has changed passwords %d times; told of: %v", id, passwords, told)
		}
	}
	for id, told := range w.perUser {
		if _, there := w.users[id]; !there {
			w.t.Errorf("there is no user %s, of whom is told %v", id, told)
		}
	}
	for id, user := range w.sessions {
		if w.ofSession[id] != 1 {
			w.t.Errorf("session %s was told of %d times", id, w.ofSession[id])
		}
		told := w.perUser[user]
		switch why := w.ended[id]; {
		case why == "logout" && told[event.Logout] == 0,
			why != "" && why != "logout" && told[event.PasswordChanged] == 0:
			w.t.Errorf("session %s has ended by %s; told of its user: %v", id, why, told)
		}
	}
	for id := range w.ofSession {
		if _, there := w.sessions[id]; !there {
			w.t.Errorf("there is no session %s, of which is told", id)
		}
	}
	begun := map[event.Name]int{}
	for _, e := range w.events {
		begun[e.Name]++
	}
	if w.purposes["signup"] != begun[event.SignupStarted] || w.purposes["login"] != begun[event.LoginStarted] {
		w.t.Errorf("challenges: %v; told of %d signups and %d logins begun",
			w.purposes, begun[event.SignupStarted], begun[event.LoginStarted])
	}
	for id, m := range w.messages {
		if m.state == "" {
			w.t.Errorf("challenge %s has no message", id)
		}
	}
}
