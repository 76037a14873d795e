package keyring

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// NewID makes a UUIDv7 (RFC 9562 5.7): 48 bits of milliseconds, version and
// variant, and 74 random bits that are drawn for each id and never counted up,
// so that one id tells nothing of the next.
func NewID(now time.Time, rand io.Reader) (string, error) {
	var id [16]byte
	if _, err := io.ReadFull(rand, id[6:]); err != nil {
		return "", fmt.Errorf("making an id: reading random bytes: %w", err)
	}
	ms := now.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return FormatID(id), nil
}

// FirstID is before every id of a time, and behind those of the time before.
func FirstID(at time.Time) string {
	ms := max(at.UnixMilli(), 0)
	return fmt.Sprintf("%08x-%04x", ms>>16, ms&0xffff)
}

// ValidID tells whether s is a UUID in its canonical form: lower-case digits
// and four hyphens.
func ValidID(s string) bool {
	_, ok := ParseID(s)
	return ok
}

// ParseID reads a canonical UUID.
func ParseID(s string) (id [16]byte, ok bool) {
	if len(s) != 36 {
		return id, false
	}
	var digits [32]byte
	n := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return id, false
			}
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
			digits[n] = c
			n++
		default:
			return id, false
		}
	}
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil
}

// FormatID writes a UUID in its canonical form.
func FormatID(id [16]byte) string {
	var out [36]byte
	hex.Encode(out[0:], id[0:4])
	hex.Encode(out[9:], id[4:6])
	hex.Encode(out[14:], id[6:8])
	hex.Encode(out[19:], id[8:10])
	hex.Encode(out[24:], id[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
