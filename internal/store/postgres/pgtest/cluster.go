package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// binaries is where Debian has PostgreSQL's programs.
const binaries = "/usr/lib/postgresql/15/bin"

// untilReady is how long a cluster may take to start.
const untilReady = 60 * time.Second

// cluster is a running server.
type cluster struct {
	dir   string
	port  int
	alive *os.File // while it is open, the server runs
	shell *exec.Cmd
}

// url names a database of the cluster.
func (c cluster) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

// start makes a cluster and waits until it answers. more are settings of the
// server, as in "fsync=on"; they win over ours.
func start(more ...string) (cluster, error) {
	if _, err := os.Stat(filepath.Join(binaries, "initdb")); err != nil {
		return cluster{}, errors.New("PostgreSQL 15 is missing: apt-get install postgresql-15")
	}
	owner, err := serverUser()
	if err != nil {
		return cluster{}, err
	}
	c, err := lay(owner, "--no-sync")
	if err != nil {
		return cluster{}, err
	}
	if err := c.run(owner, more); err != nil {
		return cluster{}, errors.Join(err, os.RemoveAll(c.dir))
	}
	return c, c.wait()
}

// serverUser gives whom the server runs as; nil is the user of this process.
// PostgreSQL refuses to run as root.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no other user: apt-get install postgresql-15: %w", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the user id of postgres: %w", err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("reading the group id of postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// lay makes the cluster's directory and its files.
func lay(owner *syscall.Credential, more ...string) (cluster, error) {
	c, err := place(owner)
	if err != nil {
		return cluster{}, err
	}
	args := append([]string{
		"--pgdata=" + filepath.Join(c.dir, "data"), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C",
	}, more...)
	return c, c.fill(owner, "initdb", args...)
}

// place takes an empty directory and a port.
func place(owner *syscall.Credential) (cluster, error) {
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return cluster{}, err
	}
	if owner != nil {
		if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
			return cluster{}, errors.Join(err, os.RemoveAll(dir))
		}
	}
	port, err := freePort()
	if err != nil {
		return cluster{}, errors.Join(err, os.RemoveAll(dir))
	}
	return cluster{dir: dir, port: port}, nil
}

// fill has a program of PostgreSQL's make the files; the directory goes where
// it fails.
func (c cluster) fill(owner *syscall.Credential, program string, args ...string) error {
	maker := exec.Command(filepath.Join(binaries, program), args...)
	maker.Dir = c.dir
	maker.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if said, err := maker.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w: %s", program, err, said), os.RemoveAll(c.dir))
	}
	return nil
}

// freePort finds a port of the loopback that nobody listens on.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

// runUntilEOF runs the server until the standard input ends, as it does when
// the process that holds its other end does. Then the server stops and its
// directory goes.
const runUntilEOF = `dir=$1 port=$2; shift 2
"$0" -D "$dir/data" -k "$dir" -p "$port" -c listen_addresses=127.0.0.1 -c max_connections=300 \
	-c fsync=off -c full_page_writes=off -c synchronous_commit=on -c shared_buffers=64MB -c max_wal_size=2GB \
	-c autovacuum=off -c log_lock_waits=on "$@" >"$dir/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT $server
wait $server
rm -rf "$dir"`

func (c *cluster) run(owner *syscall.Credential, more []string) error {
	held, alive, err := os.Pipe()
	if err != nil {
		return err
	}
	shell := exec.Command("/bin/sh", "-c", runUntilEOF, filepath.Join(binaries, "postgres"), c.dir, strconv.Itoa(c.port))
	for _, setting := range more {
		shell.Args = append(shell.Args, "-c", setting)
	}
	shell.Dir, shell.Stdin = c.dir, held
	shell.SysProcAttr = &syscall.SysProcAttr{Credential: owner, Setpgid: true}
	if err := shell.Start(); err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	c.alive, c.shell = alive, shell
	return held.Close()
}

// stop ends the server, and waits until it and its directory are gone.
func (c *cluster) stop() error {
	return errors.Join(c.alive.Close(), c.shell.Wait())
}

// wait waits until the server answers.
func (c cluster) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), untilReady)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.url("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			return fmt.Errorf("PostgreSQL does not answer: %w: %s", err, bytes.TrimSpace(said))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
