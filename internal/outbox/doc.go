// Package outbox carries out what has been committed: it hands queued messages
// to the provider, and events to the sinks. Both at least once: what a crash
// interrupted is done again.
//
// What stays out: deciding to send or to tell (the flows of core do, in their
// commit), how a provider or a sink works (gateway, event), and receipts.
//
// Start with Run, then messages.go and carrier.go.
package outbox
