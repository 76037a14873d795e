package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/keyring"
)

// once starts and stops a server over a directory.
func once(t *testing.T, c config.Config) {
	t.Helper()
	s, err := Start(t.Context(), c, Options{})
	if err == nil {
		err = s.Stop(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// refused starts a server that must not start, and wants words in the error.
func refused(t *testing.T, c config.Config, words ...string) {
	t.Helper()
	s, err := Start(t.Context(), c, Options{})
	if err == nil {
		_ = s.Stop(context.Background())
		t.Fatal("the server started")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
}

func newMaster() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return base64.StdEncoding.EncodeToString(key)
}

func TestC89MasterKeyFileForOthersStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	once(t, settings(t, dir))
	path := filepath.Join(dir, masterFile)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(t, settings(t, dir), path, "0644", "chmod 0600")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	once(t, settings(t, dir))
}

func TestWrongMasterKeyStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	once(t, settings(t, dir))
	before := read1(t, filepath.Join(dir, logFile))
	wrong := newMaster()
	c := settings(t, dir)
	c.MasterKey = keyring.Secret(wrong)
	refused(t, c, "wrong master key", dir)
	if after := read1(t, filepath.Join(dir, logFile)); !bytes.Equal(before, after) {
		t.Error("the refused start wrote into the security log")
	}
	once(t, settings(t, dir)) // nothing was changed by it
}

func read1(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMissingMasterKeyFileIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	once(t, settings(t, dir))
	path := filepath.Join(dir, masterFile)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	refused(t, settings(t, dir), path, "put the file back", "COUNTERSIGN_MASTER_KEY")
	if exists(path) {
		t.Error("a new master key was made over an old database")
	}
}

func TestCorruptDatabaseStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	once(t, settings(t, dir))
	path := filepath.Join(dir, databaseFile)
	if err := os.WriteFile(path, bytes.Repeat([]byte("not a database. "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, settings(t, dir), path)
	if text := read1(t, path); !bytes.HasPrefix(text, []byte("not a database.")) {
		t.Error("the corrupt file was changed")
	}
}

// Nobody, not even root, makes a file in /proc.
func TestUnwritableDataDirectoryStopsTheStart(t *testing.T) {
	refused(t, settings(t, "/proc"), "/proc", "data_dir", "cannot be written to")
	refused(t, settings(t, "/proc/none"), "/proc/none", "data_dir")
}

func TestReadOnlyDataDirectoryStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	once(t, settings(t, dir))
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	if os.Geteuid() == 0 { // root writes anyway: take away what it would write to
		if err := os.Remove(filepath.Join(dir, lockFile)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/proc/none/lock", filepath.Join(dir, lockFile)); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, settings(t, dir), dir, "cannot be written to", "data_dir")
}

func TestTwoServersDoNotShareADataDirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, settings(t, dir), Options{})
	refused(t, settings(t, dir), "another server", dir)
}

func TestTakenPortStopsTheStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	refused(t, settings(t, dir, "OPERATOR_LISTEN="+taken.Addr().String()), taken.Addr().String())
	once(t, settings(t, dir)) // the data directory was given back
}

func TestC92TLS(t *testing.T) {
	cert, key, pool := newPair(t)
	s := start(t, settings(t, t.TempDir(), "TLS_CERT="+cert, "TLS_KEY="+key), Options{})
	for _, address := range []string{s.Addr(), s.OperatorAddr()} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		answer, err := client.Get("https://" + address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		client.CloseIdleConnections()
		if got := answer.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("HSTS is %q, want a year", got)
		}
		_, err = tls.Dial("tcp", address, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		if err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("TLS 1.1: %v, want it refused", err)
		}
	}
}

// newPair makes a certificate for 127.0.0.1.
func newPair(t *testing.T) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	if err := errors.Join(os.WriteFile(cert, certPEM, 0o600), os.WriteFile(key, keyPEM, 0o600)); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, pool
}

// An empty database beside a log that is not new is a lost one.
func TestEmptiedDatabaseStopsTheStart(t *testing.T) {
	dir := t.TempDir()
	once(t, settings(t, dir))
	if err := os.Truncate(filepath.Join(dir, databaseFile), 0); err != nil {
		t.Fatal(err)
	}
	refused(t, settings(t, dir), "backup")
}
