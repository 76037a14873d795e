package token

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

const (
	userID    = "01989b5e-0c3d-7a41-9f3e-0123456789ab"
	sessionID = "01989b5e-0c3d-7b52-8e4f-ba9876543210"
	deviceID  = "01989b5e-0c3d-7c63-ad50-00ff00ff00ff"
)

var (
	testNow      = time.Date(2026, 11, 24, 7, 20, 31, 123e6, time.UTC)
	testSettings = Settings{Issuer: "https://id.example.com", Audience: "https://api.example.com", ClientID: "app", TTL: 300 * time.Second}
	testAccess   = Access{
		Subject: userID, SessionID: sessionID, AuthTime: testNow.Add(-time.Hour).Truncate(time.Second),
		ACR: "aal2", AMR: []string{"sms", "pwd"},
	}
)

func testRand(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

// testRing has one master for each n (its key is n n n …); the stored keys are
// the same for all rings.
func testRing(t testing.TB, ns ...byte) *keyring.Ring {
	t.Helper()
	var list []string
	for _, n := range ns {
		list = append(list, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{n}, 32)))
	}
	masters, err := keyring.ParseMasters(strings.Join(list, ","))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New(masters)
	if err != nil {
		t.Fatal(err)
	}
	var keys []keyring.StoredKey
	for i, slot := range []string{keyring.SlotPseudonym, keyring.SlotPepper, keyring.SlotData} {
		k, err := ring.MakeKey(slot, testNow, testRand(byte(i)))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	if err := ring.Unlock(keys); err != nil {
		t.Fatal(err)
	}
	return ring
}

func newKey(t testing.TB) SigningKey {
	t.Helper()
	key, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newMinter(t testing.TB, ring *keyring.Ring, keys ...SigningKey) *Minter {
	t.Helper()
	m, err := New(ring, keys, testSettings, &lockedReader{r: testRand(100)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func testMinter(t testing.TB) *Minter { return newMinter(t, testRing(t, 1), newKey(t)) }

func mint(t testing.TB, m *Minter, a Access) string {
	t.Helper()
	s, err := m.Access(a, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return s.Reveal()
}

func refresh(t testing.TB, m *Minter, r Refresh) string {
	t.Helper()
	s, err := m.Refresh(r)
	if err != nil {
		t.Fatal(err)
	}
	return s.Reveal()
}

// lockedReader lets parallel tests share a source.
type lockedReader struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}
