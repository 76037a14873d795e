package postgres

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/storetest"
)

// Behind PgBouncer, which lends a connection for one transaction, everything
// works as it does before it.
func TestBehindPgBouncer(t *testing.T) {
	s := open(t, Options{URL: bouncer(t, database(t)), Conns: 8})
	m := &maker{prefix: "lent"}
	prepared := operations(t, s, m)
	more := hot(t, s, m)
	for name, operation := range more {
		if err := operation(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range inOrder(prepared) {
		if err := prepared[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	of := account(t, s, m, m.id())
	c := begun(t, s, m, core.PurposeLogin, of, of.User.Phone.Key)
	outcomes := map[core.Outcome]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 40 {
		guess := m.guess(c, "wrong")
		guess.Limits = core.CodeLimits{}
		in := core.RedeemLogin{Guess: guess, SignIn: m.signIn()}
		all.Go(func() {
			got, err := s.RedeemLogin(context.Background(), in)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[got.Outcome]++
		})
	}
	all.Wait()
	if outcomes[core.Wrong] != core.MaxGuesses || outcomes[core.Spent] != 40-core.MaxGuesses {
		t.Errorf("outcomes: %v", outcomes)
	}
}

// Each transaction is bounded by the server, though no connection keeps settings.
func TestLentConnectionsAreBounded(t *testing.T) {
	s := open(t, Options{URL: bouncer(t, database(t))})
	var timeouts string
	_, err := write(t.Context(), s, "looking", func(tx *tx, _ *struct{}) {
		tx.ask("SELECT current_setting('statement_timeout') || ' ' || current_setting('lock_timeout')", func(r *row) { r.scan(&timeouts) })
	})
	if err != nil || timeouts != "5s 4s" {
		t.Errorf("the timeouts are %q, %v", timeouts, err)
	}
}

// The flows of the suite whose operations take turns and trips of every kind:
// what they show holds for the others, too.
func TestStoreBehindPgBouncer(t *testing.T) {
	lent, err := url.Parse(bouncer(t, database(t)))
	if err != nil {
		t.Fatal(err)
	}
	storetest.RunFlows(t, func(t *testing.T) core.Store {
		direct, err := url.Parse(database(t))
		if err != nil {
			t.Fatal(err)
		}
		to := *lent
		to.Path = direct.Path
		return open(t, Options{URL: to.String()})
	}, "signup", "phone", "outbox", "events", "keys", "endings")
}

// bouncer starts a PgBouncer in transaction mode before a database's server, and
// gives the database's URL there. It stops with the test.
func bouncer(t *testing.T, direct string) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		t.Fatal("PgBouncer is missing: apt-get install pgbouncer")
	}
	config, err := pgx.ParseConfig(direct)
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), unusedPort(t)
	lines := fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
auth_type = any
pool_mode = transaction
default_pool_size = 3
unix_socket_dir =
`, config.Port, port)
	settings := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(settings, []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	process := exec.Command(path, settings)
	process.Stdout, process.Stderr = &said, &said
	process.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged(t, dir), Pdeathsig: syscall.SIGKILL}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = process.Wait() // its status says that it was stopped
	})
	lent := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable&default_query_exec_mode=exec", port, config.Database)
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := pgx.Connect(context.Background(), lent)
		if err == nil {
			if err := conn.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			return lent
		}
		if time.Now().After(deadline) {
			t.Fatalf("PgBouncer does not answer: %v: %s", err, said.String())
		}
		<-time.After(20 * time.Millisecond)
	}
}

// unprivileged gives whom PgBouncer runs as, which refuses to be root, and lets it
// read its directory; nil is the user of this process.
func unprivileged(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
}

func unusedPort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}
