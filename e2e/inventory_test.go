package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/server"
)

// toldElsewhere are the events that no honest run of a whole server tells: a
// part has to fail first, or a database to be restored. Their own tests make it so.
var toldElsewhere = map[event.Name]string{
	event.SMSSendFailed:      "outbox: TestC51ThreeTriesAMessage",
	event.SMSDelivered:       "core: TestReceiptsAreToldOnce",
	event.ReceiptRefused:     "receipts: TestReceiptsAreRefused",
	event.AllSessionsEnded:   "restored: TestC35Restore",
	event.DependencyLost:     "server: TestC73DatabaseLostAndFoundIsTold",
	event.DependencyRestored: "server: TestC73DatabaseLostAndFoundIsTold",
}

// Every name of the inventory is told by something, and nothing else is told.
func TestC73EveryEventIsTold(t *testing.T) {
	t.Parallel()
	told := map[event.Name]bool{}
	for _, line := range liveThrough(t) {
		told[event.Name(fmt.Sprint(line["event"]))] = true
	}
	names := eventNames(t)
	for _, name := range names {
		if elsewhere := toldElsewhere[name]; told[name] == (elsewhere != "") {
			t.Errorf("%s was told: %v; told elsewhere: %q", name, told[name], elsewhere)
		}
		delete(told, name)
	}
	if len(told) != 0 {
		t.Errorf("told, and in no inventory: %v", slices.Collect(maps.Keys(told)))
	}
}

// eventNames reads the inventory in the source that defines it.
func eventNames(t *testing.T) []event.Name {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/event/types.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []event.Name
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, value := range spec.Values {
				name, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, event.Name(name))
			}
		}
		return true
	})
	if len(names) < 30 {
		t.Fatalf("the inventory has %d names, which is few", len(names))
	}
	return names
}

var (
	// All that a line may have.
	lineMembers = []string{
		"id", "timestamp", "event", "outcome", "reason", "method", "user_id", "session_id", "phone_number",
		"phone_pseudonym", "ip_address", "user_agent", "request_id", "attributes", "chain",
	}
	wholeMilliseconds = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	maskedNumber      = regexp.MustCompile(`^\+1\*{8}\d\d$`)
)

// ofTheServer are the events that no request causes: the server's own, and an
// operator's beside it.
var ofTheServer = []event.Name{
	event.ServerStarted, event.ServerStopped, event.KeyCreated, event.KeyRotated, event.LogOpened, event.LogRecovered,
	event.Alert, event.AccountDisabled, event.AccountEnabled, event.APIKeyCreated, event.APIKeyRevoked, event.SendingPaused,
}

func TestC74EveryLineHasItsMembers(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, line := range liveThrough(t) {
		text := func(name string) string { s, _ := line[name].(string); return s }
		wrong := func(what string) { t.Errorf("%s: %v", what, line) }
		for name := range line {
			if !slices.Contains(lineMembers, name) {
				wrong("an unknown member " + name)
			}
		}
		if !keyring.ValidID(text("id")) || seen[text("id")] {
			wrong("an ill-formed id, or one told before")
		}
		seen[text("id")] = true
		if !wholeMilliseconds.MatchString(text("timestamp")) || text("chain") == "" {
			wrong("timestamp or chain")
		}
		if text("outcome") != "success" && text("outcome") != "failure" {
			wrong("outcome")
		}
		if (text("phone_number") == "") != (text("phone_pseudonym") == "") ||
			text("phone_number") != "" && !maskedNumber.MatchString(text("phone_number")) {
			wrong("masked number and pseudonym")
		}
		name := event.Name(text("event"))
		operators := name == event.AccountUnlocked && text("reason") == "operator"
		if slices.Contains(ofTheServer, name) || operators {
			continue
		}
		if !keyring.ValidID(text("request_id")) {
			wrong("no request id")
		}
		if strings.HasPrefix(string(name), "sms_") {
			continue // made by the request, told by the outbox
		}
		if _, err := netip.ParseAddr(text("ip_address")); err != nil || text("user_agent") == "" || len(text("user_agent")) > 256 {
			wrong("address or agent")
		}
		if slices.Contains([]event.Name{event.SuccessfulLogin, event.TokenRefreshed, event.Logout}, name) &&
			(text("user_id") == "" || text("session_id") == "" || text("method") == "" && name != event.Logout) {
			wrong("user, session or method")
		}
		if locked, _ := line["attributes"].(map[string]any); name == event.AccountLocked &&
			(locked["failed_attempts"] == nil || locked["lock_seconds"] == nil) {
			wrong("attempts and seconds")
		}
	}
}

// eventfulDay is a server over one data folder, started more than once, and what a
// day of use and abuse does to it.
type eventfulDay struct {
	*house
	t   *testing.T
	dir string
	env []string
	day time.Duration // that has passed; the clock of a new run goes on there
}

