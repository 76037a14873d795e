package gateway

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
)

// hmacHashes are the hashes of JWTs under a shared secret (RFC 7518, 3.2).
var hmacHashes = map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}

// signRS256 makes a compact JWT of claims.
func signRS256(key *rsa.PrivateKey, claims any) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding claims: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(text)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		return "", fmt.Errorf("signing claims: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// hmacClaims reads the claims of a compact JWT into a struct, if its algorithm is
// one of those named (all of hmacHashes) and it is signed with one of the settings, of which those not
// set are no key.
func (o Options) hmacClaims(token string, claims any, algorithms []string, secrets ...string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || !decodePart(parts[0], &header) {
		return false
	}
	for _, algorithm := range algorithms {
		for _, name := range secrets {
			secret := o.Value(name)
			if secret == "" || algorithm != header.Algorithm {
				continue
			}
			mac := hmac.New(hmacHashes[algorithm], []byte(secret))
			mac.Write([]byte(parts[0] + "." + parts[1]))
			if hmac.Equal(mac.Sum(nil), signature) {
				return decodePart(parts[1], claims)
			}
		}
	}
	return false
}

func decodePart(part string, into any) bool {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return err == nil && json.Unmarshal(text, into) == nil
}

// isHash tells whether a claim is the SHA-256 of a text in hexadecimal.
func isHash(claim string, text []byte) bool {
	sum := sha256.Sum256(text)
	return subtle.ConstantTimeCompare([]byte(strings.ToLower(claim)), []byte(hex.EncodeToString(sum[:]))) == 1
}
