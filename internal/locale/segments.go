package locale

import (
	"strings"
	"unicode/utf16"
)

// The two encodings of a text message (3GPP TS 23.038).
const (
	GSM7 = "GSM-7"
	UCS2 = "UCS-2"
)

// The default alphabet of GSM 7 bit, and what costs two septets because it
// stands behind an escape (3GPP TS 23.038, 6.2.1).
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmEscaped = "\f^{}\\[~]|€"
)

// Segments tells in how many parts a text travels, which is what it costs, and
// in which encoding: GSM7 or UCS2. One part holds 160 septets or 70 units; of
// several each holds 153 or 67, since a header takes its place. No text takes none.
func Segments(text string) (n int, encoding string) {
	costs, gsm := septets(text)
	if gsm {
		return parts(costs, 160, 153), GSM7
	}
	return parts(units(text), 70, 67), UCS2
}

func septets(text string) (costs []int, gsm bool) {
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsmBasic, r):
			costs = append(costs, 1)
		case strings.ContainsRune(gsmEscaped, r):
			costs = append(costs, 2)
		default:
			return nil, false
		}
	}
	return costs, true
}

func units(text string) []int {
	var costs []int
	for _, r := range text {
		costs = append(costs, utf16.RuneLen(r))
	}
	return costs
}

// parts packs characters, none of which may be torn between two parts.
func parts(costs []int, alone, each int) int {
	var total int
	for _, c := range costs {
		total += c
	}
	if total == 0 {
		return 0
	}
	if total <= alone {
		return 1
	}
	n, room := 1, each
	for _, c := range costs {
		if c > room {
			n, room = n+1, each
		}
		room -= c
	}
	return n
}