// liveThrough does all that the API and the command offer, well and badly, and
// gives the lines of the security log.
func liveThrough(t *testing.T) []map[string]any {
	t.Helper()
	l := &eventfulDay{t: t, dir: t.TempDir()}
	const old, young = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
	l.start(old)
	l.signInAndOut()
	l.changeAll()
	l.guessAndLock()
	l.pump()
	l.useKeys()
	l.stop()
	l.alterLog(func(log []byte) []byte { return append(log, `{"id":"0192f5a0-0000-7000-8000-000000000000","timest`...) })
	l.start(young + "," + old)
	l.stop()
	l.alterLog(func(log []byte) []byte { return log[:bytes.LastIndexByte(log[:len(log)-1], '\n')+1] })
	l.start(young)
	l.stop()
	return l.lines()
}

func (l *eventfulDay) start(masters string) {
	l.t.Helper()
	l.env = []string{"COUNTERSIGN_MASTER_KEY=" + masters, "COUNTERSIGN_TRUSTED_PROXIES=127.0.0.1", "COUNTERSIGN_DEV=true"}
	l.house = startHouseIn(l.t, l.dir, io.Discard, l.env...)
	l.clock.pass(l.day)
}

func (l *eventfulDay) stop() {
	l.t.Helper()
	if err := l.Stop(context.Background()); err != nil {
		l.t.Fatal(err)
	}
}

func (l *eventfulDay) wait(d time.Duration) {
	l.day += d
	l.clock.pass(d)
}

// post asks from an address, with an agent longer than is kept.
func (l *eventfulDay) post(status int, path, bearer string, body members) answer {
	l.t.Helper()
	return l.from("192.0.2.7", strings.Repeat("a", 400), status, http.MethodPost, path, bearer, body)
}

func (l *eventfulDay) from(address, agent string, status int, method, path, bearer string, body members) answer {
	l.t.Helper()
	return l.must(l.t, status, method, path, ask{
		bearer: bearer, body: body, header: http.Header{"X-Forwarded-For": {address}, "User-Agent": {agent}},
	})
}

// proves begins a challenge and redeems its code, with one that is wrong before.
func (l *eventfulDay) proves(path, bearer string, body members, more members) answer {
	l.t.Helper()
	id := l.post(http.StatusAccepted, path, bearer, body).text("challenge_id")
	code := l.code(l.t, id)
	verify := func(status int, code string) answer {
		proof := members{"code": code}
		maps.Copy(proof, more)
		return l.post(status, "/v1/challenges/"+id+"/verify", bearer, proof)
	}
	verify(http.StatusUnauthorized, wrongCode(code))
	got := verify(http.StatusOK, code)
	verify(http.StatusGone, code)
	return got
}

func (l *eventfulDay) signInAndOut() {
	l.t.Helper()
	first := l.proves("/v1/signup", "", members{"phone_number": number(1), "password": goodPassword}, nil)
	l.post(http.StatusAccepted, "/v1/login/sms", "", members{"phone_number": number(99)}) // nobody's
	challenge := l.post(http.StatusAccepted, "/v1/login/sms", "", members{"phone_number": number(1)}).text("challenge_id")
	l.post(http.StatusTooManyRequests, "/v1/challenges/"+challenge+"/resend", "", members{})
	l.wait(30 * time.Second)
	l.post(http.StatusAccepted, "/v1/challenges/"+challenge+"/resend", "", members{})
	second := l.proves("/v1/login/sms", "", members{"phone_number": number(1)}, nil)

	next := l.from("198.51.100.1", "other/1", http.StatusOK, http.MethodPost, "/v1/token/refresh", "",
		members{"refresh_token": second.text("refresh_token")})
	l.wait(11 * time.Second)
	l.post(http.StatusUnauthorized, "/v1/token/refresh", "", members{"refresh_token": second.text("refresh_token")}) // reused
	l.post(http.StatusUnauthorized, "/v1/token/refresh", "", members{"refresh_token": next.text("refresh_token")})
	l.post(http.StatusUnauthorized, "/v1/logout", "no.good.token", nil)

	third := l.post(http.StatusOK, "/v1/login/password", "", members{"phone_number": number(1), "password": goodPassword})
	l.from("192.0.2.7", "test/1", http.StatusNoContent, http.MethodDelete, "/v1/sessions/"+third.text("session_id"), first.text("access_token"), nil)
	l.post(http.StatusNoContent, "/v1/logout", first.text("access_token"), members{"scope": "all"})
}

