package smpp

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestTextIsWrittenInItsAlphabet(t *testing.T) {
	for _, c := range []struct {
		latin1 bool
		text   string
		coding byte
		want   string // octets
	}{
		{false, "", 0, ""},
		{false, "123456", 0, "123456"},
		{false, "Az09 @", 0, "Az09 \x00"},
		{false, "£$¥èéùìòÇ\nØø\rÅå", 0, "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"},
		{false, "Δ_ΦΓΛΩΠΨΣΘΞ", 0, "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a"},
		{false, "ÆæßÉ", 0, "\x1c\x1d\x1e\x1f"},
		{false, "¤'¡ÄÖÑÜ§¿äöñüà", 0, "\x24\x27\x40\x5b\x5c\x5d\x5e\x5f\x60\x7b\x7c\x7d\x7e\x7f"},
		{false, "^{}\\[~]|€\f", 0, "\x1b\x14\x1b\x28\x1b\x29\x1b\x2f\x1b\x3c\x1b\x3d\x1b\x3e\x1b\x40\x1b\x65\x1b\x0a"},
		{false, "`", 8, "\x00`"},
		{false, "ç", 8, "\x00\xe7"},
		{false, "кod", 8, "\x04\x3a\x00o\x00d"},
		{false, "1😀", 8, "\x001\xd8\x3d\xde\x00"},
		{false, "\uFFFF\x1b", 8, "\xff\xff\x00\x1b"},
		{true, "é@[ü$", 0, "\xe9@[\xfc$"},
		{true, "Ω", 8, "\x03\xa9"},
		{true, "5 €", 8, "\x005\x00 \x20\xac"},
		{true, "ç", 8, "\x00\xe7"}, // Latin-1 has it, the phone's alphabet has not
	} {
		parts, segments, err := Form{Latin1: c.latin1}.Parts(Message{}, c.text, 1)
		if err != nil || segments != 1 || len(parts) != 1 {
			t.Fatalf("%q: %d parts, %v", c.text, segments, err)
		}
		if p := parts[0]; p.DataCoding != c.coding || string(p.Short) != c.want || p.ESMClass != 0 {
			t.Errorf("%q: coding %d, %x, want %d, %x", c.text, p.DataCoding, p.Short, c.coding, c.want)
		}
	}
}

func TestTextIsPartedWhereItMustBe(t *testing.T) {
	for _, c := range []struct {
		text  string
		sizes []int // octets of each part's text
	}{
		{strings.Repeat("x", 160), []int{160}},
		{strings.Repeat("x", 161), []int{153, 8}},
		{strings.Repeat("x", 158) + "€", []int{160}},
		{strings.Repeat("x", 159) + "€", []int{153, 8}},
		{strings.Repeat("x", 152) + "€" + strings.Repeat("x", 10), []int{152, 12}}, // not inside the pair
		{strings.Repeat("я", 70), []int{140}},
		{strings.Repeat("я", 71), []int{134, 8}},
		{strings.Repeat("я", 66) + "😀" + "яяяя", []int{132, 12}}, // not inside the pair
		{strings.Repeat("x", 306), []int{153, 153}},
		{strings.Repeat("x", 307), []int{153, 153, 1}},
	} {
		parts, segments, err := Form{Long: LongSAR}.Parts(Message{}, c.text, 9)
		if err != nil || segments != len(c.sizes) || len(parts) != len(c.sizes) {
			t.Fatalf("%d octets: %d parts, want %d, %v", len(c.text), len(parts), len(c.sizes), err)
		}
		for i, p := range parts {
			if len(p.Short) != c.sizes[i] {
				t.Errorf("%d octets: part %d has %d, want %d", len(c.text), i+1, len(p.Short), c.sizes[i])
			}
		}
	}
}

