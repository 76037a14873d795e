// Package store holds what the engines know in common beside core.Store: the
// shape of every row that an installation consists of, so that one engine's rows
// can go to another.
//
// Tables (record.go) is that shape, Sum (sum.go) a checksum over rows that does
// not depend on their order, and Move (move.go) carries all rows from a Source to
// a Target and compares both sides.
//
// What stays out: SQL, which each engine has in a file of its own
// (sqlite/export.go, postgres/import.go), and what is of a moment alone:
// which instances run, whose turn it is.
package store
