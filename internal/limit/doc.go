// Package limit counts who asks how often: Limiter is the one interface, Memory
// the engine of a single instance, limittest the suite that every engine passes
// and that defines the interface.
//
// Any window of a rule's length holds at most N, wherever it begins: a sliding
// log, exact up to N = 256, above it in slots of a 64th of the window. Memory is
// bounded, and a flood that fills it makes strangers share counters; it never
// makes one forgotten, and does not reach what is reserved for keys that
// strangers cannot make.
//
// What stays out: which limits there are and whom they count (core/limits.go),
// and what guards an account, a number or money, which the store counts.
//
// Start with Limiter.
package limit
