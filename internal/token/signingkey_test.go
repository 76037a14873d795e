package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestThumbprintVector(t *testing.T) {
	got := thumbprint("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA")
	if want := "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; got != want {
		t.Errorf("thumbprint = %s, want %s", got, want)
	}
}

func TestSigningKeyRoundTrip(t *testing.T) {
	key := newKey(t)
	der, err := key.PKCS8()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSigningKey(der)
	if err != nil || again.ID != key.ID || !again.private.Equal(key.private) {
		t.Errorf("read again: %s, %v", again.ID, err)
	}
	for name, der := range map[string][]byte{"P-384": otherCurve(t), "Ed25519": edwards(t), "nothing": nil, "cut": der[:len(der)-1]} {
		if _, err := ParseSigningKey(der); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func otherCurve(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func edwards(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// C-90: all keys are published and verify, the first signs; a key that is gone
// takes its tokens along.
func TestC90SigningKeyRotation(t *testing.T) {
	old, current, ring := newKey(t), newKey(t), testRing(t, 1)
	before, during, after := newMinter(t, ring, old), newMinter(t, ring, current, old), newMinter(t, ring, current)
	s := mint(t, before, testAccess)
	if _, err := during.ParseAccess(s, testNow); err != nil {
		t.Errorf("while the old key is kept: %v", err)
	}
	if _, err := after.ParseAccess(s, testNow); err == nil {
		t.Error("the old key is gone, its token is not")
	}
	if _, err := after.ParseAccess(mint(t, during, testAccess), testNow); err != nil {
		t.Errorf("the first key does not sign: %v", err)
	}
	set := keySet(t, during)
	if len(set.Keys) != 2 {
		t.Fatalf("%d keys are published", len(set.Keys))
	}
	for i, key := range []SigningKey{current, old} {
		published := set.Keys[i]
		print, err := published.Thumbprint(crypto.SHA256)
		if err != nil || base64.RawURLEncoding.EncodeToString(print) != key.ID {
			t.Errorf("thumbprint %x, %v: the kid is %s", print, err, key.ID)
		}
		if published.KeyID != key.ID || published.Use != "sig" || published.Algorithm != string(jose.ES256) || !published.IsPublic() || !key.private.PublicKey.Equal(published.Key) {
			t.Errorf("published: %+v", published)
		}
	}
	if bytes.Contains(during.JWKS(), []byte(`"d"`)) {
		t.Error("a private part is published")
	}
}

func TestNewRefuses(t *testing.T) {
	key, ring := newKey(t), testRing(t, 1)
	with := func(change func(*Settings)) Settings {
		s := testSettings
		change(&s)
		return s
	}
	for name, c := range map[string]struct {
		keys []SigningKey
		s    Settings
	}{
		"no key":      {nil, testSettings},
		"empty key":   {[]SigningKey{{}}, testSettings},
		"key twice":   {[]SigningKey{key, key}, testSettings},
		"TTL zero":    {[]SigningKey{key}, with(func(s *Settings) { s.TTL = 0 })},
		"TTL long":    {[]SigningKey{key}, with(func(s *Settings) { s.TTL = MaxTTL + time.Second })},
		"TTL part":    {[]SigningKey{key}, with(func(s *Settings) { s.TTL = 1500 * time.Millisecond })},
		"no issuer":   {[]SigningKey{key}, with(func(s *Settings) { s.Issuer = "" })},
		"no audience": {[]SigningKey{key}, with(func(s *Settings) { s.Audience = "" })},
		"no client":   {[]SigningKey{key}, with(func(s *Settings) { s.ClientID = "" })},
		"bad UTF-8":   {[]SigningKey{key}, with(func(s *Settings) { s.Issuer = "\xff" })},
	} {
		if _, err := New(ring, c.keys, c.s, testRand(1)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if ttl := testMinter(t).TTL(); ttl != 300*time.Second {
		t.Errorf("TTL = %v", ttl)
	}
}

func TestKeysAndTokensRedactThemselves(t *testing.T) {
	key := newKey(t)
	m := newMinter(t, testRing(t, 1), key)
	scalar, err := key.private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d := new(big.Int).SetBytes(scalar)
	leaks := []string{d.String(), d.Text(16), "[81 81", "5151", "QQQQ"}
	for name, value := range map[string]any{
		"key": key, "keys": []SigningKey{key}, "key pointer": &key, "minter": m, "minter value": reflect.ValueOf(m).Elem().Interface(),
		"refresh": Refresh{SessionID: sessionID, Secret: [16]byte(bytes.Repeat([]byte("Q"), 16))},
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "value", value)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "value", value)
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		out.Write(encoded)
		if n := strings.Count(out.String(), "[redacted]"); n < 11 {
			t.Errorf("%s is redacted %d times of 11:\n%s", name, n, out.String())
		}
		for _, leak := range leaks {
			if strings.Contains(out.String(), leak) {
				t.Errorf("%s shows %q:\n%s", name, leak, out.String())
			}
		}
	}
}
