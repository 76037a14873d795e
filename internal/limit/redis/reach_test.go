package redis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/redis"
	"github.com/countersign/countersign/internal/limit/redis/redistest"
)

var few = limit.Count{Rule: limit.Rule{Name: "few", N: 2, Window: time.Hour}, Key: "k"}

func take(t *testing.T, l *redis.Limiter) (passed bool, err error) {
	t.Helper()
	d, err := l.Take(t.Context(), time.Now(), few)
	return err == nil && d.Refused == "", err
}

// Over TLS a server is only asked if its certificate is good for its name.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := certificate(t, dir)
	port := redistest.FreePort(t)
	redistest.Start(t, "--tls-port", strconv.Itoa(port), "--tls-auth-clients", "no",
		"--tls-cert-file", filepath.Join(dir, "cert"), "--tls-key-file", filepath.Join(dir, "key"))
	url := fmt.Sprintf("rediss://127.0.0.1:%d", port)
	if passed, err := take(t, open(t, redis.Options{URL: url, Roots: pool, Bound: 5 * time.Second})); !passed {
		t.Errorf("with the certificate's root: %v", err)
	}
	if _, err := take(t, open(t, redis.Options{URL: url, Bound: 5 * time.Second})); err == nil {
		t.Error("with a certificate that nobody vouches for it was asked")
	}
	if _, err := take(t, open(t, redis.Options{URL: fmt.Sprintf("rediss://localhost:%d", port), Roots: pool, Bound: 5 * time.Second})); err == nil {
		t.Error("with a certificate of another name it was asked")
	}
}

func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secretKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: cert}, "key": {Type: "PRIVATE KEY", Bytes: secretKey}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

// With sentinels the master is found, and after a failover the new one, with
// what was counted.
func TestSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.Start(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(master.Port))
	conf := filepath.Join(t.TempDir(), "sentinel")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := redistest.StartFrom(t, conf, "--sentinel")
	sentinel.Do("SENTINEL", "MONITOR", "ours", "127.0.0.1", strconv.Itoa(master.Port), "1")
	sentinel.Do("SENTINEL", "SET", "ours", "down-after-milliseconds", "500")
	until(t, "the replica follows", func() bool {
		return strings.Contains(replica.Do("INFO", "replication"), "master_link_status:up") &&
			strings.Contains(sentinel.Do("SENTINEL", "MASTER", "ours"), "num-slaves\r\n$1\r\n1")
	})
	l := open(t, redis.Options{URL: sentinel.URL() + "?master_set=ours", Bound: time.Second})
	for range 2 {
		if passed, err := take(t, l); !passed {
			t.Fatalf("refused: %v", err)
		}
	}
	until(t, "the replica has it all", func() bool { return strings.Contains(replica.Do("KEYS", "*few"), "few") })
	master.Kill()
	until(t, "the new master answers", func() bool {
		passed, err := take(t, l)
		if passed {
			t.Fatal("the new master has forgotten what was counted")
		}
		return err == nil
	})
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	const patience = 30 * time.Second
	for began := time.Now(); !done(); <-time.After(20 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("%s: not in %s", what, patience)
		}
	}
}
