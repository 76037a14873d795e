package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Cluster is a PostgreSQL server of one test's own. It syncs to the disk, as one
// does that is used in earnest, and it can be crashed, paused, started again and
// followed. Its methods fail the test where they fail.
type Cluster struct {
	t        testing.TB
	at       cluster
	owner    *syscall.Credential
	settings []string
	server   *exec.Cmd
	ended    chan struct{} // closed when the server has
	watched  *exec.Cmd
}

// segment is the size of a file of the write-ahead log, in MB: small, so that
// Room can bound all other files and leave the log alone.
const segment = 1

// Own makes a cluster and starts it. Settings are those of the server's command
// line: "max_connections=20". It ends with the test, and with the process.
func Own(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	owner, err := serverUser()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	at, err := lay(owner, "--no-sync", "--wal-segsize="+strconv.Itoa(segment))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	c := &Cluster{t: t, at: at, owner: owner, settings: settings}
	c.watch()
	c.Start()
	return c
}

// URL names the database that each cluster has from the beginning.
func (c *Cluster) URL() string { return c.at.url("postgres") }

// Database makes an empty database, and gives its URL.
func (c *Cluster) Database() string {
	c.t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	c.Do("CREATE DATABASE " + name)
	return c.at.url(name)
}

// Port is where it listens, on the loopback.
func (c *Cluster) Port() int { return c.at.port }

// killAtEOF waits for the end of the standard input, as it comes when the process
// that holds its other end ends. Then whatever of the server still runs is
// killed, and its directory goes.
const killAtEOF = `cat >/dev/null
read -r server 2>/dev/null <data/postmaster.pid && kill -KILL $server $(cat /proc/$server/task/$server/children) 2>/dev/null
rm -rf "$0"`

// watch has the cluster end with the test process, however that ends.
func (c *Cluster) watch() {
	c.t.Helper()
	held, alive, err := os.Pipe()
	if err != nil {
		c.t.Fatalf("pgtest: %v", err)
	}
	c.watched = exec.Command("/bin/sh", "-c", killAtEOF, c.at.dir)
	c.watched.Dir, c.watched.Stdin = c.at.dir, held
	c.watched.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner, Setpgid: true}
	if err := c.watched.Start(); err != nil {
		c.t.Fatalf("pgtest: %v", err)
	}
	c.t.Cleanup(func() {
		c.Kill()
		if err := errors.Join(alive.Close(), held.Close(), c.watched.Wait()); err != nil {
			c.t.Errorf("pgtest: ending: %v", err)
		}
	})
}

// Start starts the server, after a Kill too, and waits until it answers.
func (c *Cluster) Start() {
	c.t.Helper()
	args := []string{"-D", filepath.Join(c.at.dir, "data"), "-k", c.at.dir, "-p", strconv.Itoa(c.at.port)}
	for _, setting := range append([]string{
		"listen_addresses=127.0.0.1", "fsync=on", "full_page_writes=on", "synchronous_commit=on", "shared_buffers=32MB",
		"max_connections=100",
	}, c.settings...) {
		args = append(args, "-c", setting)
	}
	log, err := os.OpenFile(filepath.Join(c.at.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		c.t.Fatalf("pgtest: %v", err)
	}
	c.server = exec.Command(filepath.Join(binaries, "postgres"), args...)
	c.server.Dir, c.server.Stdout, c.server.Stderr = c.at.dir, log, log
	c.server.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner, Setpgid: true}
	if err := errors.Join(c.server.Start(), log.Close()); err != nil {
		c.t.Fatalf("pgtest: starting PostgreSQL: %v", err)
	}
	ended, server := make(chan struct{}), c.server
	c.ended = ended
	go func() {
		_ = server.Wait() // however it ended
		close(ended)
	}()
	if err := c.at.wait(); err != nil {
		c.t.Fatalf("pgtest: %v", err)
	}
}

