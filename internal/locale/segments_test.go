package locale

import (
	"strings"
	"testing"
)

func TestSegments(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       int
		encoding   string
	}{
		{"nothing", "", 0, GSM7},
		{"a letter", "a", 1, GSM7},
		{"160 septets", strings.Repeat("a", 160), 1, GSM7},
		{"161 septets", strings.Repeat("a", 161), 2, GSM7},
		{"306 septets", strings.Repeat("a", 306), 2, GSM7},
		{"307 septets", strings.Repeat("a", 307), 3, GSM7},
		{"80 escaped", strings.Repeat("€", 80), 1, GSM7},
		{"81 escaped", strings.Repeat("€", 81), 2, GSM7},
		// 153 is odd: each part has a septet that no escaped character fits in.
		{"152 escaped", strings.Repeat("€", 152), 2, GSM7},
		{"153 escaped", strings.Repeat("€", 153), 3, GSM7},
		{"Greek capitals and accents of GSM", "ΔΦΓΛ àéèìòùÄÖÜñ£@", 1, GSM7},
		{"70 units", strings.Repeat("ж", 70), 1, UCS2},
		{"71 units", strings.Repeat("ж", 71), 2, UCS2},
		{"134 units", strings.Repeat("ж", 134), 2, UCS2},
		{"135 units", strings.Repeat("ж", 135), 3, UCS2},
		{"one letter of another script", strings.Repeat("a", 70) + "ж", 2, UCS2},
		{"35 pairs", strings.Repeat("😀", 35), 1, UCS2},
		{"66 pairs", strings.Repeat("😀", 66), 2, UCS2},
		{"67 pairs", strings.Repeat("😀", 67), 3, UCS2},
	} {
		if n, encoding := Segments(c.text); n != c.want || encoding != c.encoding {
			t.Errorf("%s: %d of %s, want %d of %s", c.name, n, encoding, c.want, c.encoding)
		}
	}
}

func TestGSMAlphabetIsWhole(t *testing.T) {
	if n := len([]rune(gsmBasic)) + 1; n != 128 { // the escape itself is no character
		t.Errorf("%d places in the alphabet, not 128", n)
	}
}
