package token

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// go-jose knows nothing of our code: it checks the token by the published keys.
func TestAccessByIndependentVerifier(t *testing.T) {
	key := newKey(t)
	m := newMinter(t, testRing(t, 1), key, newKey(t))
	a := testAccess
	a.Thumbprint, a.PhoneNumber = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "+15550100"
	parsed, err := jose.ParseSignedCompact(mint(t, m, a), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	header := parsed.Signatures[0].Protected
	if header.KeyID != key.ID || header.Algorithm != "ES256" || header.ExtraHeaders[jose.HeaderType] != "at+jwt" {
		t.Errorf("header %+v", header)
	}
	payload, err := parsed.Verify(keySet(t, m).Key(header.KeyID)[0])
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	if id, _ := got["jti"].(string); !keyring.ValidID(id) {
		t.Errorf("jti %q", id)
	}
	delete(got, "jti")
	want := map[string]any{
		"iss": "https://id.example.com", "aud": "https://api.example.com", "sub": userID, "sid": sessionID, "client_id": "app",
		"iat": float64(testNow.Unix()), "exp": float64(testNow.Unix() + 300), "auth_time": float64(testNow.Unix() - 3600),
		"acr": "aal2", "amr": []any{"sms", "pwd"}, "cnf": map[string]any{"jkt": a.Thumbprint},
		"phone_number": "+15550100", "phone_number_verified": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	bare, err := jose.ParseSignedCompact(mint(t, m, testAccess), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if s := string(bare.UnsafePayloadWithoutVerification()); strings.Contains(s, "cnf") || strings.Contains(s, "phone") {
		t.Errorf("what was not given is there: %s", s)
	}
}

func keySet(t *testing.T, m *Minter) *jose.JSONWebKeySet {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(m.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	return &set
}

func TestAccessIsUnderOneKilobyte(t *testing.T) {
	a := testAccess
	a.Thumbprint, a.PhoneNumber = strings.Repeat("x", 43), "+123456789012345"
	if n := len(mint(t, testMinter(t), a)); n >= 1024 {
		t.Errorf("%d bytes", n)
	}
}

// C-22: a token lives until its expiry and not a millisecond longer.
func TestC22ExpiryIsExact(t *testing.T) {
	m := testMinter(t)
	s := mint(t, m, testAccess)
	end := testNow.Truncate(time.Second).Add(300 * time.Second)
	for range 2 { // the second time from memory
		if a, err := m.ParseAccess(s, end.Add(-time.Millisecond)); err != nil || !a.ExpiresAt.Equal(end) {
			t.Errorf("before: %v, %v", a.ExpiresAt, err)
		}
		if _, err := m.ParseAccess(s, end); !errors.Is(err, ErrExpired) {
			t.Errorf("at the end: %v", err)
		}
	}
	broken := s[:len(s)-4] + "AAAA"
	if _, err := m.ParseAccess(broken, end); !errors.Is(err, ErrInvalid) {
		t.Errorf("expired and forged: %v", err)
	}
}

func TestAccessRoundTrip(t *testing.T) {
	m := testMinter(t)
	text := rapid.StringN(1, 40, 100)
	rapid.Check(t, func(t *rapid.T) {
		a := Access{
			Subject: text.Draw(t, "sub"), SessionID: text.Draw(t, "sid"), ClientID: rapid.StringN(0, 20, 60).Draw(t, "client"),
			AuthTime: time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "auth_time"), 0).UTC(),
			ACR:      rapid.StringN(0, 10, 30).Draw(t, "acr"), AMR: rapid.SliceOfN(text, 0, 3).Draw(t, "amr"),
			Thumbprint: rapid.StringN(0, 43, 100).Draw(t, "jkt"), PhoneNumber: rapid.StringN(0, 16, 40).Draw(t, "phone"),
		}
		s, err := m.Access(a, testNow)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := m.ParseAccess(s.Reveal(), testNow)
			if err != nil {
				t.Fatalf("%v: %q", err, s.Reveal())
			}
			want := a
			want.ID, want.IssuedAt, want.ExpiresAt = got.ID, testNow.Truncate(time.Second), testNow.Truncate(time.Second).Add(300*time.Second)
			if want.ClientID == "" {
				want.ClientID = "app"
			}
			if want.AMR == nil {
				want.AMR = []string{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
		bit := rapid.IntRange(0, len(s)*8-1).Draw(t, "bit")
		changed := []byte(s.Reveal())
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := m.ParseAccess(string(changed), testNow); !errors.Is(err, ErrInvalid) {
			t.Fatalf("bit %d changed: %v", bit, err)
		}
	})
}

func TestAccessRefuses(t *testing.T) {
	m := testMinter(t)
	bad := testAccess
	bad.ACR = "\xff"
	if s, err := m.Access(bad, testNow); err == nil {
		t.Errorf("bad UTF-8 gave %q", s.Reveal())
	}
	long := testAccess
	long.Subject = strings.Repeat("x", maxAccess)
	if _, err := m.Access(long, testNow); err == nil {
		t.Error("a token that would not be read was made")
	}
	dry, err := New(testRing(t, 1), []SigningKey{newKey(t)}, testSettings, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dry.Access(testAccess, testNow); err == nil {
		t.Error("a token without entropy was made")
	}
}

// The caller's list is its own: changing it changes nothing remembered.
func TestParseAccessGivesACopy(t *testing.T) {
	m := testMinter(t)
	s := mint(t, m, testAccess)
	for range 3 {
		a, err := m.ParseAccess(s, testNow)
		if err != nil || a.AMR[0] != "sms" {
			t.Fatalf("amr %v, %v", a.AMR, err)
		}
		a.AMR[0] = "changed"
	}
}

func TestVerifiedTokensAreBounded(t *testing.T) {
	v := newVerifiedTokens()
	hash := func(i int) [32]byte { return [32]byte{byte(i), byte(i >> 8), byte(i >> 16)} }
	v.add(hash(0), testAccess)
	for i := range 5 * verifiedGeneration {
		v.add(hash(i+1), testAccess)
		if i%1000 == 0 { // one in use stays
			if _, ok := v.find(hash(0)); !ok {
				t.Fatalf("forgotten after %d more", i)
			}
		}
	}
	if n := len(v.new) + len(v.old); n > 2*verifiedGeneration {
		t.Errorf("%d are kept", n)
	}
	if _, ok := v.find(hash(1)); ok {
		t.Error("the oldest is kept still")
	}
}
