package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrOpen says that a sealed value is damaged, or was sealed for another row
// or use.
var ErrOpen = errors.New("keyring: sealed value does not open: it is damaged, or belongs to another row or use")

const (
	sealVersion = 1
	saltSize    = 24
	tagSize     = 16
)

// Seal encrypts plaintext for one row and use; Open gives it back only for the
// same two (CHECKLIST C-91). Sealed values survive master rotation.
func (r *Ring) Seal(rand io.Reader, label Label, row string, plaintext []byte) ([]byte, error) {
	return seal(rand, unlocked(r.data).sub(label), []byte{sealVersion}, boundTo(label, row), plaintext)
}

// Open decrypts what Seal made. All failures are ErrOpen.
func (r *Ring) Open(label Label, row string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != sealVersion {
		return nil, ErrOpen
	}
	return open(unlocked(r.data).sub(label), sealed[:1], boundTo(label, row), sealed[1:])
}

// seal returns header ‖ salt ‖ AES-256-GCM ciphertext and tag, the header and
// bound being authenticated too.
//
// Each value has a key of its own, expanded from the use's key by 24 random
// bytes. Random 12-byte nonces under one key may serve 2^32 values at most
// (NIST SP 800-38D 8.3), and one repetition betrays the authentication key; at
// 192 bits no repetition is to be expected however many rows there are. A key
// that seals once needs no nonce, so that is all zero.
func seal(rand io.Reader, key, header, bound, plaintext []byte) ([]byte, error) {
	out := make([]byte, len(header)+saltSize, len(header)+saltSize+len(plaintext)+tagSize)
	copy(out, header)
	salt := out[len(header):]
	if _, err := io.ReadFull(rand, salt); err != nil {
		return nil, fmt.Errorf("sealing: reading random bytes: %w", err)
	}
	aead, err := valueCipher(key, salt)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return aead.Seal(out, make([]byte, aead.NonceSize()), plaintext, parts(header, bound)), nil
}

// open undoes seal; rest is what followed the header.
func open(key, header, bound, rest []byte) ([]byte, error) {
	if len(rest) < saltSize+tagSize {
		return nil, ErrOpen
	}
	aead, err := valueCipher(key, rest[:saltSize])
	if err != nil {
		return nil, fmt.Errorf("opening: %w", err)
	}
	plaintext, err := aead.Open(nil, make([]byte, aead.NonceSize()), rest[saltSize:], parts(header, bound))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

func valueCipher(key, salt []byte) (cipher.AEAD, error) {
	valueKey, err := hkdf.Expand(sha256.New, key, string(salt), keySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(valueKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func boundTo(label Label, row string) []byte { return parts([]byte(label), []byte(row)) }

// parts joins parts, each behind its length, as mac does.
func parts(list ...[]byte) []byte {
	var out []byte
	for _, part := range list {
		out = binary.BigEndian.AppendUint64(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}
