package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A release before serves beside this one, while this one brings the schema to its
// own generation and after: nobody notices, and the one before may start again.
func TestTwoGenerationsServeTogether(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	old, now := f.all[0], f.all[1]
	old.path = buildGenerationBefore(t)
	old.start()
	customers := make([]*traveller, 6)
	for i := range customers {
		customers[i] = &traveller{fleet: f, number: number(i)}
		customers[i].signUp(old, old)
	}

	// The schema changes under requests in flight.
	changed := make(chan struct{})
	var travelling sync.WaitGroup
	for _, c := range customers {
		travelling.Go(func() { c.travel(old, changed) })
	}
	now.start()
	close(changed)
	travelling.Wait()

	for i, c := range customers {
		here, there := f.all[i%2], f.all[(i+1)%2]
		c.visit(there)
		c.visit(here)
		c.leave(here, there)
		c.signUp(there, here)
	}
	for _, p := range f.all {
		p.askToStop()
		p.wait()
	}
	old.start()
	for _, c := range customers {
		c.visit(old)
	}
}

// traveller is somebody whose requests come to this instance or that.
type traveller struct {
	fleet  *fleet
	number string
	set    answer // the newest tokens
}

// signUp begins here and goes on there; who has an account is signed in to it.
func (c *traveller) signUp(here, there *program) {
	c.fleet.t.Helper()
	begun := here.must(c.fleet.t, http.StatusAccepted, http.MethodPost, "/v1/signup", ask{body: members{"phone_number": c.number}}).text("challenge_id")
	c.set = there.must(c.fleet.t, http.StatusOK, http.MethodPost, "/v1/challenges/"+begun+"/verify", ask{body: members{"code": c.fleet.code(begun)}})
}

// visit is a request and a refresh.
func (c *traveller) visit(p *program) {
	c.fleet.t.Helper()
	p.must(c.fleet.t, http.StatusOK, http.MethodGet, "/v1/me", ask{bearer: c.set.text("access_token")})
	c.set = p.must(c.fleet.t, http.StatusOK, http.MethodPost, "/v1/token/refresh", ask{body: members{"refresh_token": c.set.text("refresh_token")}})
}

// travel visits one instance until the schema has changed, and a little longer.
func (c *traveller) travel(p *program, changed <-chan struct{}) {
	for left := 3; left > 0; {
		select {
		case <-changed:
			left--
		default:
		}
		got, err := p.call(http.MethodPost, "/v1/token/refresh", ask{body: members{"refresh_token": c.set.text("refresh_token")}})
		if err != nil || got.status != http.StatusOK {
			c.fleet.t.Errorf("a refresh while the schema changes: %d %s %v", got.status, got.raw, err)
			return
		}
		c.set = got
	}
}

// leave logs out here, and is gone there.
func (c *traveller) leave(here, there *program) {
	c.fleet.t.Helper()
	here.must(c.fleet.t, http.StatusNoContent, http.MethodPost, "/v1/logout", ask{bearer: c.set.text("access_token"), body: members{}})
	there.must(c.fleet.t, http.StatusUnauthorized, http.MethodGet, "/v1/me", ask{bearer: c.set.text("access_token")})
	there.must(c.fleet.t, http.StatusUnauthorized, http.MethodPost, "/v1/token/refresh", ask{body: members{"refresh_token": c.set.text("refresh_token")}})
}

// buildGenerationBefore builds the newest commit whose schema is today's without
// its newest migration.
func buildGenerationBefore(t *testing.T) (path string) {
	t.Helper()
	if strings.TrimSpace(git(t, "rev-parse", "--is-shallow-repository")) == "true" {
		t.Skip("a shallow clone does not have the release before")
	}
	const migrations = "internal/store/postgres/migrations"
	schema := func(commit string) []string {
		return strings.Fields(git(t, "ls-tree", "-r", "--format=%(objectname):%(path)", commit, migrations))
	}
	today := schema("HEAD")
	for commit := range strings.FieldsSeq(git(t, "log", "--full-history", "-m", "--format=%H %P", "HEAD", "--", migrations)) {
		if slices.Equal(schema(commit), today[:len(today)-1]) {
			return buildCommit(t, commit)
		}
	}
	t.Fatal("no commit has today's schema without its newest migration")
	return ""
}

func buildCommit(t *testing.T, commit string) (path string) {
	t.Helper()
	dir := t.TempDir()
	archive := filepath.Join(dir, "source.tar")
	git(t, "archive", "--output", archive, commit)
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "countersign")
	for _, command := range [][]string{
		{"tar", "-xf", archive, "-C", source},
		{"go", "build", "-C", source, "-trimpath", "-o", path, "./cmd/countersign"},
	} {
		run := exec.Command(command[0], command[1:]...)
		run.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", commit, err, out)
		}
	}
	return path
}

func git(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.Command("git", append([]string{"-C", ".."}, args...)...)
	out, err := command.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("git %s: %w", strings.Join(args, " "), err))
	}
	return string(out)
}
