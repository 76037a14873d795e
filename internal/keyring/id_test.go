package keyring

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNewID(t *testing.T) {
	id, err := NewID(time.UnixMilli(0x0123456789ab), bytes.NewReader(bytes.Repeat([]byte{0xff}, 10)))
	if want := "01234567-89ab-7fff-bfff-ffffffffffff"; err != nil || id != want {
		t.Errorf("NewID = %s, %v, want %s", id, err, want)
	}
	id, err = NewID(time.UnixMilli(0x0123456789ab), bytes.NewReader(make([]byte, 10)))
	if want := "01234567-89ab-7000-8000-000000000000"; err != nil || id != want {
		t.Errorf("NewID = %s, %v, want %s", id, err, want)
	}
}

// Two ids of one millisecond share nothing but that: the second is not the
// first counted up.
func TestNewIDIsNotCountedUp(t *testing.T) {
	random := testRand(1)
	seen := map[string]bool{}
	var ups int
	last := ""
	for range 1000 {
		id, err := NewID(testNow, random)
		if err != nil || seen[id] || !ValidID(id) || id[14] != '7' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Fatalf("NewID = %s, %v", id, err)
		}
		seen[id] = true
		if id > last {
			ups++
		}
		last = id
	}
	if ups < 400 || ups > 600 {
		t.Errorf("%d of 1000 ids follow their predecessor", ups)
	}
}

func TestValidID(t *testing.T) {
	good := "01234567-89ab-7fff-bfff-ffffffffffff"
	for s, want := range map[string]bool{
		good:                                   true,
		strings.ToUpper(good):                  false,
		good[:35]:                              false,
		good + "f":                             false,
		"{" + good[:34] + "}":                  false,
		strings.ReplaceAll(good, "-", ""):      false,
		"0123456-789ab-7fff-bfff-ffffffffffff": false,
		good[:35] + "g":                        false,
		good[:35] + "\n":                       false,
		"":                                     false,
	} {
		if ValidID(s) != want {
			t.Errorf("ValidID(%q) = %v", s, !want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		if back, ok := ParseID(FormatID(id)); !ok || back != id {
			t.Fatalf("ParseID(FormatID(%x)) = %x", id, back)
		}
	})
}

// C-01: 10^5 codes of fixed seeds; chi-square of the digits at each place (9
// degrees of freedom) and of all together. 27.9 is passed by chance once in a
// thousand; taking every byte modulo ten would give about 220 over all.
func TestC01CodesAreUniform(t *testing.T) {
	const codes, digits, limit = 100_000, 6, 27.9
	random := testRand(1)
	var places [digits][10]float64
	var all [10]float64
	for range codes {
		code, err := NewCode(digits, random)
		if err != nil || len(code) != digits {
			t.Fatalf("%d digits, %v", len(code), err)
		}
		for i, c := range []byte(code.Reveal()) {
			places[i][c-'0']++
			all[c-'0']++
		}
	}
	for i, counts := range places {
		if x := chiSquare(counts, codes/10); x > limit {
			t.Errorf("place %d: chi-square %.1f", i, x)
		}
	}
	if x := chiSquare(all, codes*digits/10); x > limit {
		t.Errorf("all places: chi-square %.1f", x)
	}
}

func chiSquare(counts [10]float64, expected float64) float64 {
	var sum float64
	for _, n := range counts {
		sum += (n - expected) * (n - expected) / expected
	}
	return sum
}

func TestNewCode(t *testing.T) {
	zeros, err := NewCode(6, bytes.NewReader(make([]byte, 32)))
	if err != nil || zeros.Reveal() != "000000" {
		t.Errorf("leading zeros: %q, %v", zeros.Reveal(), err)
	}
	skipped := append(bytes.Repeat([]byte{250, 255}, 5), bytes.Repeat([]byte{249}, 22)...)
	if code, err := NewCode(8, bytes.NewReader(skipped)); err != nil || code.Reveal() != "99999999" {
		t.Errorf("bytes past 249: %q, %v", code.Reveal(), err)
	}
	if _, err := NewCode(6, io.LimitReader(stuck{}, 1000)); err == nil {
		t.Error("a stuck source gave a code")
	}
	for _, digits := range []int{-1, 0, 5, 11} {
		if _, err := NewCode(digits, testRand(1)); err == nil {
			t.Errorf("a code of %d digits was made", digits)
		}
	}
}

type stuck struct{}

func (stuck) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{0xff}, len(p))), nil }
