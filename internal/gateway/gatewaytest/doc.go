// Package gatewaytest has stand-ins of the message providers and hostile ones,
// for tests of what calls them.
//
// A Fake is a provider as its documentation describes it, a file for each: it
// refuses, and fails the test for, any request that the document does not allow. Its
// answers can be told ahead. Hostile tries a sender against servers that answer no
// provider's way.
//
// What stays out: the senders themselves (package gateway, which is not imported:
// its own tests use this package), and anything that a server needs to run.
//
// Start with fake.go and hostile.go.
package gatewaytest
