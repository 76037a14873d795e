// Package token makes and reads what clients hold: access tokens (JWTs by
// RFC 9068), refresh tokens, device tokens, page cursors; and the keys that
// sign the first.
//
// It judges bytes alone: no I/O, no look at a store. Whether a session still
// lives, which counter is current and what a stolen token earns is the core's.
// One algorithm exists (ES256), so that none can be chosen by a token.
//
// Start at minter.go, then access.go and refresh.go.
package token
