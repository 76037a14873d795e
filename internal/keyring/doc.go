// Package keyring turns one master key into everything that is kept secret by
// a key: MACs, sealed values, pseudonyms, the password pepper, and the random
// ids and codes that stand on the same entropy source.
//
// Two kinds of keys hang under a Ring. Those derived from the master keys by
// HKDF change when the operator rotates the master: the first master makes,
// all of them check. Those in StoredKey rows are made once and sealed under a
// master, so that what depends on them (pseudonyms, passwords, sealed rows)
// survives every rotation.
//
// What stays out: tokens and JWT signing keys (package token), password hashing
// (package password), storage of anything.
//
// Start at ring.go, then seal.go and storedkey.go.
package keyring
