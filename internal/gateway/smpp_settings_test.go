package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/gateway/smpp"
	"github.com/countersign/countersign/internal/keyring"
)

func TestSMPPSettingsThatCannotStand(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(garbage, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, value string }{
		{"address", ""}, {"address", "smpp://host:2775"}, {"address", "host:0"}, {"address", "host:99999"}, {"address", ":2775"}, {"address", "host:x"},
		{"system_id", ""}, {"system_id", strings.Repeat("c", 16)},
		{"password", ""}, {"password", "canary-word"}, {"password", "a\x00b"},
		{"system_type", strings.Repeat("c", 13)}, {"service_type", "canary"},
		{"tls", "yes"}, {"ca_file", garbage}, {"binds", "0"}, {"binds", "9"}, {"binds", "x"}, {"window", "0"}, {"window", "11"},
		{"alphabet", "utf8"}, {"long_text", "no"}, {"receipt_ids", "hex"}, {"nonsense", "1"},
	} {
		_, err := New("smpp", smppOptions(&smppTest{}, "host", map[string]keyring.Secret{c.name: keyring.Secret(c.value)}))
		var problem *SettingError
		if !errors.As(err, &problem) || problem.Setting != c.name || strings.Contains(problem.Problem, "canary") {
			t.Errorf("%s %q: %v", c.name, c.value, err)
		}
	}
	for _, file := range []string{garbage, garbage + "-none"} {
		_, err := New("smpp", smppOptions(&smppTest{}, "host", map[string]keyring.Secret{"tls": "true", "ca_file": keyring.Secret(file)}))
		if err == nil || !strings.HasPrefix(err.Error(), "ca_file: ") {
			t.Errorf("ca_file %s: %v", file, err)
		}
	}
	o := smppOptions(&smppTest{}, "host", nil)
	o.From = map[string]string{"*": "Acme", "DE": "Much too long a name"}
	if _, err := New("smpp", o); err == nil || !strings.HasPrefix(err.Error(), "from: ") {
		t.Errorf("from: %v", err)
	}
}

func TestSMPPSettingsAsTheyAreRead(t *testing.T) {
	for _, c := range []struct {
		values map[string]keyring.Secret
		want   string
	}{
		{nil, "smsc.example:2775 1 10 false {false }"},
		{map[string]keyring.Secret{"tls": "true"}, "smsc.example:3550 1 10 false {false }"},
		{map[string]keyring.Secret{"tls": "false", "binds": "8", "window": "3"}, "smsc.example:2775 8 3 false {false }"},
		{map[string]keyring.Secret{"alphabet": "latin1", "long_text": "sar", "receipt_ids": "decimal"}, "smsc.example:2775 1 10 true {true sar}"},
		{map[string]keyring.Secret{"address": "[::1]:99"}, "[::1]:99 1 10 false {false }"},
		{map[string]keyring.Secret{"address": "[::1]"}, "[::1]:2775 1 10 false {false }"},
	} {
		s, err := readSMPP(smppOptions(&smppTest{}, "smsc.example", c.values))
		if got := fmt.Sprint(s.address, " ", s.binds, " ", s.window, " ", s.decimal, " ", s.form); got != c.want || err != nil {
			t.Errorf("%s, want %s, %v", got, c.want, err)
		}
	}
}

// certificate makes one for a name, and a file of it.
func certificate(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{name},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.DNSNames, template.IPAddresses = nil, []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestSMPPOverTLS(t *testing.T) {
	t.Parallel()
	certified, file := certificate(t, "127.0.0.1")
	centre := gatewaytest.NewSMSC(t)
	address := centre.Listen(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certified}})
	settings := map[string]keyring.Secret{"tls": "true", "ca_file": keyring.Secret(file)}
	s := newSMPPTest(t, address, settings)
	if sent, failed := smppSend(t, s, smppMessage(t, "hi")); failed != nil || sent.ProviderRef != "1" {
		t.Errorf("%+v %v", sent, failed)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	delete(settings, "ca_file")
	refused := func(name, address string) {
		found := newSMPPTest(t, address, settings).Check(t.Context())
		if len(found) != 1 || found[0].OK || !strings.Contains(found[0].Problem, "certificate") {
			t.Errorf("%s: %+v", name, found)
		}
	}
	refused("nobody vouches for it", address)
	other, file := certificate(t, "smsc.example")
	settings["ca_file"] = keyring.Secret(file)
	refused("it has another name", gatewaytest.NewSMSC(t).Listen(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{other}}))
}

func TestC75SMPPShowsNothing(t *testing.T) {
	t.Parallel()
	centre := gatewaytest.NewSMSC(t)
	centre.Password = "canary01"
	centre.Answer = func(n int, m *smpp.Message) gatewaytest.Reply {
		switch n {
		case 1:
			return gatewaytest.Reply{Status: 0x0B}
		case 2:
			return gatewaytest.Reply{Drop: true}
		case 3:
			return gatewaytest.Reply{First: gatewaytest.ReceiptFor(m, "3", "DELIVRD", "000")}
		}
		return gatewaytest.Reply{}
	}
	s := newSMPPTest(t, centre.Listen(nil), map[string]keyring.Secret{"password": "canary01"})
	s.fail(errors.New("no room on the disk"))
	shown := ""
	for range 3 {
		_, failed := smppSend(t, s, smppMessage(t, "canary text"))
		shown += fmt.Sprintf("%v %+v %#v ", failed, failed, failed)
	}
	_, _ = centre.Deliver(&smpp.Message{Source: smpp.Address{Addr: "4915112345678"}, ESMClass: 4, Short: []byte("id:3 stat:DELIVRD text:canary")})
	shown += fmt.Sprintf("%v %+v", s.Sender, s.Sender)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	shown += s.log.String()
	s.mu.Unlock()
	if !strings.Contains(shown, "not stored") || !strings.Contains(shown, "0x0B") || !strings.Contains(shown, "not bound") {
		t.Errorf("little was shown: %s", shown)
	}
	for _, secret := range []string{"canary", "15112345678"} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s is shown: %s", secret, shown)
		}
	}
}
