package keyring

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Master is a master key: 256 bits from which sub-keys derive.
type Master struct {
	Redacted
	key [keySize]byte
}

// maxMasters bounds a list: a rotation needs two.
const maxMasters = 16

// ParseMasters reads master keys, first the one that makes, then those that
// only check: standard base64 of 32 bytes each (padding optional), separated
// by commas or white space. Errors say which key is wrong, never what it is.
func ParseMasters(list string) ([]Master, error) {
	fields := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	switch {
	case len(fields) == 0:
		return nil, errors.New("no master key: 32 random bytes in base64 are needed")
	case len(fields) > maxMasters:
		return nil, fmt.Errorf("%d master keys: at most %d are taken", len(fields), maxMasters)
	}
	masters := make([]Master, len(fields))
	for i, field := range fields {
		key, err := base64.RawStdEncoding.Strict().DecodeString(unpad(field))
		if err != nil {
			// The decoder's error names a place in the key: it stays here.
			return nil, fmt.Errorf("master key %d of %d is not standard base64", i+1, len(fields))
		}
		if len(key) != keySize {
			return nil, fmt.Errorf("master key %d of %d has %d bytes: it must have %d", i+1, len(fields), len(key), keySize)
		}
		masters[i].key = [keySize]byte(key)
	}
	return masters, nil
}

// unpad drops correct padding; wrong padding stays for the decoder to refuse.
func unpad(s string) string {
	if len(s)%4 != 0 {
		return s
	}
	if short, ok := strings.CutSuffix(s, "=="); ok {
		return short
	}
	return strings.TrimSuffix(s, "=")
}
