// Package e2e shows the whole house from outside: stories over HTTP as readable
// text (testdata/*.txt), the ten invariants as property tests over the embedded
// engine, and what survives kill -9 of the built binary.
//
// Start with testdata/signup.txt; story_test.go tells how it is read.
package e2e
