// Package core is the room to read: what Countersign does, without HTTP, SQL
// or goroutines.
//
// One file per flow, named by its verb: signup, login, verify, resend, refresh,
// logout, sessions, password, phone, profile, reauthenticate, operator. Beside
// them the nouns: user, session, challenge, message, caller. store.go is what
// the flows ask of a storage engine, errors.go what they may refuse,
// limits.go the numbers.
//
// A flow is one method (ctx, Caller, In) (Out, error) in five beats: admit,
// look (at most one read), prepare (the slow and the random), commit (one
// operation of the store), answer. The look only prepares; the operation
// decides anew. No flow calls another.
//
// What stays out: HTTP words (dialect), SQL (store), sending (outbox), time.Now
// and crypto/rand (given to New).
//
// Start with signup.go, then verify.go, then store.go.
package core
