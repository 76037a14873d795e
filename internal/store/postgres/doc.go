// Package postgres is the engine of core.Store for many instances: PostgreSQL
// over pgx.
//
// Every operation of core.Store is one function that speaks through a tx. What
// it queues there travels together: one trip to look and lock, one to write and
// commit, and a single one where SQL can decide by itself (RotateSession,
// TryPassword, OpenChallenge, OpenSession, a wrong code, a right one that opens a
// session, all reads). Transactions are READ
// COMMITTED; each statement behind a lock sees what the lock's last holder did.
//
// Locks are taken in one order, so that no operation waits for one that waits
// for it:
//
//	numbers → users → challenges → failures → messages → turns → sinks → watchers
//	→ spending → rollups
//
// A row of numbers is a number's turn: whoever sends to it, judges a code of it
// or ends its challenges holds it; several are taken in the order of their keys. A
// row of users is the turn of all that begins or ends the user's sessions, devices
// and challenges, which are locked behind it. Only RotateSession takes a session
// without it, and nothing else. What was read before its turn came and has
// changed by then (a user's number) is looked at again, in a new transaction.
// Sweep and ClaimMessages step over what others hold.
//
// Events and messages are partitioned by time: partitions.go makes and drops their
// partitions.
//
// What stays out: rules, texts, ids, time and chance, which the flows of core
// bring ready-made; and whatever only one server can do: there are no sequences
// (sinks.go tells how events get their order), no advisory locks, no state of a
// session (PgBouncer may stand between).
//
// Start with rotate.go (RotateSession, the shortest whole operation), then
// tx.go, through which all speak, and write.go, which runs and retries them.
// turns.go has the locks; guess.go is what all redeeming operations share, and
// atonce.go the same in one trip.
package postgres
