package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// C-46: no restart forgets a failure count, not even that of a killed server.
func TestC46NoRestartForgetsAFailureCount(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	p.start()
	begin := func() (path, code string) {
		id := p.must(t, http.StatusAccepted, http.MethodPost, "/v1/signup", ask{body: members{"phone_number": number(1)}}).text("challenge_id")
		return "/v1/challenges/" + id + "/verify", p.code(id)
	}
	var path, code string
	for range 6 { // C-40: strangers have 30 in a day
		path, code = begin()
		for range 5 {
			p.must(t, http.StatusUnauthorized, http.MethodPost, path, ask{body: members{"code": wrongCode(code)}})
		}
	}
	p.kill()
	p.start()
	p.must(t, http.StatusGone, http.MethodPost, path, ask{body: members{"code": code}})
	path, code = begin()
	if len(code) != 8 { // C-11
		t.Errorf("after 30 failures and a crash a code has %d digits", len(code))
	}
	p.must(t, http.StatusTooManyRequests, http.MethodPost, path, ask{body: members{"code": code}})
}

// code waits for the message of a challenge and reads its code.
func (p *program) code(challenge string) (code string) {
	p.t.Helper()
	eventually(p.t, "the message of challenge "+challenge, func() bool {
		messages, err := p.inbox(number(1))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, m := range messages {
			if m.ChallengeID == challenge {
				code = lastCode.FindStringSubmatch(m.Body)[1]
			}
		}
		return code != ""
	})
	return code
}

// C-54: redeeming a signup makes the account, drops the number's other signups
// and tells of it as one step. Whatever a kill finds in flight is wholly there
// or not at all.
func TestC54AKilledSignupIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	const rounds, signups = 12, 8
	p := newProgram(t)
	rand := chance(t)
	made := 0
	for round := range rounds {
		p.start()
		var paths, codes []string
		for range signups {
			id := p.must(t, http.StatusAccepted, http.MethodPost, "/v1/signup", ask{body: members{"phone_number": number(1)}}).text("challenge_id")
			paths, codes = append(paths, "/v1/challenges/"+id+"/verify"), append(codes, p.code(id))
		}
		var all sync.WaitGroup
		all.Go(func() {
			together(signups, func(i int) {
				_, _ = p.call(http.MethodPost, paths[i], ask{body: members{"code": codes[i]}}) // most get no answer
			})
		})
		<-time.After(time.Duration(rand.IntN(6000)) * time.Microsecond) // the moment is the test's to choose
		p.kill()
		all.Wait()
		found := readSignups(t, p.dir)
		if found != (signupsFound{}) && found != (signupsFound{users: 1, created: 1, redeemed: 1, voided: signups - 1}) {
			t.Fatalf("round %d: %+v", round, found)
		}
		made += found.users
		p.dir = t.TempDir() // the number is nobody's again
	}
	t.Logf("%d of %d kills came after the account was made", made, rounds)
}

// signupsFound is what a kill has left of many signups of one number.
type signupsFound struct{ users, created, redeemed, voided int }

func readSignups(t *testing.T, dir string) (found signupsFound) {
	t.Helper()
	db, err := sqlite3.Open("file:" + filepath.Join(dir, "countersign.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for query, into := range map[string]*int{
		"SELECT count(*) FROM users": &found.users,
		"SELECT count(*) FROM events WHERE CAST(payload AS TEXT) LIKE '%\"event\":\"account_created\"%'": &found.created,
		"SELECT count(*) FROM challenges WHERE redeemed_at > 0":                                          &found.redeemed,
		"SELECT count(*) FROM challenges WHERE voided_at > 0":                                            &found.voided,
	} {
		stmt, _, err := db.Prepare(query)
		if err != nil {
			t.Fatal(fmt.Errorf("%s: %w", query, err))
		}
		if stmt.Step() {
			*into = stmt.ColumnInt(0)
		}
		if err := stmt.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return found
}
