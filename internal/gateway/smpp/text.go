package smpp

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
)

// Form says how texts are written for a message centre.
type Form struct {
	Latin1 bool     // its default alphabet (data_coding 0) is Latin-1, not GSM 03.38
	Long   LongForm // "" as LongUDH
}

// LongForm is how a text goes that one message has no room for.
type LongForm string

// The forms.
const (
	LongUDH     LongForm = "udh"     // parts, each with a header before its text
	LongSAR     LongForm = "sar"     // parts, each with sar_ parameters
	LongPayload LongForm = "payload" // one message, its text in message_payload: the centre parts it
)

// ErrLongText is a text of more parts than can be numbered.
var ErrLongText = errors.New("the text has more than 255 parts")

const (
	codingDefault = 0
	codingUCS2    = 8
	esmHeader     = 0x40 // the text begins with a header
	mostParts     = 255
)

// What fits into a message alone, and into one of several, in septets of GSM
// 03.38 and in units of UTF-16.
const (
	septetsAlone, septetsInPart = 160, 153
	unitsAlone, unitsInPart     = 70, 67
)

// glyph is a character as it is written. It is never cut in two: neither an escape
// from what it escapes, nor a surrogate from its other half.
type glyph struct {
	octets []byte
	size   int // septets or units
}

// Parts sets a text into copies of a message, one for each part: their text, coding,
// header and parameters. What reference is, is the same in all parts of a text, and
// best in a repeat of it. Segments is how many messages the phone gets.
func (f Form) Parts(base Message, text string, reference byte) (parts []*Message, segments int, err error) {
	coding, glyphs := f.glyphs(text)
	alone, inPart := septetsAlone, septetsInPart
	if coding == codingUCS2 {
		alone, inPart = unitsAlone, unitsInPart
	}
	cut := split(glyphs, alone)
	if len(cut) > 1 {
		cut = split(glyphs, inPart)
	}
	if len(cut) > mostParts {
		return nil, 0, ErrLongText
	}
	base.DataCoding = byte(coding)
	if len(cut) > 1 && f.Long == LongPayload {
		base.TLVs = append(base.TLVs[:len(base.TLVs):len(base.TLVs)], TLV{tagPayload, join(glyphs)})
		return []*Message{&base}, len(cut), nil
	}
	for i, piece := range cut {
		part := base
		part.Short = join(piece)
		if len(cut) > 1 {
			f.number(&part, reference, byte(len(cut)), byte(i+1))
		}
		parts = append(parts, &part)
	}
	return parts, len(cut), nil
}

// number marks a part as the n-th of all.
func (f Form) number(part *Message, reference, all, n byte) {
	if f.Long == LongSAR {
		part.TLVs = append(part.TLVs[:len(part.TLVs):len(part.TLVs)],
			TLV{tagSarReference, []byte{0, reference}}, TLV{tagSarTotal, []byte{all}}, TLV{tagSarSequence, []byte{n}})
		return
	}
	part.ESMClass |= esmHeader
	part.Short = append([]byte{5, 0, 3, reference, all, n}, part.Short...)
}

// glyphs writes a text in the default alphabet where that has all of it, else in
// UCS-2. Of Latin-1 only what GSM 03.38 has too is taken: the centre would
// replace the rest on its way to the phone, or send it at another length.
func (f Form) glyphs(text string) (coding int, all []glyph) {
	for _, r := range text {
		septets := gsm(r)
		if septets == nil || f.Latin1 && r > 0xFF {
			return codingUCS2, ucs2(text)
		}
		g := glyph{septets, len(septets)}
		if f.Latin1 {
			g.octets = []byte{byte(r)}
		}
		all = append(all, g)
	}
	return codingDefault, all
}

func ucs2(text string) (all []glyph) {
	for _, r := range text {
		var g glyph
		for _, unit := range utf16.AppendRune(nil, r) {
			g.octets = append(g.octets, byte(unit>>8), byte(unit))
			g.size++
		}
		all = append(all, g)
	}
	return all
}

// split cuts glyphs into pieces of a size at most; no text is one empty piece.
func split(glyphs []glyph, most int) [][]glyph {
	var cut [][]glyph
	start, size := 0, 0
	for i, g := range glyphs {
		if size+g.size > most {
			cut = append(cut, glyphs[start:i])
			start, size = i, 0
		}
		size += g.size
	}
	return append(cut, glyphs[start:])
}

func join(glyphs []glyph) []byte {
	octets := []byte{}
	for _, g := range glyphs {
		octets = append(octets, g.octets...)
	}
	return octets
}

// gsmBasic is the default alphabet of GSM 03.38 in the order of its codes; at 27,
// where the escape stands, is what is in no text.
const gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\uFFFFÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"

const gsmEscape = 27

// gsm gives the septets of a character, one in each octet; nil: it has none.
func gsm(r rune) []byte {
	switch r {
	case '\f':
		return []byte{gsmEscape, 0x0A}
	case '^':
		return []byte{gsmEscape, 0x14}
	case '{':
		return []byte{gsmEscape, 0x28}
	case '}':
		return []byte{gsmEscape, 0x29}
	case '\\':
		return []byte{gsmEscape, 0x2F}
	case '[':
		return []byte{gsmEscape, 0x3C}
	case '~':
		return []byte{gsmEscape, 0x3D}
	case ']':
		return []byte{gsmEscape, 0x3E}
	case '|':
		return []byte{gsmEscape, 0x40}
	case '€':
		return []byte{gsmEscape, 0x65}
	case '\uFFFF':
		return nil
	}
	at := strings.IndexRune(gsmBasic, r)
	if at < 0 {
		return nil
	}
	return []byte{byte(len([]rune(gsmBasic[:at])))}
}

// Period writes a span of time as a validity_period: in whole seconds, a second at
// least and 28 days at most.
func Period(d time.Duration) string {
	s := int(min(max(d, time.Second), 28*24*time.Hour) / time.Second)
	return fmt.Sprintf("0000%02d%02d%02d%02d000R", s/86400, s/3600%24, s/60%60, s%60)
}
