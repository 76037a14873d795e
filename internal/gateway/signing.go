package gateway

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// This file signs and checks calls as Standard Webhooks 1.0 has it.

const (
	// signatureAge is how far a call's own time may lie from now, either way.
	signatureAge = 5 * time.Minute

	// mostSignatures is how many of one call are looked at.
	mostSignatures = 16
)

// hookKey is one key of Standard Webhooks: a shared secret, or half of a pair.
type hookKey struct {
	keyring.Redacted
	shared  []byte             // whsec_
	private ed25519.PrivateKey // whsk_
	public  ed25519.PublicKey  // whpk_, and of private
}

// hookKeys are keys of which any one counts: two while the one follows the other.
type hookKeys []hookKey

// hookKeysOf reads the keys in a setting, separated by spaces, commas or |. Before
// each may stand the version of its signatures, as Supabase writes it: v1,whsec_….
// The error says what is wrong and repeats nothing.
func hookKeysOf(text string) (hookKeys, error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,|;\t\r\n", r) })
	var keys hookKeys
	for _, word := range words {
		if word == "v1" || word == "v1a" {
			continue
		}
		key, err := hookKeyOf(word)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 || len(keys) > 4 {
		return nil, errors.New("has to hold one to four keys")
	}
	return keys, nil
}

func hookKeyOf(word string) (hookKey, error) {
	prefix, rest, _ := strings.Cut(word, "_")
	raw, err := base64.StdEncoding.DecodeString(rest)
	if err != nil {
		return hookKey{}, errors.New("after the prefix of a key has to come base64")
	}
	switch n := len(raw); {
	case prefix == "whsec" && n >= 24 && n <= 64:
		return hookKey{shared: raw}, nil
	case prefix == "whsec":
		return hookKey{}, errors.New("a whsec_ has 24 to 64 bytes: `echo whsec_$(openssl rand -base64 32)` makes one")
	case prefix == "whsk" && n == ed25519.SeedSize:
		return pair(ed25519.NewKeyFromSeed(raw)), nil
	case prefix == "whsk" && n == ed25519.PrivateKeySize:
		key := pair(ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize]))
		if !key.private.Equal(ed25519.PrivateKey(raw)) {
			return hookKey{}, errors.New("the halves of a whsk_ do not fit each other")
		}
		return key, nil
	case prefix == "whpk" && n == ed25519.PublicKeySize:
		return hookKey{public: raw}, nil
	}
	return hookKey{}, errors.New("a key is whsec_…, or for Ed25519 whsk_… (32 or 64 bytes) to sign and whpk_… (32 bytes) to check")
}

func pair(private ed25519.PrivateKey) hookKey {
	return hookKey{private: private, public: private.Public().(ed25519.PublicKey)}
}

// sign signs a call with every key that can, and sets its three headers.
func (keys hookKeys) sign(header http.Header, id string, now time.Time, body []byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	var signatures []string
	for _, key := range keys {
		if s := key.sign(signedPart(id, at, body)); s != "" {
			signatures = append(signatures, s)
		}
	}
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", at)
	header.Set("webhook-signature", strings.Join(signatures, " "))
}

// canSign tells whether every key can.
func (keys hookKeys) canSign() bool {
	for _, key := range keys {
		if key.sign(nil) == "" {
			return false
		}
	}
	return true
}

// check wants a call to be signed by one of the keys, within the last five
// minutes. Its error is ErrForged.
func (keys hookKeys) check(header http.Header, now time.Time, body []byte) error {
	id, at := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || id == "" {
		return fmt.Errorf("%w: webhook-id or webhook-timestamp is missing", ErrForged)
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > signatureAge || age < -signatureAge {
		return fmt.Errorf("%w: webhook-timestamp is more than 5 minutes from now", ErrForged)
	}
	signatures := strings.Fields(header.Get("webhook-signature"))
	for _, signature := range signatures[:min(len(signatures), mostSignatures)] {
		for _, key := range keys {
			if key.signed(signedPart(id, at, body), signature) {
				return nil
			}
		}
	}
	return ErrForged
}

func signedPart(id, at string, body []byte) []byte {
	return append([]byte(id+"."+at+"."), body...)
}

// sign gives a signature with its version; "" where the key only checks.
func (k hookKey) sign(text []byte) string {
	switch {
	case k.shared != nil:
		return "v1," + base64.StdEncoding.EncodeToString(k.mac(text))
	case k.private != nil:
		return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, text))
	}
	return ""
}

func (k hookKey) signed(text []byte, signature string) bool {
	version, encoded, _ := strings.Cut(signature, ",")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil:
		return false
	case version == "v1" && k.shared != nil:
		return hmac.Equal(raw, k.mac(text))
	case version == "v1a" && k.public != nil:
		return ed25519.Verify(k.public, text, raw)
	}
	return false
}

func (k hookKey) mac(text []byte) []byte {
	mac := hmac.New(sha256.New, k.shared)
	mac.Write(text)
	return mac.Sum(nil)
}
