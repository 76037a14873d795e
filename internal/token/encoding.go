package token

import (
	"encoding/base64"
	"strings"
)

// encoding is base64url without padding; Strict refuses stray trailing bits.
var encoding = base64.RawURLEncoding.Strict()

// decode takes only what encode wrote. The library's decoder passes over line
// breaks: two strings would be one token.
func decode(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := encoding.DecodeString(s)
	return b, err == nil
}