func TestLongTextGoesInEachForm(t *testing.T) {
	text := strings.Repeat("я", 68) + "Z"
	base := Message{Dest: Address{1, 1, "49"}, ESMClass: 1, TLVs: []TLV{{7, []byte{7}}}}

	parts, _, _ := Form{}.Parts(base, strings.Repeat("x", 160)+"Z", 0xAB)
	for i, p := range parts {
		if p.ESMClass != 0x41 || !bytes.HasPrefix(p.Short, []byte{5, 0, 3, 0xAB, 2, byte(i + 1)}) || p.Dest != base.Dest || len(p.TLVs) != 1 {
			t.Errorf("udh, part %d: esm_class %#x, %x", i+1, p.ESMClass, p.Short[:6])
		}
	}
	parts, _, _ = Form{Long: LongSAR}.Parts(base, strings.Repeat("x", 160)+"Z", 0xAB)
	for i, p := range parts {
		reference, _ := find(p.TLVs, 0x020C)
		total, _ := find(p.TLVs, 0x020E)
		n, _ := find(p.TLVs, 0x020F)
		if p.ESMClass != 1 || p.Short[0] != 'x' || !bytes.Equal(reference, []byte{0, 0xAB}) || total[0] != 2 || int(n[0]) != i+1 || len(p.TLVs) != 4 {
			t.Errorf("sar, part %d: esm_class %#x, %x", i+1, p.ESMClass, p.TLVs)
		}
	}
	parts, segments, err := Form{Long: LongPayload}.Parts(base, text+text, 0xAB)
	payload, _ := find(parts[0].TLVs, 0x0424)
	if err != nil || len(parts) != 1 || segments != 3 || len(parts[0].Short) != 0 || len(payload) != 2*138 || parts[0].ESMClass != 1 {
		t.Errorf("payload: %d parts, %d segments, %d octets, %v", len(parts), segments, len(payload), err)
	}
	if parts, _, _ = (Form{Long: LongPayload}).Parts(base, "short", 1); string(parts[0].Short) != "short" || len(parts[0].TLVs) != 1 {
		t.Error("payload: a short text did not go as one")
	}
	if len(base.TLVs) != 1 {
		t.Error("the message that parts were made of has changed")
	}
	if _, _, err := (Form{}).Parts(base, strings.Repeat("x", 255*153+1), 1); err == nil {
		t.Error("256 parts were numbered")
	}
}

// read is a phone: it puts parts together and reads them.
func read(t *rapid.T, parts []*Message) string {
	var all []byte
	for _, p := range parts {
		text := p.Short
		if p.ESMClass&0x40 != 0 {
			text = text[6:]
		}
		if payload, ok := find(p.TLVs, tagPayload); ok {
			text = payload
		}
		if p.DataCoding == 8 {
			if len(text)%2 != 0 {
				t.Fatal("half a unit")
			}
			if n := len(text); n > 1 && utf16.IsSurrogate(rune(text[n-2])<<8) && text[n-2] < 0xDC {
				t.Fatal("a part ends in half a pair")
			}
		} else if n := len(text); n > 0 && text[n-1] == gsmEscape {
			t.Fatal("a part ends in an escape")
		}
		all = append(all, text...)
	}
	if parts[0].DataCoding == 8 {
		var units []uint16
		for i := 0; i < len(all); i += 2 {
			units = append(units, uint16(all[i])<<8|uint16(all[i+1]))
		}
		return string(utf16.Decode(units))
	}
	back, escaped := "", map[byte]string{0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}
	for i := 0; i < len(all); i++ {
		if all[i] == gsmEscape {
			i++
			back += escaped[all[i]]
			continue
		}
		back += string([]rune(gsmBasic)[all[i]])
	}
	return back
}

func TestEveryTextIsReadAsWritten(t *testing.T) {
	letters := rapid.SampledFrom([]rune(gsmBasic[:20] + "AZaz09€^{}[]~|\\я😀ç`"))
	rapid.Check(t, func(t *rapid.T) {
		of := letters
		if rapid.Bool().Draw(t, "gsm alone") {
			of = rapid.SampledFrom([]rune("@aZ0é\n€^{}[]~|\\"))
		}
		text := rapid.StringOfN(of, 0, 500, -1).Draw(t, "text")
		long := rapid.SampledFrom([]LongForm{LongUDH, LongSAR, LongPayload}).Draw(t, "long")
		parts, _, err := Form{Long: long}.Parts(Message{}, text, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			if len(p.Short) > 160 || p.DataCoding == 8 && len(p.Short) > 140 {
				t.Fatalf("a part of %d octets", len(p.Short))
			}
		}
		if back := read(t, parts); back != text {
			t.Fatalf("%q was read as %q", text, back)
		}
	})
}
