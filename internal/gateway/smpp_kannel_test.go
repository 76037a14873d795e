package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/gateway/smpp"
)

// kannel is Kannel: a client of message centres that is not ours. It is run here
// to judge the centre that our own client is tested with.
type kannel struct {
	sendsms  string        // where it takes messages
	receipts chan string   // what it makes of receipts: the id it was told, and Kannel's type
	bearer   *exec.Cmd     // what is bound
	ended    chan struct{} // closed when that has ended
}

// startKannel runs it until the test ends, as a client of the message centre at
// an address.
func startKannel(t *testing.T, centre string) *kannel {
	t.Helper()
	k := &kannel{receipts: make(chan string, 100)}
	told := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		k.receipts <- r.URL.Query().Get("id") + " " + r.URL.Query().Get("type")
	}))
	t.Cleanup(told.Close)
	host, port, _ := net.SplitHostPort(centre)
	admin, box, send := freePorts(t)
	dir := t.TempDir()
	settings := filepath.Join(dir, "kannel.conf")
	text := fmt.Sprintf(`
group = core
admin-port = %d
admin-interface = 127.0.0.1
admin-password = secret
smsbox-port = %d
smsbox-interface = 127.0.0.1
log-level = 1

group = smsc
smsc = smpp
smsc-id = centre
host = %s
port = %s
transceiver-mode = true
smsc-username = house
smsc-password = secret08
system-type = ""
source-addr-ton = 5
source-addr-npi = 0
dest-addr-ton = 1
dest-addr-npi = 1
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = %d
sendsms-interface = 127.0.0.1
log-level = 1

group = sendsms-user
username = tester
password = secret
concatenation = true
max-messages = 10
dlr-url = "%s/?id=%%F&type=%%d"
`, admin, box, host, port, send, told.URL)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	k.sendsms = fmt.Sprintf("http://127.0.0.1:%d/cgi-bin/sendsms?username=tester&password=secret&from=Acme&dlr-mask=27&charset=UTF-8&", send)
	k.bearer, k.ended = startBox(t, dir, "bearerbox", settings)
	reachable(t, box)
	startBox(t, dir, "smsbox", settings)
	reachable(t, send)
	return k
}

// startBox runs one of Kannel's programs until the test ends. It ends without
// warning: what it writes down is gone with its folder.
func startBox(t *testing.T, dir, name, settings string) (*exec.Cmd, chan struct{}) {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/" + name)
	if err != nil {
		t.Fatal(name + " is missing: apt-get install kannel")
	}
	box := exec.Command(path, "-v", "2", settings)
	said := &bytes.Buffer{}
	box.Dir, box.Stdout, box.Stderr = dir, said, said
	box.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = box.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = box.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s: %s", name, said)
		}
	})
	return box, ended
}

// freePorts gives three neighbours. They lie below those that connections and
// listeners get by themselves, so that none takes them meanwhile.
func freePorts(t *testing.T) (a, b, c int) {
	t.Helper()
	free := func(port int) bool {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			l.Close()
		}
		return err == nil
	}
	for range 100 {
		if a = 10000 + rand.IntN(20000); free(a) && free(a+1) && free(a+2) {
			return a, a + 1, a + 2
		}
	}
	t.Fatal("no free ports")
	return 0, 0, 0
}

// eventually polls until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after a minute: %s", what)
		}
	}
}

func reachable(t *testing.T, port int) {
	t.Helper()
	eventually(t, fmt.Sprintf("port %d is open", port), func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// send has Kannel send a text. As long as its two programs do not know each other
// it takes none, and is asked again.
func (k *kannel) send(t *testing.T, text, settings string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	address := k.sendsms + settings + "to=%2B4915112345678&text=" + url.QueryEscape(text)
	eventually(t, "Kannel takes a message", func() bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Logf("Kannel: %v", err)
			return false
		}
		defer response.Body.Close()
		said, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusAccepted {
			t.Logf("Kannel: %d %s", response.StatusCode, said)
			return false
		}
		return true
	})
}

