// Package oauth serves the standards: token revocation (RFC 7009), the keys
// of access tokens (RFC 7517) and the server's metadata (RFC 8414).
//
// /oauth/* takes forms and answers errors as RFC 6749 5.2 does; errors.go is
// the one place that knows those. The metadata tells only what is true: there
// is no authorization and no token endpoint.
//
// Start with routes.go.
package oauth
