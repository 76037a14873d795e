// Package server puts the parts together and keeps them running: the data
// directory, the keys, the store, the outbox, the core, the dialects, the two
// listeners, readiness, upkeep, and the order in which all of it stops.
//
// No rule of signing in lives here. What a listener refuses before any dialect
// sees a request does: ambiguous framing (framing.go), foreign hosts
// (hosts.go), what is too large or too slow (listener.go).
//
// Start at Start in server.go, then keys.go and mounts.go.
package server
