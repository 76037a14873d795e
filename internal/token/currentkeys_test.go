package token

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// signedBy is the kid of a token.
func signedBy(t *testing.T, token string) string {
	t.Helper()
	encoded, _, _ := strings.Cut(token, ".")
	text, ok := decode(encoded)
	var header struct {
		ID string `json:"kid"`
	}
	if err := json.Unmarshal(text, &header); !ok || err != nil {
		t.Fatalf("header %q: %v", text, err)
	}
	return header.ID
}

// C-90: a key is published before it signs, and signs from its time on, to the
// instant.
func TestC90AKeySignsFromItsTimeOn(t *testing.T) {
	old, young := newKey(t), newKey(t)
	young.From = testNow
	m := newMinter(t, testRing(t, 1), young, old)
	if n := len(keySet(t, m).Keys); n != 2 {
		t.Errorf("%d keys are published", n)
	}
	for at, want := range map[time.Time]string{
		testNow.Add(-time.Hour): old.ID, testNow.Add(-time.Millisecond): old.ID, testNow: young.ID, testNow.Add(time.Hour): young.ID,
	} {
		s, err := m.Access(testAccess, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := signedBy(t, s.Reveal()); got != want {
			t.Errorf("at %v %s signs, want %s", at, got, want)
		}
	}
	old.From = testNow.Add(time.Hour)
	young.From = testNow.Add(2 * time.Hour)
	if m := newMinter(t, testRing(t, 1), young, old); signedBy(t, mint(t, m, testAccess)) != old.ID {
		t.Error("while no key has begun the oldest must sign")
	}
}

// C-90: what was found right is remembered over a rotation, and forgotten with
// its key.
func TestC90RotateForgetsTheTokensOfDroppedKeys(t *testing.T) {
	old, young := newKey(t), newKey(t)
	m := newMinter(t, testRing(t, 1), old)
	s := mint(t, m, testAccess)
	rotate := func(keys ...SigningKey) {
		t.Helper()
		if err := m.Rotate(keys); err != nil {
			t.Fatal(err)
		}
	}
	parse := func() error {
		_, err := m.ParseAccess(s, testNow)
		return err
	}
	if err := parse(); err != nil {
		t.Fatal(err)
	}
	rotate(young, old)
	if n := len(m.keys.Load().verified.new); n != 1 {
		t.Errorf("with another key beside: %d tokens are remembered", n)
	}
	if err := parse(); err != nil {
		t.Errorf("with another key beside: %v", err)
	}
	rotate(young)
	if err := parse(); err == nil {
		t.Error("a token that had been verified outlives its key")
	}
	if err := m.Rotate(nil); err == nil || signedBy(t, mint(t, m, testAccess)) != young.ID {
		t.Errorf("no keys were taken (%v), or not refused without a trace", err)
	}
}

// Keys change while tokens are made and checked.
func TestRotateWhileServing(t *testing.T) {
	old, young := newKey(t), newKey(t)
	m := newMinter(t, testRing(t, 1), old)
	s := mint(t, m, testAccess)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if _, err := m.ParseAccess(s, testNow); err != nil {
					t.Error(err)
				}
				if _, err := m.Access(testAccess, testNow); err != nil {
					t.Error(err)
				}
				_ = m.JWKS()
			}
		})
	}
	for i := range 100 {
		keys := [][]SigningKey{{young, old}, {old}}[i%2]
		if err := m.Rotate(keys); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}
