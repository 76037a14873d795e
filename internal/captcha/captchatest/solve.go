package captchatest

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/countersign/countersign/internal/captcha"
	"github.com/countersign/countersign/internal/keyring"
)

// challenge is ALTCHA v2's, as far as a solver looks at it.
type challenge struct {
	Parameters struct {
		Algorithm string `json:"algorithm"`
		Cost      int    `json:"cost"`
		KeyLength int    `json:"keyLength"`
		KeyPrefix string `json:"keyPrefix"`
		Nonce     string `json:"nonce"`
		Salt      string `json:"salt"`
	} `json:"parameters"`
}

// Solve does the work that is asked for: tens of milliseconds at captcha.Easy, a
// second at captcha.Hardest. Only proofs of work can be solved.
func Solve(ask captcha.Ask) (captcha.Solution, error) {
	counter, key, err := Work(ask)
	if err != nil {
		return captcha.Solution{}, err
	}
	token, err := Token(ask, counter, key)
	return captcha.Solution{Type: ask.Type, Token: keyring.Secret(token)}, err
}

// Work seeks the first counter that fits, and gives it with its key in
// hexadecimal.
func Work(ask captcha.Ask) (counter uint32, key string, err error) {
	if ask.Type != captcha.TypeALTCHA {
		return 0, "", fmt.Errorf("nobody solves a %q by working", ask.Type)
	}
	var c challenge
	if err := json.Unmarshal(ask.Challenge, &c); err != nil {
		return 0, "", err
	}
	p := c.Parameters
	nonce, err := hex.DecodeString(p.Nonce)
	if err != nil {
		return 0, "", err
	}
	salt, err := hex.DecodeString(p.Salt)
	if err != nil {
		return 0, "", err
	}
	for counter := range uint32(math.MaxUint32) {
		tried := binary.BigEndian.AppendUint32(nonce[:len(nonce):len(nonce)], counter)
		derived, err := pbkdf2.Key(sha256.New, string(tried), salt, p.Cost, p.KeyLength)
		if err != nil {
			return 0, "", err
		}
		if key := hex.EncodeToString(derived); strings.HasPrefix(key, p.KeyPrefix) {
			return counter, key, nil
		}
	}
	return 0, "", errors.New("no counter fits")
}

// Token packs a solution as forms carry it.
func Token(ask captcha.Ask, counter uint32, key string) (string, error) {
	plain, err := json.Marshal(map[string]any{
		"challenge": ask.Challenge,
		"solution":  map[string]any{"counter": counter, "derivedKey": key, "time": 12},
		"took":      12,
	})
	return base64.StdEncoding.EncodeToString(plain), err
}
