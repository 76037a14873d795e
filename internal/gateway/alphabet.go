package gateway

import (
	"errors"
	"strings"
)

// gsmCharacters is the default alphabet of GSM 7 bit with its extension (3GPP TS
// 23.038, 6.2.1).
const gsmCharacters = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà" +
	"\f^{}\\[~]|€"

// gsm7 tells whether a text can travel in GSM 7 bit; one that cannot has to travel
// in UCS-2, and some providers want to be told.
func gsm7(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(gsmCharacters, r) })
}

// tooLong is a text that the provider would not take.
func tooLong() *SendError {
	return &SendError{Class: Final, Code: "too_long", Cause: errors.New("the text is longer than the provider takes")}
}
