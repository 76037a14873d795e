package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"testing"

	"github.com/countersign/countersign/internal/keyring"
)

// tokenOf makes a JWT of whatever header, under whatever key.
func tokenOf(header, claims, key string, by func() hash.Hash) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(by, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// A key that is not set is none, and a token is of three parts, signed as it says.
func TestTokensThatAreNone(t *testing.T) {
	const header, claims, key = `{"alg":"HS256"}`, `{"iss":"x"}`, "a key"
	o := Options{Values: map[string]keyring.Secret{"signing_key": key}}
	good := tokenOf(header, claims, key, sha256.New)
	last := good[len(good)-1]
	spare := good[:len(good)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[index(last)^1])
	for name, test := range map[string]struct {
		token string
		fine  bool
	}{
		"a good one":                 {good, true},
		"by HS512":                   {tokenOf(`{"alg":"HS512"}`, claims, key, sha512.New), false}, // not asked for
		"under no key":               {tokenOf(header, claims, "", sha256.New), false},
		"of another algorithm":       {tokenOf(`{"alg":"none"}`, claims, key, sha256.New), false},
		"of a fourth part":           {good + ".x", false},
		"of two parts":               {good[:len(good)-44], false},
		"with bits that say nothing": {spare, false},
		"of claims that are none":    {tokenOf(header, "[]", key, sha256.New), false},
	} {
		var got struct {
			Issuer string `json:"iss"`
		}
		if fine := o.hmacClaims(test.token, &got, []string{"HS256"}, "signing_key", "signing_key_previous"); fine != test.fine || fine && got.Issuer != "x" {
			t.Errorf("%s: %t", name, fine)
		}
	}
}

// index is the value of a character of base64 as URLs have it.
func index(c byte) byte {
	text, _ := base64.RawURLEncoding.DecodeString("AAA" + string(c))
	return text[2]
}