// receipt awaits the next word of Kannel on a receipt, of a type: 1 delivered, 2 failed,
// 8 taken by the centre, 16 refused by it.
func (k *kannel) receipt(t *testing.T, want string) {
	t.Helper()
	for limit := time.After(time.Minute); ; {
		select {
		case got := <-k.receipts:
			if strings.HasSuffix(got, " 8") {
				continue
			}
			if got != want {
				t.Errorf("Kannel read the receipt as %q, want %q", got, want)
			}
			return
		case <-limit:
			t.Fatalf("Kannel does not tell of the receipt %s", want)
		}
	}
}

func TestSMPPFakeIsUnderstoodByAnIndependentClient(t *testing.T) {
	t.Parallel()
	centre := gatewaytest.NewSMSC(t)
	centre.Answer = func(n int, _ *smpp.Message) gatewaytest.Reply {
		if n == 2 {
			return gatewaytest.Reply{Status: 0x0B}
		}
		return gatewaytest.Reply{ID: fmt.Sprintf("K%d", n)}
	}
	k := startKannel(t, centre.Listen(nil))
	eventually(t, "Kannel is bound", func() bool { bound, _, _, _ := centre.Counts(); return bound == 1 })
	submitted := func(n int) *smpp.Message {
		t.Helper()
		eventually(t, fmt.Sprintf("%d messages came", n), func() bool { return len(centre.Submitted()) >= n })
		return centre.Submitted()[n-1]
	}

	k.send(t, "Code 123456 @ €", "")
	m := submitted(1)
	if m.Dest != (smpp.Address{TON: 1, NPI: 1, Addr: "4915112345678"}) || m.Source != (smpp.Address{TON: 5, Addr: "Acme"}) ||
		string(m.Short) != "Code 123456 \x00 \x1be" || m.DataCoding != 0 || m.Registered != 1 {
		t.Errorf("Kannel sent %q from %+v to %+v", m.Short, m.Source, m.Dest)
	}
	deliver := func(n int, stat string) {
		t.Helper()
		if status, err := centre.Deliver(gatewaytest.ReceiptFor(m, fmt.Sprintf("K%d", n), stat, "000")); err != nil || status != smpp.StatusOK {
			t.Errorf("Kannel answered a receipt with %v %v", status, err)
		}
	}
	deliver(1, "DELIVRD")
	k.receipt(t, "K1 1")

	k.send(t, "refused", "")
	k.receipt(t, " 16")

	k.send(t, "Код 123456", "coding=2&")
	want, _, _ := smpp.Form{}.Parts(smpp.Message{}, "Код 123456", 1)
	if m = submitted(3); m.DataCoding != 8 || !bytes.Equal(m.Short, want[0].Short) {
		t.Errorf("Kannel sent %x, we would send %x", m.Short, want[0].Short)
	}
	deliver(3, "UNDELIV")
	k.receipt(t, "K3 2")

	long := strings.Repeat("x", 200)
	k.send(t, long, "")
	first, second := submitted(4), submitted(5)
	want, _, _ = smpp.Form{}.Parts(smpp.Message{}, long, first.Short[3])
	if first.ESMClass&0x40 == 0 || !bytes.Equal(first.Short, want[0].Short) || !bytes.Equal(second.Short, want[1].Short) {
		t.Errorf("Kannel sent %x and %x", first.Short, second.Short)
	}

	if p, err := centre.Ask(smpp.PDU{Command: smpp.EnquireLink}); err != nil || p.Command != smpp.EnquireLink|smpp.Response {
		t.Errorf("Kannel answered enquire_link with %v %v", p, err)
	}
	if err := k.bearer.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Kannel has unbound", func() bool { bound, _, unbinds, _ := centre.Counts(); return bound == 0 && unbinds == 1 })
}
