// Package e2e shows the whole house from outside: stories over HTTP as readable
// text (testdata/*.txt), the ten invariants as property tests over every engine
// (invariant_*_test.go), what survives kill -9 of the built binary (kill_test.go),
// and what becomes of several instances over PostgreSQL and Redis when a part
// fails (fault_*_test.go, docs/faults.md).
//
// What stays out: rules of one room, which are shown beside that room.
//
// Start with testdata/signup.txt; story_test.go tells how it is read. Then
// invariant_guesses_test.go: pair_test.go has the two instances that it races, and
// engines_test.go what they stand on.
package e2e
