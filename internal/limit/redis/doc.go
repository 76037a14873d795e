// Package redis is the limit.Limiter that several instances share: it counts in
// Redis (6.2 or later, or what speaks its protocol), one script call a decision.
//
// What stays out: what to do while Redis is away (limit.Fallback), and which
// limits there are.
//
// Whose time counts: Redis' own, so that instances whose clocks differ agree; in
// a cluster that of the node which holds the key. The callers' time serves tests
// (Options.CallersTime).
//
// One Redis, with Sentinel or without: all counts of a Take are one script call,
// all or nothing. Redis Cluster runs a script only over keys of one slot, so
// there the counts of one Key are a call each, those with the smallest N first,
// and when a later one refuses, those before it are given back. Never more than N
// pass; for the moment between, somebody else may be refused who need not be.
//
// What is kept: lists of times and hashes of sums under keyed hashes, so
// no address and no number can be read from them; each goes by itself when it has
// lapsed. Redis must not evict them (maxmemory-policy noeviction): a full one
// then answers with errors, and each instance counts for itself.
//
// Start with Limiter.
package redis
