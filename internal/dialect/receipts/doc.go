// Package receipts takes what providers say of messages at /receipts/{name}: the
// sender of that name reads the call and verifies whose it is, the core keeps it.
//
// What stays out: every provider's format and signature (gateway has them), and
// what a receipt makes of its message (core).
//
// Start with New.
package receipts
