package gateway

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/keyring"
)

// nodeSMSC is a message centre that is not ours: npm's smpp.
type nodeSMSC struct {
	address string
	lines   <-chan map[string]any // what it tells; closed when it has ended
}

// startNode runs it until the test ends.
func startNode(t *testing.T) *nodeSMSC {
	t.Helper()
	const folder = "testdata/smsc"
	if _, err := os.Stat(folder + "/node_modules/smpp"); err != nil {
		t.Fatal("npm's smpp is missing: scripts/test installs it, as does npm ci --prefix internal/gateway/" + folder)
	}
	node := exec.Command("node", "smsc.js")
	node.Dir = folder
	node.Stderr = os.Stderr
	node.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal("node is missing: apt-get install nodejs npm: ", err)
	}
	lines, ended := make(chan map[string]any, 1000), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			var line map[string]any
			if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
				line = map[string]any{"error": scanner.Text()}
			}
			lines <- line
		}
	}()
	t.Cleanup(func() {
		in.Close()
		<-ended
		_ = node.Wait()
	})
	s := &nodeSMSC{lines: lines}
	s.address = fmt.Sprintf("127.0.0.1:%v", s.next(t, "listening")["listening"])
	return s
}

// next gives the next line that tells of something; others are passed over, but for
// errors.
func (s *nodeSMSC) next(t *testing.T, of string) map[string]any {
	t.Helper()
	for limit := time.After(time.Minute); ; {
		select {
		case line, ok := <-s.lines:
			if !ok || line["error"] != nil {
				t.Fatalf("the message centre tells of %v, awaited %s", line, of)
			}
			if line[of] != nil {
				return line
			}
		case <-limit:
			t.Fatalf("the message centre does not tell of %s", of)
		}
	}
}

// submitted gives what it made of a message: the parts put together.
func (s *nodeSMSC) submitted(t *testing.T, parts int) (text string, all []map[string]any) {
	t.Helper()
	for range parts {
		line := s.next(t, "submit")
		text += line["text"].(string)
		all = append(all, line)
	}
	return text, all
}

func TestSMPPWithAnIndependentMessageCentre(t *testing.T) {
	t.Parallel()
	centre := startNode(t)
	s := newSMPPTest(t, centre.address, map[string]keyring.Secret{"system_type": "otp"})
	if line := centre.next(t, "bind"); line["version"] != float64(0x34) || line["system_type"] != "otp" || line["known"] != true {
		t.Errorf("bound with %v", line)
	}
	if line := centre.next(t, "enquired"); line["enquired"] != "enquire_link_resp" || line["status"] != 0.0 {
		t.Errorf("its enquire_link: %v", line)
	}

	const plain = "Acme €5: 123456 [ok] {@} ñ Ω"
	sent, failed := smppSend(t, s, smppMessage(t, plain))
	if failed != nil || sent.ProviderRef != "N1" {
		t.Fatal(sent, failed)
	}
	want := map[string]any{
		"submit": "N1", "to": "4915112345678", "to_type": []any{1.0, 1.0}, "from": "Acme", "from_type": []any{5.0, 0.0}, "text": plain,
		"coding": 0.0, "esm_class": 0.0, "seconds": 300.0, "udh": "", "sar": nil, "payload": false, "receipt": 1.0,
	}
	if line := centre.next(t, "submit"); !cmp.Equal(line, want) {
		t.Errorf("it read %s", cmp.Diff(want, line))
	}
	arrives(t, centre, s, Receipt{MessageID: "msg_1", ProviderRef: "N1", State: StateDelivered})

	const cyrillic = "Код: 123456 😀"
	if _, failed := smppSend(t, s, smppMessage(t, cyrillic)); failed != nil {
		t.Fatal(failed)
	}
	if text, all := centre.submitted(t, 1); text != cyrillic || all[0]["coding"] != 8.0 {
		t.Errorf("it read %q", text)
	}
	arrives(t, centre, s, Receipt{MessageID: "msg_1", ProviderRef: "N2", State: StateDelivered}) // came before the answer

	long := strings.Repeat("x", 152) + "€" + strings.Repeat("y", 100)
	sent, failed = smppSend(t, s, smppMessage(t, long))
	if failed != nil || sent.Segments != 2 || sent.ProviderRef != "N3" {
		t.Fatal(sent, failed)
	}
	text, all := centre.submitted(t, 2)
	header := fmt.Sprintf("0003%02x02", smppReference("msg_1"))
	if text != long || all[0]["text"] != long[:152] || all[0]["udh"] != header+"01" || all[1]["udh"] != header+"02" {
		t.Errorf("it read %q, headers %v and %v", text, all[0]["udh"], all[1]["udh"])
	}
	arrives(t, centre, s, Receipt{MessageID: "msg_1", ProviderRef: "N3", State: StateSent})
	arrives(t, centre, s, Receipt{MessageID: "msg_1", ProviderRef: "N3", State: StateDelivered})

	if err := s.Close(); err != nil {
		t.Error(err)
	}
	centre.next(t, "unbind")
}

// arrives awaits the next receipt, and the answer to it.
func arrives(t *testing.T, centre *nodeSMSC, s *smppTest, want Receipt) {
	t.Helper()
	if line := centre.next(t, "receipted"); line["command"] != "deliver_sm_resp" || line["status"] != 0.0 {
		t.Errorf("the receipt was answered with %v", line)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.delivered) == 0 || s.delivered[0] != want {
		t.Errorf("delivered %+v, want %+v", s.delivered, want)
		return
	}
	s.delivered = s.delivered[1:]
}

func TestSMPPOtherFormsWithAnIndependentMessageCentre(t *testing.T) {
	t.Parallel()
	centre := startNode(t)
	long := strings.Repeat("я", 66) + "😀" + strings.Repeat("z", 9)
	s := newSMPPTest(t, centre.address, map[string]keyring.Secret{"long_text": "sar", "binds": "2"})
	if sent, failed := smppSend(t, s, smppMessage(t, long)); failed != nil || sent.Segments != 2 {
		t.Fatal(sent, failed)
	}
	text, all := centre.submitted(t, 2)
	sar := all[1]["sar"].([]any)
	if text != long || all[0]["esm_class"] != 0.0 || sar[1] != 2.0 || sar[2] != 2.0 || all[0]["sar"].([]any)[0] != sar[0] {
		t.Errorf("sar: it read %q, parameters %v", text, sar)
	}

	s = newSMPPTest(t, centre.address, map[string]keyring.Secret{"long_text": "payload"})
	if sent, failed := smppSend(t, s, smppMessage(t, long)); failed != nil || sent.Segments != 2 {
		t.Fatal(sent, failed)
	}
	if text, all = centre.submitted(t, 1); text != long || all[0]["payload"] != true || all[0]["coding"] != 8.0 {
		t.Errorf("payload: it read %q", text)
	}

	s = newSMPPTest(t, centre.address, map[string]keyring.Secret{"password": "wrong"})
	if _, failed := smppSend(t, s, smppMessage(t, "hi")); failed == nil || failed.Code != "0x0E" || failed.Class != Failover {
		t.Errorf("a wrong password: %v", failed)
	}
	if found := s.Check(t.Context()); len(found) != 1 || found[0].What != "credentials" {
		t.Errorf("Check: %+v", found)
	}
}
