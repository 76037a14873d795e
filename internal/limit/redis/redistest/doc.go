// Package redistest starts a private redis-server for a test: on a free loopback
// port, keeping nothing, ended with the test.
//
// What stays out: what is asked of it.
//
// Start with Start.
package redistest
