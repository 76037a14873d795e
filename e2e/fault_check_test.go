package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"bytes"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// check holds the fleet to all that it has acknowledged.
func (s *scene) check() {
	s.t.Helper()
	queue := make(chan *patron, len(s.load.people))
	for _, one := range s.load.people {
		queue <- one
	}
	close(queue)
	var all sync.WaitGroup
	for range faultWorkers {
		all.Go(func() {
			for one := range queue {
				one.check()
			}
		})
	}
	all.Wait()
	s.checkMessages()
	s.checkStore()
	s.checkLogs()
}

// check wants one person's sessions to go on or to have ended, on every
// instance; the account to be there; and no code to open twice.
func (p *patron) check() {
	if p.user == "" {
		return
	}
	instances := p.all()
	for i, d := range p.sessions {
		if !d.ended {
			p.refresh(d)
			p.me(d)
			continue
		}
		for _, each := range instances {
			refreshed, err := each.reach().call(http.MethodPost, "/v1/token/refresh", ask{body: d.refreshing()})
			used, err2 := each.reach().call(http.MethodGet, "/v1/me", ask{bearer: d.access})
			if err != nil || err2 != nil || refreshed.text("code") != "invalid_token" || used.text("code") != "invalid_token" {
				p.t.Errorf("session %d of %s has ended; a refresh: %v %s; a use: %v %s", i, p.number, err, refreshed.raw, err2, used.raw)
			}
		}
	}
	for _, each := range p.redeemed {
		got, doubt := p.post("/v1/challenges/"+each.challenge+"/verify", ask{body: members{"code": each.code}, header: forwarded(p.number)})
		if got.text("code") != "challenge_spent" {
			p.wrong("a redeemed code", got, doubt)
		}
	}
	switch {
	case p.password != "":
		p.byPassword()
	case p.open() == nil && !p.abandoned:
		p.byCode("/v1/login/sms", members{})
	}
}

// checkMessages counts the messages that were sent twice: none was resent.
func (s *scene) checkMessages() {
	s.t.Helper()
	sent := map[string]int{}
	for _, each := range s.load.all() {
		messages, err := each.reach().inbox("")
		if err != nil {
			s.t.Fatal(err)
		}
		for _, m := range messages {
			if sent[m.ChallengeID]++; m.ChallengeID != "" && sent[m.ChallengeID] > 1 {
				s.twice++
			}
		}
	}
	s.t.Logf("%d messages, %d of them sent twice", len(sent), s.twice)
}

// checkStore holds what is in the database against what was acknowledged.
func (s *scene) checkStore() {
	s.t.Helper()
	conn, err := pgx.Connect(context.Background(), s.direct)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	w := &wreck{
		t: s.t, users: map[string]int{}, sessions: map[string]string{}, ended: map[string]string{},
		purposes: map[string]int{}, messages: map[string]wreckedMessage{},
		perUser: map[string]map[event.Name]int{}, ofSession: map[string]int{},
	}
	w.readShared(conn)
	w.checkWhole()
	for _, one := range s.load.people {
		if _, there := w.users[one.user]; !there && one.user != "" {
			s.t.Errorf("the acknowledged account of %s is lost", one.number)
		}
		for _, d := range one.sessions {
			if w.sessions[d.id] != one.user {
				s.t.Errorf("the acknowledged session %s of %s is lost, or another's", d.id, one.number)
			}
		}
	}
	for what, twice := range map[string]string{
		"a number has two accounts":       "SELECT phone_key FROM phones GROUP BY phone_key HAVING count(*) > 1",
		"an account has no number":        "SELECT id FROM users WHERE NOT EXISTS (SELECT FROM phones WHERE user_id = users.id)",
		"two codes opened one session":    "SELECT opened_session_id FROM challenges WHERE opened_session_id <> '' GROUP BY 1 HAVING count(*) > 1",
		"a code opened not one session":   "SELECT c.id FROM challenges c WHERE redeemed_at > 0 AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = c.opened_session_id)",
		"a session was opened by no code": "SELECT s.id FROM sessions s WHERE methods LIKE '%sms%' AND NOT EXISTS (SELECT FROM challenges c WHERE c.opened_session_id = s.id)",
		"more guesses than allowed":       "SELECT id FROM challenges WHERE guesses_left < 0",
		"a number's limit is passed":      "SELECT phone_key FROM failures WHERE method = 'sms' AND cardinality(recent) > 30",
	} {
		w.shared(conn, twice, func(values []any) { s.t.Errorf("%s: %v", what, values) })
	}
	s.checkGuesses(w, conn)
	s.events = w.events
}

