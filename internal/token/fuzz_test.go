package token

import (
	"errors"
	"testing"
)

// Whatever a parser takes, it would itself write: nothing has two forms.

func FuzzParseRefresh(f *testing.F) {
	m := testMinter(f)
	f.Add(refresh(f, m, Refresh{SessionID: sessionID, Counter: 1}))
	f.Add(refreshPrefix)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := m.ParseRefresh(s)
		if err == nil && refresh(t, m, r) != s || err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

func FuzzParseDevice(f *testing.F) {
	m := testMinter(f)
	f.Add(m.Device(Device{deviceID, userID}).Reveal())
	f.Add(devicePrefix)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := m.ParseDevice(s)
		if err == nil && m.Device(d).Reveal() != s || err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	m := testMinter(f)
	f.Add("events", m.Cursor("events", "01989b5e"))
	f.Add("", "")
	f.Fuzz(func(t *testing.T, kind, s string) {
		v, err := m.ParseCursor(kind, s)
		if err == nil && m.Cursor(kind, v) != s || err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("%q: %v", s, err)
		}
	})
}

// FuzzParseAccess tries texts as tokens, and signs them as payloads: so the
// reader of claims sees them too.
func FuzzParseAccess(f *testing.F) {
	m := testMinter(f)
	f.Add(mint(f, m, testAccess))
	f.Add(goodPayload)
	f.Add(`{"iss":1}`)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, s string) {
		_, err := m.ParseAccess(s, testNow)
		if err != nil && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExpired) {
			t.Fatalf("%q: %v", s, err)
		}
		a, ok := parseClaims([]byte(s), testSettings)
		if ok && (a.Subject == "" || a.SessionID == "" || a.ID == "") {
			t.Fatalf("%q gives %+v", s, a)
		}
	})
}
