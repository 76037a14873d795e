package e2e

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// program is the binary over a data folder, started again and again.
type program struct {
	t    *testing.T
	path string
	dir  string
	more []string // settings

	*client
	command  *exec.Cmd
	operator string
	log      *bytes.Buffer // of the run
}

// newProgram builds the binary, and gives it an empty data folder.
func newProgram(t *testing.T) *program {
	t.Helper()
	p := &program{t: t, path: buildBinary(t), dir: t.TempDir()}
	t.Cleanup(p.kill)
	return p
}

func buildBinary(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "countersign")
	build := exec.Command("go", "build", "-o", path, "github.com/countersign/countersign/cmd/countersign")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return path
}

// env has one public URL whatever the port: access tokens name it.
func (p *program) env() []string {
	env := append(append(os.Environ(), wide()...), "COUNTERSIGN_DATA_DIR="+p.dir, "COUNTERSIGN_PUBLIC_URL=http://localhost",
		"COUNTERSIGN_LISTEN=127.0.0.1:0", "COUNTERSIGN_OPERATOR_LISTEN=127.0.0.1:0")
	return append(env, p.more...)
}

// The two places where a starting server says that it is to be found.
var (
	publicPlace   = regexp.MustCompile(`API +(http://[^/]+)/docs`)
	operatorPlace = regexp.MustCompile(`Operators +(http://[^/]+)/`)
)

// begin starts a run, and does not wait for it.
func (p *program) begin() (stdout io.Reader) {
	p.t.Helper()
	p.log = &bytes.Buffer{}
	command := exec.Command(p.path, "serve")
	command.Env, command.Stderr = p.env(), p.log
	stdout, err := command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.command = command
	return stdout
}

// start starts a run and returns once it is ready.
func (p *program) start() {
	p.t.Helper()
	p.client = newClient(p.place(p.begin()))
	eventually(p.t, "a ready server", func() bool {
		got, err := p.call(http.MethodGet, "/readyz", ask{})
		return err == nil && got.status == http.StatusOK
	})
}

// place reads where the server listens, and drains what it says after that.
func (p *program) place(out io.Reader) (public string) {
	p.t.Helper()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := publicPlace.FindStringSubmatch(lines.Text()); m != nil {
			public = m[1]
		}
		if m := operatorPlace.FindStringSubmatch(lines.Text()); m != nil {
			p.operator = m[1]
			break
		}
	}
	if public == "" || p.operator == "" {
		_ = p.command.Wait()
		p.command = nil
		p.t.Fatalf("the server did not start: %s", p.log)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return public
}

// kill ends the run as a crash would, and waits until the process is gone.
func (p *program) kill() {
	if p.command == nil {
		return
	}
	if err := syscall.Kill(p.command.Process.Pid, syscall.SIGKILL); err != nil {
		p.t.Errorf("killing: %v", err)
	}
	_ = p.command.Wait() // says that it was killed
	p.command = nil
	if p.client != nil {
		p.close()
	}
}

// askToStop returns at once; wait tells how it ended.
func (p *program) askToStop() {
	p.t.Helper()
	if err := syscall.Kill(p.command.Process.Pid, syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// wait wants the run to end by itself, with success.
func (p *program) wait() {
	p.t.Helper()
	command := p.command
	p.command = nil
	late := time.AfterFunc(patience, func() { _ = command.Process.Kill() })
	defer late.Stop()
	if err := command.Wait(); err != nil {
		p.t.Errorf("the server ended with %v: %s", err, p.log)
	}
	p.close()
}

// verifyLog has the binary check the security log.
func (p *program) verifyLog() {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "security*.log"))
	if err != nil || len(files) == 0 {
		p.t.Fatalf("no security log: %v", err)
	}
	verify := exec.Command(p.path, append([]string{"log", "verify"}, files...)...)
	verify.Env = p.env()
	if out, err := verify.CombinedOutput(); err != nil {
		p.t.Errorf("log verify: %v: %s", err, out)
	}
}
