// Package pgtest gives tests a real PostgreSQL: one private cluster for each
// test process, and in it fresh databases.
//
// The cluster lives in a directory of its own, listens on a unix socket and a
// free loopback port, and goes with the process, however that ends. It does not
// sync to the disk: whoever tests crashes takes a cluster of the test's own (Own),
// which does, and a Proxy for a bad network.
//
// Start with Database; with Own for faults.
package pgtest
