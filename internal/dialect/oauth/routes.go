package oauth

import (
	"net/http"
	"reflect"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
)

const formType = "application/x-www-form-urlencoded"

// api serves the routes by one core, for clients that reach it at issuer.
type api struct {
	core   *core.Core
	issuer string
}

// New serves the standards by a core. issuer is what clients reach us as: it
// comes from the settings, never from a request (C-94). A dialect.Edge has to
// stand around it.
func New(c *core.Core, issuer string) http.Handler { return dialect.NewTable(Routes(c, issuer)) }

// Routes lists every call of the standards. For the document alone the core
// may be nil.
func Routes(c *core.Core, issuer string) []dialect.Route {
	a := api{c, issuer}
	const tag = "Standards"
	return []dialect.Route{
		{
			Method: http.MethodPost, Path: "/oauth/revoke", Name: "revoke", Tag: tag,
			Summary:     "Revoke a token (RFC 7009)",
			Description: "Ends the session of a refresh or access token. An unknown token is answered alike.",
			Body:        reflect.TypeFor[revocation](), BodyType: formType,
			Answers: []dialect.Answer{
				{Status: http.StatusOK, Description: "The token is good for nothing."},
				{Status: http.StatusBadRequest, Body: Error{}, Description: "`invalid_request`"},
				{Status: http.StatusRequestEntityTooLarge, Body: Error{}, Description: "`invalid_request`"},
				{Status: http.StatusUnsupportedMediaType, Body: Error{}, Description: "`invalid_request`"},
				{Status: http.StatusServiceUnavailable, Body: dialect.Problem{}, MediaType: "application/problem+json", Description: "`unavailable`"},
			},
			Serve: a.revoke,
		},
		{
			Method: http.MethodGet, Path: "/.well-known/jwks.json", Name: "jwks", Tag: tag,
			Summary: "The keys of access tokens (RFC 7517)",
			Answers: []dialect.Answer{{Status: http.StatusOK, Body: JWKSet{}, MediaType: keysType, Description: "A JWK Set."}},
			Serve:   a.jwks,
		},
		{
			Method: http.MethodGet, Path: "/.well-known/oauth-authorization-server", Name: "metadata", Tag: tag,
			Summary: "The server's metadata (RFC 8414)",
			Answers: []dialect.Answer{{Status: http.StatusOK, Body: Metadata{}, Description: "What this server offers."}},
			Serve:   a.metadata,
		},
	}
}
