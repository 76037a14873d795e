package gateway

import "testing"

func TestCleanCode(t *testing.T) {
	for code, want := range map[string]string{
		"21211": "21211", "ThrottlingException": "ThrottlingException", "0x58": "0x58", "EC_1.2-x": "EC_1.2-x", "": "",
		"123456": "", "code-123456": "", "x12345y12345": "x12345y12345", "a b": "", "+4915": "", "é": "", "a\n": "",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "",
	} {
		if got := cleanCode(code); got != want {
			t.Errorf("cleanCode(%q) = %q, want %q", code, got, want)
		}
	}
}
