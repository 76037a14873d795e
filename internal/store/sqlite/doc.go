// Package sqlite is the embedded engine of core.Store: one file, one writer,
// a few readers beside it.
//
// Every operation of core.Store is one function that runs inside the writer's
// transaction. The writer gathers all operations that wait into one commit,
// each under its own savepoint, so that the disk is asked once for many and a
// failing operation takes only itself back.
//
// What stays out: rules, texts, ids, time and chance. The flows of core bring
// them ready-made; an operation only compares and writes.
//
// The room uses the driver's own connections where database/sql would cost a
// third of a refresh's processor time; database/sql serves the migrations.
//
// Start with session.go (RotateSession, the shortest whole operation), then
// writer.go, which runs it, and conn.go, which both speak SQL through. guess.go
// is what all redeeming operations share.
package sqlite