func (l *eventfulDay) changeAll() {
	l.t.Helper()
	set := l.proves("/v1/signup", "", members{"phone_number": number(2), "password": goodPassword}, nil)
	me := set.text("access_token")
	l.from("192.0.2.7", "test/1", http.StatusOK, http.MethodPatch, "/v1/me", me, members{"name": "Ada"})
	l.post(http.StatusOK, "/v1/me/reauthenticate", me, members{"password": goodPassword})
	l.proves("/v1/me/reauthenticate", me, members{}, nil)
	l.post(http.StatusNoContent, "/v1/me/password", me, members{"current_password": goodPassword, "new_password": "amber lantern over a well"})
	l.proves("/v1/me/phone-number", me, members{"phone_number": number(3)}, nil)
	fresh := l.proves("/v1/password/reset", "", members{"phone_number": number(3)}, members{"new_password": "copper anchor in the sand"})
	for _, act := range []server.UserAct{server.UserDisable, server.UserEnable} {
		l.operate(act, number(3))
	}
	fresh = l.proves("/v1/login/sms", "", members{"phone_number": fresh.text("user.phone_number")}, nil)
	l.from("192.0.2.7", "test/1", http.StatusNoContent, http.MethodDelete, "/v1/me", fresh.text("access_token"), nil)
}

func (l *eventfulDay) guessAndLock() {
	l.t.Helper()
	l.proves("/v1/signup", "", members{"phone_number": number(4), "password": goodPassword}, nil)
	for range 3 {
		l.post(http.StatusUnauthorized, "/v1/login/password", "", members{"phone_number": number(4), "password": "not the password 1"})
	}
	l.post(http.StatusTooManyRequests, "/v1/login/password", "", members{"phone_number": number(4), "password": goodPassword})
	l.operate(server.UserUnlock, number(4))
}

// pump asks for codes that nobody redeems, until the conversion guard tells.
func (l *eventfulDay) pump() {
	l.t.Helper()
	var begun []string
	for i := range 60 {
		begun = append(begun, l.post(http.StatusAccepted, "/v1/signup", "", members{"phone_number": number(1000 + i)}).text("challenge_id"))
	}
	for _, id := range begun {
		l.code(l.t, id) // sent before the clock goes on
	}
	l.wait(45 * time.Minute)
	l.post(http.StatusAccepted, "/v1/signup", "", members{"phone_number": number(1100)})
}

// useKeys has a program ask with a key that may, and with one that is revoked.
func (l *eventfulDay) useKeys() {
	l.t.Helper()
	var key bytes.Buffer
	c := l.beside()
	if err := server.CreateAPIKey(context.Background(), c, server.NewAPIKey{Name: "ops", Scopes: []string{"stats:read"}}, &key, io.Discard); err != nil {
		l.t.Fatal(err)
	}
	ask := func() int {
		r, err := http.NewRequest(http.MethodGet, l.operator+"/admin/v1/stats", nil)
		if err != nil {
			l.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(key.String()))
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			l.t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if status := ask(); status != http.StatusOK {
		l.t.Errorf("stats with a key: %d", status)
	}
	if err := server.RevokeAPIKey(context.Background(), c, "ops", io.Discard); err != nil {
		l.t.Fatal(err)
	}
	if status := ask(); status != http.StatusUnauthorized {
		l.t.Errorf("stats with a revoked key: %d", status)
	}
}

// operate has an operator act beside the running server.
func (l *eventfulDay) operate(act server.UserAct, number string) {
	l.t.Helper()
	if err := server.User(context.Background(), l.beside(), act, number, "a test", io.Discard); err != nil {
		l.t.Fatalf("%s: %v", act, err)
	}
}

// beside is how a command knows the running server.
func (l *eventfulDay) beside() config.Config {
	l.t.Helper()
	c, err := config.Load(config.Sources{Env: append([]string{"COUNTERSIGN_DATA_DIR=" + l.dir}, l.env...)})
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

// alterLog does to the current file what a crash or an intruder does.
func (l *eventfulDay) alterLog(change func([]byte) []byte) {
	l.t.Helper()
	path := filepath.Join(l.dir, "security.log")
	log, err := os.ReadFile(path)
	if err := errors.Join(err, os.WriteFile(path, change(log), 0o600)); err != nil {
		l.t.Fatal(err)
	}
}

// lines reads the log, over all its files. A torn line is none.
func (l *eventfulDay) lines() []map[string]any {
	l.t.Helper()
	files, err := filepath.Glob(filepath.Join(l.dir, "security*.log"))
	if err != nil {
		l.t.Fatal(err)
	}
	var lines []map[string]any
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			l.t.Fatal(err)
		}
		for text := range bytes.Lines(log) {
			var line map[string]any
			if err := json.Unmarshal(text, &line); err == nil {
				lines = append(lines, line)
			}
		}
	}
	return lines
}
