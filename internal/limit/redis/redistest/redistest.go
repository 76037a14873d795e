package redistest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server of its own.
type Server struct {
	Port int

	t    testing.TB
	dir  string
	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// Start runs one until the test ends. Settings are those of its command line:
// "--cluster-enabled", "yes". Without redis-server the test fails.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	return start(t, settings)
}

// StartFrom is Start with a file of settings, as a sentinel needs it.
func StartFrom(t testing.TB, file string, settings ...string) *Server {
	t.Helper()
	return start(t, append([]string{file}, settings...))
}

func start(t testing.TB, settings []string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is missing: apt-get install redis-server")
	}
	dir, err := os.MkdirTemp("", "redistest") // short: t.TempDir may be gone before the server is
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir, args: settings, Port: FreePort(t)}
	t.Cleanup(func() {
		s.Kill()
		os.RemoveAll(dir)
	})
	s.Restart()
	return s
}

// Address is where it listens.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// URL is its address as a URL.
func (s *Server) URL() string { return "redis://" + s.Address() }

// Restart runs it on the same port, empty. It waits until it answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	log := filepath.Join(s.dir, "log")
	s.cmd = exec.Command("redis-server", append(slices.Clone(s.args),
		"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--logfile", log,
	)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("starting redis-server: %v", err)
	}
	done, cmd := make(chan struct{}), s.cmd
	s.done = done
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	for end := time.Now().Add(10 * time.Second); ; {
		if answer, err := s.try("PING"); err == nil && strings.HasPrefix(answer, "+PONG") {
			return
		}
		select {
		case <-done:
			said, _ := os.ReadFile(log)
			s.t.Fatalf("redis-server ended: %s", said)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(end) {
			s.t.Fatal("redis-server does not answer")
		}
	}
}

// Kill ends it without warning, and waits until it has gone.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.done
		s.cmd = nil
	}
}

// Pause stops it as it stands: it accepts connections and answers nothing.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signalling redis-server: %v", err)
	}
}

// Do runs one command on a connection of its own, and gives the answer as it
// came. An error of Redis fails the test.
func (s *Server) Do(command ...string) string {
	s.t.Helper()
	answer, err := s.try(command...)
	if err != nil || strings.HasPrefix(answer, "-") {
		s.t.Fatalf("redis %v: %q %v", command, answer, err)
	}
	return answer
}

func (s *Server) try(command ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Address(), time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	var ask bytes.Buffer
	fmt.Fprintf(&ask, "*%d\r\n", len(command))
	for _, word := range command {
		fmt.Fprintf(&ask, "$%d\r\n%s\r\n", len(word), word)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write(ask.Bytes()); err != nil {
		return "", err
	}
	answer := make([]byte, 1<<16) // those of tests fit, and come at once
	n, err := conn.Read(answer)
	return string(answer[:n]), err
}

// FreePort finds a port that nobody listens on; below 55536, so that a cluster's
// second port, 10000 above, exists.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := listener.Addr().(*net.TCPAddr).Port
		listener.Close()
		if port < 55536 {
			return port
		}
	}
	t.Fatal("no free port below 55536")
	return 0
}
