// Package phone turns what people type into phone numbers, once, at the edge.
//
// It knows E.164, the region a number belongs to, whether a number of its kind
// can receive messages, and how to show a number without telling it. Which
// countries get messages, and how many, is decided by the rules above it; it
// sends nothing and stores nothing.
//
// Start at [Parse]; a [Number] is what everybody else carries.
package phone
