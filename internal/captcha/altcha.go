package captcha

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// algorithm is the one way of deriving keys that we ask for: browsers have it
// in WebCrypto, phones in their own libraries.
const algorithm = "PBKDF2/SHA-256"

const keyLength = sha256.Size

// maxToken bounds a solution, in characters; one of ours has about 800.
const maxToken = 4 << 10

// parameters are what a client has to work on.
type parameters struct {
	Algorithm string `json:"algorithm"`
	Cost      int    `json:"cost"` // iterations of each derivation
	Data      data   `json:"data"`
	ExpiresAt int64  `json:"expiresAt"` // seconds of Unix time
	KeyLength int    `json:"keyLength"` // bytes
	KeyPrefix string `json:"keyPrefix"` // hexadecimal digits that the key has to begin with
	Nonce     string `json:"nonce"`     // hexadecimal, 16 bytes
	Salt      string `json:"salt"`      // hexadecimal, 16 bytes
}

// data is ours to fill; solvers do not look at it.
type data struct {
	Subject string `json:"subject"` // a hash of what the solution is good for
}

// signed are parameters as they travel, with the proof that they are ours.
type signed struct {
	Parameters jsontext.Value `json:"parameters"`
	Signature  string         `json:"signature"` // hexadecimal
}

// payload is a solution as solvers send it, in base64. Whatever else they add
// (time, took) does not matter.
type payload struct {
	Challenge signed   `json:"challenge"`
	Solution  solution `json:"solution"`
}

type solution struct {
	Counter    uint32 `json:"counter"`
	DerivedKey string `json:"derivedKey"` // hexadecimal
}

// parsePayload reads a solution; its parameters come out canonical.
func parsePayload(token string) (payload, error) {
	var p payload
	if len(token) > maxToken {
		return p, fmt.Errorf("%d characters, at most %d", len(token), maxToken)
	}
	plain, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil {
		return p, fmt.Errorf("decoding: %w", err)
	}
	if err := json.Unmarshal(plain, &p); err != nil {
		return p, fmt.Errorf("reading: %w", err)
	}
	if p.Challenge.Parameters, err = canonical(p.Challenge.Parameters); err != nil {
		return p, fmt.Errorf("reading the parameters: %w", err)
	}
	return p, nil
}

// canonical is what is signed: JSON with its keys sorted and no blanks
// (RFC 8785), whatever a client's encoder made of it.
func canonical(value jsontext.Value) (jsontext.Value, error) {
	value = value.Clone()
	if err := value.Canonicalize(); err != nil {
		return nil, err
	}
	return value, nil
}

// sign gives the signature of canonical parameters, in lower-case hexadecimal.
func sign(secret []byte, parameters jsontext.Value) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(parameters)
	return hex.EncodeToString(mac.Sum(nil))
}

// derive gives the key of a counter, in lower-case hexadecimal.
func (p parameters) derive(counter uint32) (string, error) {
	nonce, err := hex.DecodeString(p.Nonce)
	if err != nil {
		return "", fmt.Errorf("reading the nonce: %w", err)
	}
	salt, err := hex.DecodeString(p.Salt)
	if err != nil {
		return "", fmt.Errorf("reading the salt: %w", err)
	}
	key, err := pbkdf2.Key(sha256.New, string(tried(nonce, counter)), salt, p.Cost, keyLength)
	if err != nil {
		return "", fmt.Errorf("deriving: %w", err)
	}
	return hex.EncodeToString(key), nil
}

// tried is what a key is derived from: the nonce and the counter behind it.
func tried(nonce []byte, counter uint32) []byte {
	return binary.BigEndian.AppendUint32(nonce, counter)
}
