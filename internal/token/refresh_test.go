package token

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/keyring"
	"pgregory.net/rapid"
)

func TestRefreshRoundTrip(t *testing.T) {
	m := newMinter(t, testRing(t, 1, 2), newKey(t))
	rapid.Check(t, func(t *rapid.T) {
		r := Refresh{
			KeyID:     rapid.SampledFrom(m.ring.KeyIDs()).Draw(t, "key"),
			SessionID: keyring.FormatID([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "session"))),
			Counter:   rapid.Int64Range(0, math.MaxInt64).Draw(t, "counter"),
			Secret:    [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "secret")),
		}
		made, err := m.Refresh(r)
		if err != nil {
			t.Fatal(err)
		}
		s := made.Reveal()
		if got, err := m.ParseRefresh(s); err != nil || got != r {
			t.Fatalf("read again: %v", err)
		}
		if again, err := m.Refresh(r); err != nil || again != made {
			t.Fatal("told again it is another")
		}
		refusesChanges(t, s, func(s string) error { _, err := m.ParseRefresh(s); return err })
	})
}

// refusesChanges changes one bit of the text, cuts it, and lengthens it.
func refusesChanges(t *rapid.T, s string, parse func(string) error) {
	bit := rapid.IntRange(0, len(s)*8-1).Draw(t, "bit")
	changed := []byte(s)
	changed[bit/8] ^= 1 << (bit % 8)
	for name, s := range map[string]string{
		"one bit changed": string(changed), "cut": s[:rapid.IntRange(0, len(s)-1).Draw(t, "cut")],
		"padded": s + "=", "longer": s + "A", "line break": s + "\n", "without prefix": s[4:], "prefix twice": s[:4] + s,
	} {
		if err := parse(s); !errors.Is(err, ErrInvalid) {
			t.Fatalf("%s (bit %d): %v", name, bit, err)
		}
	}
}

// C-21: the key without the database lacks the secret; the database without the
// key holds only a hash, and cannot make the MAC.
func TestC21NeitherKeyNorDatabaseForges(t *testing.T) {
	m := newMinter(t, testRing(t, 1), newKey(t))
	real := Refresh{SessionID: sessionID, Counter: 7, Secret: [16]byte{1, 2, 3}}
	stored := HashSecret(real.Secret) // what the row keeps
	if len(stored) != 32 || bytes.Contains(stored, real.Secret[:3]) {
		t.Fatalf("HashSecret = %x", stored)
	}

	withKey, err := m.ParseRefresh(refresh(t, m, Refresh{SessionID: sessionID, Counter: 7, Secret: [16]byte(stored[:16])}))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(HashSecret(withKey.Secret), stored) {
		t.Error("the stored hash serves as the secret")
	}

	otherKey := newMinter(t, testRing(t, 2), newKey(t))
	if _, err := m.ParseRefresh(refresh(t, otherKey, real)); !errors.Is(err, ErrInvalid) {
		t.Errorf("under another master: %v", err)
	}
	// The same, claiming to be under ours.
	forged, _ := unwrap(refresh(t, otherKey, real), refreshPrefix, refreshBody+macSize)
	genuine, _ := unwrap(refresh(t, m, real), refreshPrefix, refreshBody+macSize)
	copy(forged[1:5], genuine[1:5])
	if _, err := m.ParseRefresh(refreshPrefix + encoding.EncodeToString(forged)); !errors.Is(err, ErrInvalid) {
		t.Errorf("under another master, naming ours: %v", err)
	}
	// A counter or session moved under a genuine MAC.
	for _, at := range []int{5, 28, 29} {
		moved := bytes.Clone(genuine)
		moved[at]++
		if _, err := m.ParseRefresh(refreshPrefix + encoding.EncodeToString(moved)); !errors.Is(err, ErrInvalid) {
			t.Errorf("byte %d raised: %v", at, err)
		}
	}
}

// C-90: tokens of before a rotation are read after it, and told again under
// the key they name.
func TestC90RefreshSurvivesRotation(t *testing.T) {
	before, after := newMinter(t, testRing(t, 1), newKey(t)), newMinter(t, testRing(t, 2, 1), newKey(t))
	s := refresh(t, before, Refresh{SessionID: sessionID, Counter: 3})
	r, err := after.ParseRefresh(s)
	if err != nil {
		t.Fatal(err)
	}
	if again := refresh(t, after, r); again != s {
		t.Error("told again it is another")
	}
	r.KeyID = ""
	if renewed, err := after.ParseRefresh(refresh(t, after, r)); err != nil || renewed.KeyID != after.ring.KeyID() {
		t.Errorf("the next is under %s, %v", renewed.KeyID, err)
	}
}

func TestRefreshRefuses(t *testing.T) {
	m := testMinter(t)
	for name, r := range map[string]Refresh{
		"no session":       {},
		"session in caps":  {SessionID: strings.ToUpper(sessionID)},
		"negative counter": {SessionID: sessionID, Counter: -1},
		"unknown key":      {SessionID: sessionID, KeyID: "00000000"},
		"key id no hex":    {SessionID: sessionID, KeyID: "zzzzzzzz"},
		"short key id":     {SessionID: sessionID, KeyID: "00"},
	} {
		if _, err := m.Refresh(r); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	// Well made by the key itself, and still not a form of ours.
	genuine, _ := unwrap(refresh(t, m, Refresh{SessionID: sessionID}), refreshPrefix, refreshBody+macSize)
	for name, change := range map[string]func(b []byte){
		"another version": func(b []byte) { b[0] = 2 },
		"counter past 63": func(b []byte) { b[21] = 0x80 },
	} {
		body := bytes.Clone(genuine[:refreshBody])
		change(body)
		s := refreshPrefix + encoding.EncodeToString(append(body, m.ring.MAC(keyring.LabelRefresh, body)...))
		if _, err := m.ParseRefresh(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range []string{"", refreshPrefix, sessionID, m.Device(Device{deviceID, userID}).Reveal()} {
		if _, err := m.ParseRefresh(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}
