// Package gateway carries messages out of the house: Sender is a provider of
// them, one file each, and Inbox is the one that keeps them in memory, for
// development and tests.
//
// What stays out: queueing, retries, and the events that tell of a sending
// (outbox has them), and what a message says (locale).
//
// Start with Sender.
package gateway
