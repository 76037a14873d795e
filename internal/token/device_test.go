package token

import (
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/keyring"
	"pgregory.net/rapid"
)

func TestDeviceRoundTrip(t *testing.T) {
	m := testMinter(t)
	id := rapid.Custom(func(t *rapid.T) string {
		return keyring.FormatID([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")))
	})
	rapid.Check(t, func(t *rapid.T) {
		d := Device{DeviceID: id.Draw(t, "device"), UserID: id.Draw(t, "user")}
		s := m.Device(d).Reveal()
		if got, err := m.ParseDevice(s); err != nil || got != d {
			t.Fatalf("read again: %+v, %v", got, err)
		}
		refusesChanges(t, s, func(s string) error { _, err := m.ParseDevice(s); return err })
	})
}

// C-33: only what we made for this device and user counts; ids that a client
// knows or copies give nothing.
func TestC33CopiedIDsAreNoDeviceToken(t *testing.T) {
	m := testMinter(t)
	s := m.Device(Device{deviceID, userID}).Reveal()
	genuine, _ := unwrap(s, devicePrefix, deviceBody+macSize)
	other, _ := unwrap(m.Device(Device{deviceID, sessionID}).Reveal(), devicePrefix, deviceBody+macSize)
	body := genuine[:deviceBody:deviceBody]
	wrap := func(b []byte) string { return devicePrefix + encoding.EncodeToString(b) }
	for name, s := range map[string]string{
		"bare id":                deviceID,
		"id behind the prefix":   devicePrefix + deviceID,
		"ids without MAC":        wrap(body),
		"zero MAC":               wrap(append(body, make([]byte, macSize)...)),
		"another user's MAC":     wrap(append(body, other[deviceBody:]...)),
		"MAC of another use":     wrap(append(body, m.ring.Fingerprint(keyring.LabelPhone, body)...)),
		"MAC of the master":      wrap(append(body, m.ring.MAC(keyring.LabelDevice, body)...)),
		"ids swapped":            wrap(append(append([]byte{deviceVersion}, genuine[17:33]...), append(append([]byte{}, genuine[1:17]...), genuine[33:]...)...)),
		"a later version's":      wrap(append([]byte{2}, genuine[1:]...)),
		"refresh token's prefix": refreshPrefix + strings.TrimPrefix(s, devicePrefix),
		"empty":                  "",
	} {
		if d, err := m.ParseDevice(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	for _, d := range []Device{{}, {DeviceID: deviceID}, {UserID: userID}, {"phone", "me"}} {
		if s := m.Device(d); s != "" {
			t.Errorf("%+v has a token", d)
		}
	}
}

// C-90: known devices stay known when the master changes.
func TestC90DeviceSurvivesRotation(t *testing.T) {
	s := testMinter(t).Device(Device{deviceID, userID}).Reveal()
	after := newMinter(t, testRing(t, 2), newKey(t))
	if d, err := after.ParseDevice(s); err != nil || d.DeviceID != deviceID {
		t.Errorf("%+v, %v", d, err)
	}
}

// C-68: a cursor that we did not make, for this list, is refused.
func TestC68CursorsAreMACed(t *testing.T) {
	m := testMinter(t)
	rapid.Check(t, func(t *rapid.T) {
		kind, value := rapid.StringN(0, 20, 60).Draw(t, "kind"), rapid.StringN(0, 80, 350).Draw(t, "value")
		s := m.Cursor(kind, value)
		if got, err := m.ParseCursor(kind, s); err != nil || got != value {
			t.Fatalf("read again: %q, %v", got, err)
		}
		if _, err := m.ParseCursor(kind+"x", s); !errors.Is(err, ErrInvalid) {
			t.Fatalf("for another list: %v", err)
		}
		bit := rapid.IntRange(0, len(s)*8-1).Draw(t, "bit")
		changed := []byte(s)
		changed[bit/8] ^= 1 << (bit % 8)
		for _, s := range []string{string(changed), s[:len(s)-1], s + "=", s + "\n", s + "A", ""} {
			if _, err := m.ParseCursor(kind, s); !errors.Is(err, ErrInvalid) {
				t.Fatalf("%q: %v", s, err)
			}
		}
	})
	if _, err := m.ParseCursor("k", m.Cursor("k", strings.Repeat("x", maxCursor))); !errors.Is(err, ErrInvalid) {
		t.Errorf("a long cursor: %v", err)
	}
	during, after := newMinter(t, testRing(t, 2, 1), newKey(t)), newMinter(t, testRing(t, 2), newKey(t))
	if v, err := during.ParseCursor("events", m.Cursor("events", "v")); err != nil || v != "v" {
		t.Errorf("of the master before: %q, %v", v, err)
	}
	if _, err := after.ParseCursor("events", m.Cursor("events", "v")); !errors.Is(err, ErrInvalid) {
		t.Errorf("of a master that is gone: %v", err)
	}
}
