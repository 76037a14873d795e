package oauth

import (
	"net/http"
	"strconv"

	"github.com/countersign/countersign/internal/dialect"
)

const keysType = "application/jwk-set+json" // RFC 7517 8.5.2

// cacheKeys is how long verifiers may keep the keys: well within the hour
// that a key is published before its first use (C-90).
const cacheKeys = "public, max-age=300"

// JWKSet describes the keys that the core writes (RFC 7517 5).
type JWKSet struct {
	Keys []JWK `json:"keys"`
}

// JWK is one public key (RFC 7518 6.2.1).
type JWK struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	Kid string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
}

func (a api) jwks(w http.ResponseWriter, _ *http.Request) {
	body := a.core.JWKS()
	h := w.Header()
	h.Set("Content-Type", keysType)
	h.Set("Cache-Control", cacheKeys)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client may be gone; there is nobody to tell
}

// Metadata is the part of RFC 8414 2 that is true of this server.
type Metadata struct {
	Issuer                 string   `json:"issuer"`
	JWKSURI                string   `json:"jwks_uri"`
	RevocationEndpoint     string   `json:"revocation_endpoint"`
	RevocationAuthMethods  []string `json:"revocation_endpoint_auth_methods_supported"`
	ResponseTypesSupported []string `json:"response_types_supported"`
	GrantTypesSupported    []string `json:"grant_types_supported"`
}

func (a api) metadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", cacheKeys)
	dialect.WriteJSON(w, http.StatusOK, "application/json", Metadata{
		Issuer:                a.issuer,
		JWKSURI:               a.issuer + "/.well-known/jwks.json",
		RevocationEndpoint:    a.issuer + "/oauth/revoke",
		RevocationAuthMethods: []string{"none"},
	})
}
