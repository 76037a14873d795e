// Package outbox carries out what has been committed: it hands queued messages
// to providers, and events to the sinks. Both at least once: what a crash
// interrupted is done again, and a message by the provider that it went to before.
//
// What stays out: deciding to send or to tell (the flows of core do, in their
// commit), how a provider or a sink works (gateway, event), and receipts, of which
// it is told how they end (Outbox.Receipt).
//
// Start with Run, then messages.go (claims), send.go (a try), router.go (by whom),
// and carrier.go (events).
package outbox
