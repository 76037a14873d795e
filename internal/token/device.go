package token

import (
	"crypto/hmac"

	"github.com/countersign/countersign/internal/keyring"
)

// A device token is this prefix and, in base64url: version (1 byte), device id
// (16), user id (16), and a MAC (32) over all before it.
const (
	devicePrefix  = "csd_"
	deviceVersion = 1
	deviceBody    = 1 + 16 + 16
)

// Device is what a device token says: this device has signed this user in.
type Device struct{ DeviceID, UserID string }

// Device makes a device token (OWASP device cookies; CHECKLIST C-33). Its key
// survives master rotation: known devices stay known. Ids that are no UUIDs
// give the empty token, which ParseDevice refuses.
func (m *Minter) Device(d Device) keyring.Secret {
	device, ok1 := keyring.ParseID(d.DeviceID)
	user, ok2 := keyring.ParseID(d.UserID)
	if !ok1 || !ok2 {
		return ""
	}
	body := make([]byte, 0, deviceBody+macSize)
	body = append(body, deviceVersion)
	body = append(body, device[:]...)
	body = append(body, user[:]...)
	mac := m.ring.Fingerprint(keyring.LabelDevice, body)
	return keyring.Secret(devicePrefix + encoding.EncodeToString(append(body, mac...)))
}

// ParseDevice reads a device token. All failures are ErrInvalid. Whether the
// device is still known is for the store to find.
func (m *Minter) ParseDevice(s string) (Device, error) {
	token, ok := unwrap(s, devicePrefix, deviceBody+macSize)
	if !ok || token[0] != deviceVersion {
		return Device{}, ErrInvalid
	}
	body, mac := token[:deviceBody], token[deviceBody:]
	if !hmac.Equal(mac, m.ring.Fingerprint(keyring.LabelDevice, body)) {
		return Device{}, ErrInvalid
	}
	return Device{
		DeviceID: keyring.FormatID([16]byte(body[1:17])),
		UserID:   keyring.FormatID([16]byte(body[17:33])),
	}, nil
}
