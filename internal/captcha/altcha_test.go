package captcha

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// ALTCHA's own example (algorithm SHA-256, which we never ask for) goes through
// what signs and packs ours; its keys stand in no order, with blanks.
func TestALTCHAExample(t *testing.T) {
	const (
		signature = "09270add201db9cc80ce0bab69634270324e1f148cc7f751bcfac62a00fb323b"
		nonce     = "2632a2ed442dcf6eabb6d9ac8b725166"
		salt      = "153185c3e347ee953fc735d7b09d8376"
		key       = "0006f871ada00a5ff52468dbbd22def318d894139ec85790bfdadc0034e96a80"
	)
	sorted, err := canonical(jsontext.Value(`{ "nonce": "` + nonce + `", "salt":"` + salt + `",
		"keyPrefix":"000", "keyLength":32, "expiresAt":2.0e9, "cost":1, "algorithm":"SHA-256" }`))
	if err != nil {
		t.Fatal(err)
	}
	if got := sign([]byte("secret"), sorted); got != signature {
		t.Errorf("signed %s: %s, want %s", sorted, got, signature)
	}
	n, _ := hex.DecodeString(nonce)
	s, _ := hex.DecodeString(salt)
	sum := sha256.Sum256(append(s, tried(n, 4933)...))
	if got := hex.EncodeToString(sum[:]); got != key {
		t.Errorf("the key of 4933 is %s, want %s", got, key)
	}
}

// Whatever the order and the blanks, one object is signed as one text.
func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":{"d":"\u0041","c":null}}`: `{"a":{"c":null,"d":"A"},"b":1}`,
		` { "a" : [ 1 , 2.50 ] } `:            `{"a":[1,2.5]}`,
		`{"a":1,"a":2}`:                       "",
		`{"a":1} {}`:                          "",
		``:                                    "",
	} {
		got, err := canonical(jsontext.Value(in))
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s becomes %s, %v", in, got, err)
		}
	}
}
