package gateway

import (
	"testing"

	"github.com/countersign/countersign/internal/locale"
)

// Every character of the basic plane is of the alphabet that the texts are counted
// by (package locale, which this one does not import).
func TestGSM7AsTextsAreCounted(t *testing.T) {
	for r := rune(1); r < 0x3000; r++ {
		_, encoding := locale.Segments(string(r))
		if gsm7(string(r)) != (encoding == locale.GSM7) {
			t.Errorf("%q: gsm7 is %v, counted as %s", r, gsm7(string(r)), encoding)
		}
	}
	for text, want := range map[string]bool{
		"": true, "Code 123456\n@auth.example.com #123456": true, "[{€}]": true, "caf\u00e7": false, "“quoted”": false, "a\x00": false, "\xff": false, "код": false,
	} {
		if gsm7(text) != want {
			t.Errorf("gsm7(%q) = %v", text, !want)
		}
	}
}