// Kill kills all processes of the server at once, as a crash of its machine
// would, and waits until it has gone.
func (c *Cluster) Kill() {
	if c.server == nil {
		return
	}
	c.signal(syscall.SIGSTOP) // it makes no more processes
	c.signal(syscall.SIGKILL)
	<-c.ended
	c.server = nil
}

// Pause stops all processes as they stand: connections stay, and nothing is
// answered.
func (c *Cluster) Pause() { c.signal(syscall.SIGSTOP) }

// Resume lets them go on.
func (c *Cluster) Resume() { c.signal(syscall.SIGCONT) }

// signal signals the server, then the processes that it has made.
func (c *Cluster) signal(with syscall.Signal) {
	made := c.children()
	for _, pid := range append([]int{c.server.Process.Pid}, made...) {
		if err := syscall.Kill(pid, with); err != nil && !errors.Is(err, syscall.ESRCH) {
			c.t.Errorf("pgtest: signalling PostgreSQL: %v", err)
		}
	}
}

// children are the processes that the server has made: PostgreSQL gives each
// client one, and has them in groups of their own.
func (c *Cluster) children() (pids []int) {
	pid := c.server.Process.Pid
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		c.t.Errorf("pgtest: %v", err)
	}
	for word := range strings.FieldsSeq(string(list)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			c.t.Errorf("pgtest: the processes of PostgreSQL: %v", err)
			continue
		}
		pids = append(pids, child)
	}
	return pids
}

// Room lets no file grow past so many MB, as a full disk does; 0 takes that back.
// Files of the write-ahead log are 1 MB and never grow.
func (c *Cluster) Room(mb int) {
	c.t.Helper()
	bound := "--fsize=unlimited:" // the soft bound alone: that may be raised again
	if mb > 0 {
		bound = fmt.Sprintf("--fsize=%d:", mb<<20)
	}
	for _, pid := range append([]int{c.server.Process.Pid}, c.children()...) {
		prlimit := exec.Command("prlimit", "--pid", strconv.Itoa(pid), bound)
		prlimit.Dir = c.at.dir
		prlimit.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner}
		said, err := prlimit.CombinedOutput()
		if err != nil && !strings.Contains(string(said), "No such process") {
			c.t.Fatalf("pgtest: bounding PostgreSQL's files: %v: %s", err, said)
		}
	}
}

// Do has the server do something outside of any transaction.
func (c *Cluster) Do(statement string) {
	c.t.Helper()
	c.at.tell(c.t, statement)
}

// Replica makes a cluster that follows this one. Once it returns, this one
// acknowledges no commit that the replica has not on its disk.
func (c *Cluster) Replica() *Cluster {
	c.t.Helper()
	at, err := place(c.owner)
	if err != nil {
		c.t.Fatalf("pgtest: %v", err)
	}
	if err := at.fill(c.owner, "pg_basebackup", "--pgdata="+filepath.Join(at.dir, "data"), "--write-recovery-conf",
		"--checkpoint=fast", "--no-sync", "--dbname="+c.at.url("postgres")); err != nil {
		c.t.Fatalf("pgtest: %v", err)
	}
	r := &Cluster{t: c.t, at: at, owner: c.owner, settings: c.settings}
	r.watch()
	r.Start()
	c.Do("ALTER SYSTEM SET synchronous_standby_names = '*'")
	c.Do("SELECT pg_reload_conf()")
	c.until("the replica to be synchronous", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
	return r
}

// Promote makes a replica a primary, and waits until it is one.
func (c *Cluster) Promote() {
	c.t.Helper()
	c.Do("SELECT pg_promote()")
	c.until("the replica to be a primary", "SELECT NOT pg_is_in_recovery()")
}

func (c *Cluster) until(what, question string) {
	c.t.Helper()
	for deadline := time.Now().Add(untilReady); ; <-time.After(5 * time.Millisecond) {
		switch yes, err := c.at.yes(question); {
		case yes:
			return
		case time.Now().After(deadline):
			c.t.Fatalf("pgtest: waiting for %s: %v", what, err)
		}
	}
}
