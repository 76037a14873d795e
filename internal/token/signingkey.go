package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/go-json-experiment/json"
)

// SigningKey is an ES256 key pair: ECDSA on P-256 with SHA-256 (RFC 7518 3.4).
type SigningKey struct {
	keyring.Redacted
	ID      string    // the kid: the public key's thumbprint (RFC 7638)
	From    time.Time // it signs from then on, and verifies before too
	private *ecdsa.PrivateKey
}

// NewSigningKey makes a key from the system's random source: crypto/ecdsa takes
// no other since Go 1.26.
func NewSigningKey() (SigningKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return SigningKey{}, fmt.Errorf("making a signing key: %w", err)
	}
	return newSigningKey(private)
}

// ParseSigningKey reads what PKCS8 wrote.
func ParseSigningKey(pkcs8 []byte) (SigningKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return SigningKey{}, errors.New("reading a signing key: not PKCS #8") // err might quote the key
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return SigningKey{}, errors.New("reading a signing key: not of the curve P-256")
	}
	return newSigningKey(private)
}

// PKCS8 is the private key as PKCS #8 DER: to be sealed before it is stored.
func (k SigningKey) PKCS8() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("writing a signing key: %w", err)
	}
	return der, nil
}

func newSigningKey(private *ecdsa.PrivateKey) (SigningKey, error) {
	x, y, err := coordinates(&private.PublicKey)
	if err != nil {
		return SigningKey{}, err
	}
	return SigningKey{ID: thumbprint(x, y), private: private}, nil
}

// header is the JOSE header of all tokens this key signs, encoded.
func (k SigningKey) header() string {
	return encoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"` + k.ID + `"}`))
}

// thumbprint is RFC 7638's: the required members, sorted, without blanks.
func thumbprint(x, y string) string {
	hash := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	return encoding.EncodeToString(hash[:])
}

// coordinates are the point's, each in 32 bytes however small (RFC 7518 6.2.1.2).
func coordinates(public *ecdsa.PublicKey) (x, y string, err error) {
	point, err := public.Bytes() // 4 ‖ x ‖ y (SEC 1, 2.3.3)
	if err != nil {
		return "", "", fmt.Errorf("reading a public key: %w", err)
	}
	return encoding.EncodeToString(point[1:33]), encoding.EncodeToString(point[33:65]), nil
}

type jwk struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
	Use   string `json:"use"`
	Alg   string `json:"alg"`
	ID    string `json:"kid"`
}

func encodeJWKS(keys []SigningKey) ([]byte, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	for _, key := range keys {
		x, y, err := coordinates(&key.private.PublicKey)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, jwk{Type: "EC", Curve: "P-256", X: x, Y: y, Use: "sig", Alg: "ES256", ID: key.ID})
	}
	out, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("writing the key set: %w", err)
	}
	return out, nil
}
