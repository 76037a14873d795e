package server

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// movable makes the settings of a server over a directory, and the same with a
// database to move to.
func movable(t *testing.T) (before, after config.Config) {
	t.Helper()
	dir, testing := t.TempDir(), "TEST_NUMBERS=+15005550006=123456,+15005550007=654321"
	return settings(t, dir, testing), settings(t, dir, testing, "DATABASE_URL="+pgtest.Database(t))
}

func moves(t *testing.T, c config.Config) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Move(t.Context(), c, Options{}, &out)
	return out.String(), err
}

// A server's installation moves, and another server goes on with it: who is signed
// in stays so, a pending code opens, a lock holds, the history reads, and the log
// goes on.
func TestServerGoesOnAfterMove(t *testing.T) {
	before, after := movable(t)
	var clock atomic.Int64
	clock.Store(time.Now().UnixMilli())
	o := Options{Now: func() time.Time { return time.UnixMilli(clock.Load()) }, NowIsRight: true}
	s, err := Start(t.Context(), before, o)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + s.Addr()
	pending := begin(t, base, "+15005550007")
	refresh := signInAs(t, base, "+15005550006", "123456")
	for tries := 1; ; tries++ {
		if lockedOut(t, base) {
			break
		}
		if tries == 20 {
			t.Fatal("the number is never locked")
		}
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}

	head := headIn(t, before)
	told, err := moves(t, after)
	if err != nil {
		t.Fatal(err)
	}
	if got := headIn(t, after); got != head || head.Count == 0 {
		t.Errorf("the log's head is %+v, want %+v", got, head)
	}
	for _, word := range []string{"users", "sessions", "both sides hold the same", "COUNTERSIGN_MASTER_KEY", "NOT moved"} {
		if !strings.Contains(told, word) {
			t.Errorf("it does not tell of %q:\n%s", word, told)
		}
	}
	key, err := os.ReadFile(filepath.Join(before.DataDir, masterFile))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(told, strings.TrimSpace(string(key))) || strings.Contains(told, after.DatabaseURL.Reveal()) {
		t.Error("it shows a secret")
	}
	refused(t, before, "has moved to PostgreSQL", "database_url", filepath.Join(before.DataDir, movedFile))
	if err := User(t.Context(), before, UserShow, number, "", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "has moved") {
		t.Errorf("a command over the old database: %v", err)
	}

	if err := Backup(t.Context(), before, filepath.Join(t.TempDir(), "copy"), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "has moved") {
		t.Errorf("a backup of the old database: %v", err)
	}

	base = "http://" + start(t, after, o).Addr()
	if !lockedOut(t, base) {
		t.Error("the lock does not hold")
	}
	answer, text := call(t, "POST", base+"/v1/challenges/"+pending+"/verify", `{"code":"654321"}`)
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the pending code: %d %s", answer.StatusCode, text)
	}
	answer, text = call(t, "POST", base+"/v1/token/refresh", `{"refresh_token":"`+refresh+`"}`)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the refresh token: %d %s", answer.StatusCode, text)
	}
	var tokens struct {
		Access string `json:"access_token"`
	}
	read(t, text, &tokens)
	answer, text = call(t, "GET", base+"/v1/me/events", "", "Authorization", "Bearer "+tokens.Access)
	if answer.StatusCode != http.StatusOK || !strings.Contains(text, "account_created") {
		t.Errorf("the history: %d %s", answer.StatusCode, text)
	}
	var verdict bytes.Buffer
	log := []string{filepath.Join(after.DataDir, logFile)}
	if err := VerifyLog(t.Context(), after, Options{}, log, false, &verdict); err != nil {
		t.Errorf("the log: %v\n%s", err, verdict.String())
	}
	elsewhere := after
	elsewhere.DataDir = t.TempDir()
	master, err := os.ReadFile(filepath.Join(after.DataDir, masterFile))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere.MasterKey = keyring.Secret(master)
	if err := VerifyLog(t.Context(), elsewhere, Options{}, log, false, &verdict); err == nil || !strings.Contains(err.Error(), "give data_dir") {
		t.Errorf("the log, without the directory that says whose it is: %v", err)
	}
}

