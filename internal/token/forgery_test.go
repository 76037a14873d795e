package token

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
)

// forger signs whatever it is told with a key, as no honest signer does.
type forger struct {
	t   *testing.T
	key SigningKey
}

func (f forger) sign(header, payload string) string {
	text := encoding.EncodeToString([]byte(header)) + "." + encoding.EncodeToString([]byte(payload))
	signature, err := f.key.sign([]byte(text))
	if err != nil {
		f.t.Fatal(err)
	}
	return text + "." + encoding.EncodeToString(signature[:])
}

func (f forger) header() string {
	return `{"alg":"ES256","typ":"at+jwt","kid":"` + f.key.ID + `"}`
}

const goodPayload = `{"iss":"https://id.example.com","aud":"https://api.example.com","sub":"u","exp":1795504900,"iat":1795504831,` +
	`"jti":"j","client_id":"app","sid":"s","auth_time":1795501231,"acr":"aal1","amr":["sms"]}`

// C-22: what is not byte for byte ours is refused, and so are claims that are
// not, even under a right signature.
func TestC22Forgeries(t *testing.T) {
	key := newKey(t)
	m := newMinter(t, testRing(t, 1), key)
	f := forger{t, key}
	stranger := forger{t, newKey(t)}
	good := f.sign(f.header(), goodPayload)
	if a, err := m.ParseAccess(good, testNow); err != nil || a.SessionID != "s" {
		t.Fatalf("the forger's honest token: %+v, %v", a, err)
	}
	parts := strings.Split(good, ".")
	kid := `"kid":"` + key.ID + `"`
	header := func(h string) string { return f.sign(h, goodPayload) }
	claim := func(old, new string) string {
		changed := strings.Replace(goodPayload, old, new, 1)
		if changed == goodPayload {
			t.Fatalf("no %s in the payload", old)
		}
		return f.sign(f.header(), changed)
	}
	none := encoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt",` + kid + `}`))

	for name, s := range map[string]string{
		"alg none":               none + "." + parts[1] + ".",
		"alg none, signed":       header(`{"alg":"none","typ":"at+jwt",` + kid + `}`),
		"HS256 by public key":    hs256(t, key, `{"alg":"HS256","typ":"at+jwt",`+kid+`}`),
		"HS256 under our header": hs256(t, key, f.header()),
		"alg in lower case":      header(`{"alg":"es256","typ":"at+jwt",` + kid + `}`),
		"another alg":            header(`{"alg":"ES384","typ":"at+jwt",` + kid + `}`),
		"kid unknown":            stranger.sign(stranger.header(), goodPayload),
		"kid absent":             header(`{"alg":"ES256","typ":"at+jwt"}`),
		"another key, our kid":   stranger.sign(f.header(), goodPayload),
		"typ JWT":                header(`{"alg":"ES256","typ":"JWT",` + kid + `}`),
		"typ absent":             header(`{"alg":"ES256",` + kid + `}`),
		"typ of a DPoP proof":    header(`{"alg":"ES256","typ":"dpop+jwt",` + kid + `}`),
		"typ twice":              header(`{"alg":"ES256","typ":"JWT","typ":"at+jwt",` + kid + `}`),
		"jku":                    header(`{"alg":"ES256","typ":"at+jwt",` + kid + `,"jku":"https://evil.example"}`),
		"x5u":                    header(`{"alg":"ES256","typ":"at+jwt",` + kid + `,"x5u":"https://evil.example"}`),
		"x5c":                    header(`{"alg":"ES256","typ":"at+jwt",` + kid + `,"x5c":["AAAA"]}`),
		"jwk":                    stranger.sign(`{"alg":"ES256","typ":"at+jwt",`+kid+`,"jwk":{"kty":"EC"}}`, goodPayload),
		"crit":                   header(`{"alg":"ES256","typ":"at+jwt",` + kid + `,"crit":["b64"],"b64":true}`),
		"header trailing data":   header(f.header() + " "),

		"wrong iss":        claim("id.example", "ie.example"),
		"iss with slash":   claim(`id.example.com"`, `id.example.com/"`),
		"wrong aud":        claim("api.example", "apj.example"),
		"aud as a list":    claim(`"https://api.example.com"`, `["https://api.example.com"]`),
		"no iss":           claim(`"iss"`, `"isx"`),
		"no aud":           claim(`"aud"`, `"aux"`),
		"no exp":           claim(`"exp"`, `"exx"`),
		"no iat":           claim(`"iat"`, `"iax"`),
		"no sub":           claim(`"sub"`, `"sux"`),
		"no sid":           claim(`"sid"`, `"six"`),
		"no jti":           claim(`"jti"`, `"jtx"`),
		"no client_id":     claim(`"client_id"`, `"client_ix"`),
		"no auth_time":     claim(`"auth_time"`, `"auth_timx"`),
		"exp as text":      claim(`1795504900`, `"1795504900"`),
		"exp null":         claim(`1795504900`, `null`),
		"exp with part":    claim(`1795504900`, `1795504900.5`),
		"exp out of range": claim(`1795504900`, `1795504900000000000000`),
		"name in capitals": claim(`"sid"`, `"SID"`),
		"sid twice":        claim(`"sid":"s"`, `"sid":"s","sid":"t"`),
		"sid twice, \\u":   claim(`"sid":"s"`, `"sid":"s","s\u0069d":"t"`),
		"trailing data":    f.sign(f.header(), goodPayload+"{}"),
		"bad UTF-8":        claim(`"sub":"u"`, "\"sub\":\"\xff\""),
		"payload null":     f.sign(f.header(), "null"),
		"payload empty":    f.sign(f.header(), ""),

		"(r, n-s) twin":         twin(t, key, good),
		"signature zero":        parts[0] + "." + parts[1] + "." + encoding.EncodeToString(make([]byte, 64)),
		"signature DER":         parts[0] + "." + parts[1] + "." + encoding.EncodeToString(derSignature(t, key, parts)),
		"signature cut":         good[:len(good)-4],
		"signature absent":      parts[0] + "." + parts[1] + ".",
		"two parts":             parts[0] + "." + parts[1],
		"four parts":            good + "." + parts[2],
		"trailing dot":          good + ".",
		"padded payload":        parts[0] + "." + parts[1] + "=." + parts[2],
		"padded signature":      good + "==",
		"line break":            good + "\n",
		"line break in payload": parts[0] + "." + parts[1][:8] + "\r\n" + parts[1][8:] + "." + parts[2],
		"blank before":          " " + good,
		"standard alphabet":     parts[0] + "." + parts[1] + "." + strings.Repeat("+/", 43),
		"stray trailing bits":   strayBits(good),
		"too long":              good + strings.Repeat("A", maxAccess),
		"too long, signed":      f.sign(f.header(), goodPayload+strings.Repeat(" ", maxAccess)),
		"empty":                 "",
		"dots":                  "..",
	} {
		if a, err := m.ParseAccess(s, testNow); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	if _, err := m.ParseAccess(good, testNow); err != nil {
		t.Errorf("the honest token afterwards: %v", err)
	}
}

func hs256(t *testing.T, key SigningKey, header string) string {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(&key.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	text := encoding.EncodeToString([]byte(header)) + "." + encoding.EncodeToString([]byte(goodPayload))
	h := hmac.New(sha256.New, public)
	h.Write([]byte(text))
	return text + "." + encoding.EncodeToString(h.Sum(nil))
}

func derSignature(t *testing.T, key SigningKey, parts []string) []byte {
	t.Helper()
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	der, err := ecdsa.SignASN1(nil, key.private, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// twin is the other right signature of the same text.
func twin(t *testing.T, key SigningKey, s string) string {
	t.Helper()
	text, encoded := s[:strings.LastIndex(s, ".")], s[strings.LastIndex(s, ".")+1:]
	signature, ok := decode(encoded)
	if !ok {
		t.Fatal("not a token")
	}
	other := new(big.Int).Sub(key.private.Params().N, new(big.Int).SetBytes(signature[32:]))
	other.FillBytes(signature[32:])
	hash := sha256.Sum256([]byte(text))
	if !ecdsa.Verify(&key.private.PublicKey, hash[:], new(big.Int).SetBytes(signature[:32]), other) {
		t.Fatal("the twin is no signature at all")
	}
	return text + "." + encoding.EncodeToString(signature)
}

// strayBits changes the bits of the last character that decode to nothing.
func strayBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last|1])
}

// C-23: of a token there is one form: what differs in any byte is not accepted,
// so a session that is known dead by its id has no token that looks new.
func TestC23NoTwin(t *testing.T) {
	m := testMinter(t)
	for range 50 { // half of all plain signatures have a high s
		s := mint(t, m, testAccess)
		if a, err := m.ParseAccess(s, testNow); err != nil || a.SessionID != sessionID {
			t.Fatalf("%+v, %v", a, err)
		}
		if a, err := m.ParseAccess(twin(t, m.keys.Load().signers[0].SigningKey, s), testNow); !errors.Is(err, ErrInvalid) {
			t.Fatalf("the twin of %s: %v", a.SessionID, err)
		}
	}
}