// checkGuesses wants every guess that was answered to be counted, and none that
// was not made.
func (s *scene) checkGuesses(w *wreck, conn *pgx.Conn) {
	s.t.Helper()
	var wrong, doubt int
	for _, g := range s.load.intruders {
		for _, of := range g.numbers {
			wrong, doubt = wrong+of.wrong, doubt+of.doubt
			if of.wrong > guessesOfNumber {
				s.t.Errorf("of one number %d guesses were judged", of.wrong)
			}
		}
		for id, of := range g.challenges {
			found := false
			w.shared(conn, "SELECT guesses_left FROM challenges WHERE id = $1", func(values []any) {
				found = true
				spent := guessesOfChallenge - int(values[0].(int64))
				if spent < of.wrong || spent > of.wrong+of.doubt {
					s.t.Errorf("challenge %s counts %d guesses; %d were answered, %d are in doubt", id, spent, of.wrong, of.doubt)
				}
			}, id)
			if !found {
				s.t.Errorf("the acknowledged challenge %s is lost", id)
			}
		}
	}
	w.shared(conn, "SELECT coalesce(sum(cardinality(recent)), 0)::bigint FROM failures WHERE method = 'sms'", func(values []any) {
		if counted := int(values[0].(int64)); counted < wrong || counted > wrong+doubt {
			s.t.Errorf("%d wrong codes are counted; %d were answered, %d are in doubt", counted, wrong, doubt)
		}
	})
	of := s.load.intruders[1].password
	w.shared(conn, "SELECT coalesce(max(in_row), 0) FROM failures WHERE method = 'password'", func(values []any) {
		if counted := int(values[0].(int64)); counted < of.wrong || counted > of.wrong+of.doubt {
			s.t.Errorf("%d wrong passwords in a row are counted; %d were answered, %d are in doubt", counted, of.wrong, of.doubt)
		}
	})
	s.t.Logf("%d wrong codes of %d challenges and %d wrong passwords were judged", wrong, len(s.load.intruders[0].challenges), of.wrong)
}

// readShared is read, over PostgreSQL.
func (w *wreck) readShared(conn *pgx.Conn) {
	w.t.Helper()
	text := func(v any) string { s, _ := v.(string); return s }
	w.shared(conn, "SELECT id, (SELECT count(*) FROM password_history WHERE user_id = users.id) FROM users", func(v []any) {
		w.users[text(v[0])] = int(v[1].(int64))
	})
	w.shared(conn, "SELECT id, user_id, end_reason FROM sessions", func(v []any) {
		w.sessions[text(v[0])] = text(v[1])
		if why := text(v[2]); why != "" {
			w.ended[text(v[0])] = why
		}
	})
	w.shared(conn, "SELECT purpose, count(*) FROM challenges GROUP BY purpose", func(v []any) {
		w.purposes[text(v[0])] = int(v[1].(int64))
	})
	w.shared(conn, `SELECT c.id, m.state, c.voided_at FROM challenges c LEFT JOIN messages m ON m.challenge_id = c.id`, func(v []any) {
		w.messages[text(v[0])] = wreckedMessage{state: core.MessageState(text(v[1])), voided: v[2].(int64) > 0}
	})
	w.shared(conn, "SELECT id, user_id, session_id, name FROM events", func(v []any) {
		w.note(event.Event{ID: text(v[0]), UserID: text(v[1]), SessionID: text(v[2]), Name: event.Name(text(v[3]))})
	})
}

func (w *wreck) shared(conn *pgx.Conn, query string, read func([]any), args ...any) {
	w.t.Helper()
	rows, err := conn.Query(context.Background(), query, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			w.t.Fatalf("%s: %v", query, err)
		}
		read(values)
	}
	if rows.Err() != nil {
		w.t.Fatalf("%s: %v", query, rows.Err())
	}
}

// checkLogs stops all instances in order, and wants every account event in the
// security log of one of them at least, and every log to be whole.
func (s *scene) checkLogs() {
	s.t.Helper()
	eventually(s.t, "every account event in a security log", func() bool {
		logged := map[string]bool{}
		for _, each := range s.load.all() {
			s.readLogs(each.dir, logged)
		}
		return !slices.ContainsFunc(s.events, func(e event.Event) bool { return !logged[e.ID] })
	})
	for _, each := range s.load.all() {
		each.stop()
		each.verifyLog()
	}
}

func (s *scene) readLogs(dir string, logged map[string]bool) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "security*.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		for line := range bytes.Lines(log) {
			if e, err := event.Decode(bytes.TrimSpace(line)); err == nil { // log verify judges lines that were torn
				logged[e.ID] = true
			}
		}
	}
}
