package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// docs/backup.md is done as a reader pastes it: a backup, then life goes on, then
// the backup is all that is left (C-35).
func TestC35Restore(t *testing.T) {
	t.Parallel()
	built := buildBinary(t)
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		d := newDrill(t, built)
		d.run("countersign backup")
		d.lifeGoesOn()
		d.run("before-restore")
		d.checkRestored()
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		url := pgtest.Database(t)
		d := newDrill(t, built, "COUNTERSIGN_DATABASE_URL="+url, fleetKey)
		d.places["database_url"] = url
		d.run("pg_dump")
		d.lifeGoesOn()
		d.places["server_url"] = pgtest.Server(t)
		d.places["database_url"] = strings.Replace(pgtest.Server(t), "/postgres?", "/countersign_restored?", 1)
		d.run("pg_restore")
		d.more[0] = "COUNTERSIGN_DATABASE_URL=" + d.places["database_url"]
		d.checkRestored()
	})
}

// drill is a server that is restored from a backup, and who uses it.
type drill struct {
	*program
	page   string
	places map[string]string // what the page's variables are here

	owner, left, late, newer answer // TokenSets
	pending, code            string // the owner's challenge from before the backup
}

const (
	ownersNumber = "+14155550101"
	leftsNumber  = "+14155550102"
	latesNumber  = "+14155550103"
)

// newDrill starts a server with two accounts and a code that nobody has typed.
func newDrill(t *testing.T, built string, more ...string) *drill {
	t.Helper()
	page, err := os.ReadFile("../docs/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, path: built, dir: t.TempDir(), more: more}
	t.Cleanup(p.kill)
	d := &drill{program: p, page: string(page), places: map[string]string{
		"data": p.dir, "copy": filepath.Join(t.TempDir(), "copy"),
	}}
	p.start()
	d.owner = d.house().signUp(t, ownersNumber, goodPassword)
	d.left = d.house().signUp(t, leftsNumber, "")
	begun := d.must(t, http.StatusAccepted, http.MethodPost, "/v1/login/sms", ask{body: members{"phone_number": ownersNumber}})
	d.pending = begun.text("challenge_id")
	d.code = d.house().code(t, d.pending)
	return d
}

// house has the running server's inbox.
func (d *drill) house() *house { return &house{client: d.client} }

// run does the block of the page that has the words given, and gives what it said.
func (d *drill) run(words string) string {
	d.t.Helper()
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(d.page, -1) {
		script := block[1]
		if !strings.Contains(script, words) {
			continue
		}
		for name, value := range d.places {
			script = regexp.MustCompile("(?m)^"+name+"=.*$").ReplaceAllLiteralString(script, name+"='"+value+"'")
		}
		script = strings.ReplaceAll(script, " /backup/", " "+filepath.Dir(d.places["copy"]))
		bash := exec.CommandContext(d.t.Context(), "bash", "-euc", script)
		bash.Env = append(d.env(), "PATH="+filepath.Dir(d.path)+":/usr/lib/postgresql/15/bin:"+os.Getenv("PATH"))
		out, err := bash.CombinedOutput()
		if err != nil {
			d.t.Fatalf("%v\n%s\nof\n%s", err, out, script)
		}
		return string(out)
	}
	d.t.Fatalf("docs/backup.md has no block with %q", words)
	return ""
}

// lifeGoesOn is what happens between the backup and the day on which it is
// needed; in the end the server is stopped.
func (d *drill) lifeGoesOn() {
	d.t.Helper()
	d.must(d.t, http.StatusNoContent, http.MethodPost, "/v1/logout", ask{bearer: d.left.text("access_token")})
	d.must(d.t, http.StatusNoContent, http.MethodPost, "/v1/me/password", ask{
		bearer: d.owner.text("access_token"), body: members{"current_password": goodPassword, "new_password": laterPassword},
	})
	d.newer = d.signIn(http.StatusOK, laterPassword)
	d.late = d.house().signUp(d.t, latesNumber, "")
	d.askToStop()
	d.wait()
}

const laterPassword = "copper heron over the delta"

func (d *drill) signIn(status int, password string) answer {
	d.t.Helper()
	return d.must(d.t, status, http.MethodPost, "/v1/login/password",
		ask{body: members{"phone_number": ownersNumber, "password": password}})
}

// checkRestored starts over the backup: nothing of before it is accepted, nothing
// of after it either, and everybody may sign in anew.
func (d *drill) checkRestored() {
	d.t.Helper()
	d.start()
	for _, set := range []answer{d.owner, d.left, d.newer, d.late} {
		d.must(d.t, http.StatusUnauthorized, http.MethodPost, "/v1/token/refresh",
			ask{body: members{"refresh_token": set.text("refresh_token")}})
		d.must(d.t, http.StatusUnauthorized, http.MethodGet, "/v1/me", ask{bearer: set.text("access_token")})
	}
	d.must(d.t, http.StatusGone, http.MethodPost, "/v1/challenges/"+d.pending+"/verify", ask{body: members{"code": d.code}})

	d.signIn(http.StatusUnauthorized, laterPassword)
	anew := d.signIn(http.StatusOK, goodPassword)
	d.must(d.t, http.StatusOK, http.MethodGet, "/v1/me", ask{bearer: anew.text("access_token")})
	d.must(d.t, http.StatusOK, http.MethodPost, "/v1/token/refresh", ask{body: members{"refresh_token": anew.text("refresh_token")}})
	if again := d.house().signUp(d.t, leftsNumber, ""); again.text("user.id") != d.left.text("user.id") {
		d.t.Errorf("the account of %s is not the one it was: %s", leftsNumber, again.raw)
	}
	ended := regexp.MustCompile(`"event":"all_sessions_ended".*"reason":"restore"`)
	eventually(d.t, "the end of all sessions in the log", func() bool {
		log, err := os.ReadFile(filepath.Join(d.dir, "security.log"))
		return err == nil && ended.Match(log)
	})
	lost := d.run("log verify")
	for _, want := range []string{`"event":"password_changed"`, d.late.text("user.id"), "all as they were written"} {
		if !strings.Contains(lost, want) {
			d.t.Errorf("what is lost does not show %s:\n%s", want, lost)
		}
	}
}
