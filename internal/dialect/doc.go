// Package dialect is what every HTTP dialect shares: reading a body, naming
// the caller, the bearer token, the one writer of problems, the table of
// routes, and the OpenAPI document that is made from that table.
//
// A dialect is a list of Route values. Each route says once what it takes,
// what it answers and what it may refuse; the same value serves requests and
// writes the document, so that the document cannot lie.
//
// What stays out: every word of signing in. Nothing here knows a phone number,
// a code or a session; a dialect translates between its own JSON and one call
// of the core, and no rule lives in it.
//
// Around every listener stands one Edge (edge.go): request id, client address,
// security headers, CORS, the last resort for panics. Mounts (mount.go) share
// a listener out among dialects and pages without ever rewriting a path.
//
// Start with route.go, then body.go and problem.go.
package dialect