// headIn reads what the database knows of the directory's log.
func headIn(t *testing.T, c config.Config) event.Head {
	t.Helper()
	head, err := logHead(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func begin(t *testing.T, base, number string) (challenge string) {
	t.Helper()
	answer, text := call(t, "POST", base+"/v1/signup", `{"phone_number":"`+number+`"}`)
	if answer.StatusCode != http.StatusAccepted {
		t.Fatalf("signup: %d %s", answer.StatusCode, text)
	}
	var begun struct {
		ID string `json:"challenge_id"`
	}
	read(t, text, &begun)
	return begun.ID
}

func signInAs(t *testing.T, base, number, code string) (refresh string) {
	t.Helper()
	answer, text := call(t, "POST", base+"/v1/challenges/"+begin(t, base, number)+"/verify", `{"code":"`+code+`"}`)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("verify: %d %s", answer.StatusCode, text)
	}
	var tokens struct {
		Refresh string `json:"refresh_token"`
	}
	read(t, text, &tokens)
	return tokens.Refresh
}

// lockedOut tries a wrong password of a number, and tells whether it was judged.
func lockedOut(t *testing.T, base string) bool {
	t.Helper()
	answer, text := call(t, "POST", base+"/v1/login/password", `{"phone_number":"+15005550006","password":"not the password"}`)
	if answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusLocked {
		t.Fatalf("a wrong password: %d %s", answer.StatusCode, text)
	}
	return answer.StatusCode != http.StatusUnauthorized
}

// Run again, it compares; once the new side has lived on, it says what differs;
// and who went back is told that the two went their own ways.
func TestMoveAgain(t *testing.T) {
	before, after := movable(t)
	once(t, before)
	if told, err := moves(t, after); err != nil {
		t.Fatalf("%v\n%s", err, told)
	}
	if told, err := moves(t, after); err != nil || !strings.Contains(told, "has moved before; both sides hold the same") {
		t.Errorf("again: %v\n%s", err, told)
	}
	s, err := Start(t.Context(), after, Options{})
	if err != nil {
		t.Fatal(err)
	}
	signInAs(t, "http://"+s.Addr(), "+15005550006", "123456")
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if told, err := moves(t, after); err != nil || !strings.Contains(told, "has changed there since: ") || !strings.Contains(told, "users") {
		t.Errorf("once a server ran there: %v\n%s", err, told)
	}
	if err := os.Remove(filepath.Join(before.DataDir, movedFile)); err != nil {
		t.Fatal(err)
	}
	if told, err := moves(t, after); err == nil || !strings.Contains(err.Error(), "their own ways") {
		t.Errorf("gone back: %v\n%s", err, told)
	}
	once(t, before) // as the error of a start said
}

func TestMoveRefuses(t *testing.T) {
	before, after := movable(t)
	if _, err := moves(t, after); err == nil || !strings.Contains(err.Error(), "no database") {
		t.Errorf("nothing to move: %v", err)
	}
	s, err := Start(t.Context(), before, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := moves(t, after); err == nil || !strings.Contains(err.Error(), "nothing moves while a server runs") {
		t.Errorf("beside a server: %v", err)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := moves(t, before); err == nil || !strings.Contains(err.Error(), "COUNTERSIGN_DATABASE_URL") {
		t.Errorf("to nowhere: %v", err)
	}

	other, occupied := movable(t)
	once(t, other)
	if _, err := moves(t, occupied); err != nil {
		t.Fatal(err)
	}
	taken := settings(t, before.DataDir, "DATABASE_URL="+occupied.DatabaseURL.Reveal())
	if _, err := moves(t, taken); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("to another's database: %v", err)
	}
	once(t, before)
}
