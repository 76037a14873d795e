package keyring

import (
	"errors"
	"fmt"
	"io"
)

// Bounds of a code's length, in digits: six at least (OWASP ASVS 5.0 6.5.4,
// NIST SP 800-63B-4 3.1.3.2), and what people can still type.
const (
	minCodeDigits = 6
	maxCodeDigits = 10
)

// NewCode draws a code of decimal digits, each as likely as any other and
// leading zeros kept (CHECKLIST C-01).
func NewCode(digits int, rand io.Reader) (Secret, error) {
	if digits < minCodeDigits || digits > maxCodeDigits {
		return "", fmt.Errorf("making a code: %d digits, not %d to %d", digits, minCodeDigits, maxCodeDigits)
	}
	var random [32]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return "", fmt.Errorf("making a code: reading random bytes: %w", err)
	}
	code := make([]byte, 0, maxCodeDigits)
	for _, b := range random {
		if len(code) == digits {
			break
		}
		if b < 250 { // 250 is the last multiple of ten: taking more would favour 0 to 5
			code = append(code, '0'+b%10)
		}
	}
	if len(code) < digits {
		// 23 of 32 bytes past 249: no sound source does that once in 10^29.
		return "", errors.New("making a code: the random source is broken")
	}
	return Secret(code), nil
}
