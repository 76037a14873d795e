// Package limittest is the conformance suite of limit.Limiter, and with it the
// definition of what a limiter does: an engine is what passes all of Run.
//
// The suite tells the time with every call and never waits; an engine that puts
// its own time in its place is to be opened with that off. Rules up to N = 256
// must be exact; above it an engine may keep times by slots of a 64th of the
// window: what passed counts up to a slot longer, never less.
//
// What stays out: how an engine stores, and what bounds it.
//
// Start with Run, then random.go.
package limittest
