package oauth

import (
	"net/http"
	"net/url"

	"github.com/countersign/countersign/internal/dialect"
	"github.com/countersign/countersign/internal/keyring"
)

// revocation is the form of RFC 7009 2.1. Further members are ignored, as
// RFC 6749 3.2 asks.
type revocation struct {
	Token         *string `json:"token" jsonschema:"the token to revoke"`
	TokenTypeHint string  `json:"token_type_hint,omitzero" jsonschema:"refresh_token or access_token; not needed"`
}

// revoke ends the session of a token. Unknown tokens are answered alike (C-31).
func (a api) revoke(w http.ResponseWriter, r *http.Request) {
	token, err := readToken(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	if err := a.core.Revoke(r.Context(), dialect.CallerFrom(r), token); err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// readToken gives the form's one token. Parameters may come once each
// (RFC 6749 3.2), and secrets never in a URL (C-28).
func readToken(w http.ResponseWriter, r *http.Request) (keyring.Secret, error) {
	if dialect.HasSecret(r) {
		return "", invalid("query", "A token must not be sent in a URL.")
	}
	body, err := dialect.ReadBody(w, r, formType)
	if err != nil {
		return "", err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", invalid("body", "The form cannot be read.")
	}
	for _, values := range form {
		if len(values) > 1 {
			return "", invalid("body", "A parameter came twice.")
		}
	}
	token := form.Get("token")
	if token == "" {
		return "", invalid("body.token", "The parameter token is required.")
	}
	return keyring.Secret(token), nil
}
