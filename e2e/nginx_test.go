package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The page tells operators how to put nginx before their instances: what it
// tells works, addresses and all, and goes on while an instance is killed.
func TestNginxAsThePageHasIt(t *testing.T) {
	t.Parallel()
	f := startFleet(t, 2, "COUNTERSIGN_TRUSTED_PROXIES=127.0.0.1/32")
	balancer := newClient(startNginx(t, f))
	t.Cleanup(balancer.close)
	sign := func(n int) answer {
		begun := balancer.must(t, http.StatusAccepted, http.MethodPost, "/v1/signup", ask{body: members{"phone_number": number(n)}}).text("challenge_id")
		return balancer.must(t, http.StatusOK, http.MethodPost, "/v1/challenges/"+begun+"/verify", ask{body: members{"code": f.code(begun)}})
	}
	set := sign(1)
	sessions := balancer.must(t, http.StatusOK, http.MethodGet, "/v1/sessions", ask{bearer: set.text("access_token")})
	if got := sessions.text("sessions.0.ip_address"); got != "127.0.0.2" {
		t.Errorf("a client at 127.0.0.2 behind nginx is seen at %s", got)
	}

	// One who sends forwarding headers along hides behind none of them.
	for _, forged := range []http.Header{{"Forwarded": {"for=192.0.2.9"}}, {"X-Forwarded-For": {"192.0.2.9"}}} {
		set = balancer.must(t, http.StatusOK, http.MethodPost, "/v1/token/refresh", ask{body: members{"refresh_token": set.text("refresh_token")}, header: forged})
		sessions = balancer.must(t, http.StatusOK, http.MethodGet, "/v1/sessions", ask{bearer: set.text("access_token")})
		if got := sessions.text("sessions.0.ip_address"); got != "127.0.0.2" {
			t.Errorf("a client at 127.0.0.2 that sends %v is seen at %s", forged, got)
		}
	}

	f.all[0].kill()
	for range 20 {
		set = balancer.must(t, http.StatusOK, http.MethodPost, "/v1/token/refresh", ask{body: members{"refresh_token": set.text("refresh_token")}})
	}
	sign(2)
}

// startNginx runs the page's configuration, with the ports and without the TLS
// of this machine, and gives its URL.
func startNginx(t *testing.T, f *fleet) (url string) {
	t.Helper()
	page, err := os.ReadFile("../docs/instances.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no configuration of nginx")
	}
	port, dir := freePort(t), t.TempDir()
	config := strings.NewReplacer(
		"10.0.0.11:8420", strings.TrimPrefix(f.all[0].base, "http://"),
		"10.0.0.12:8420", strings.TrimPrefix(f.all[1].base, "http://"),
		"listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d;", port),
		"$remote_addr", "127.0.0.2",
		// It asks for a Host of the public URL's, which has no port here.
		"$host", "localhost",
	).Replace(string(block[1]))
	whole := fmt.Sprintf("daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr;\nevents {}\nhttp { access_log off;\n"+
		"client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;\n%[2]s}\n", dir, config)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	nginx := exec.Command("nginx", "-p", dir, "-c", file)
	nginx.Stderr, nginx.SysProcAttr = &log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := nginx.Start(); err != nil {
		t.Fatalf("starting nginx: %v: apt-get install nginx, as scripts/test does", err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGQUIT)
		late := time.AfterFunc(patience, func() { _ = nginx.Process.Kill() })
		defer late.Stop()
		if err := nginx.Wait(); err != nil {
			t.Errorf("nginx ended with %v:\n%s", err, log.String())
		}
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	eventually(t, "nginx", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return "http://" + address
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
