// Package event holds the facts of the security log: their type, their names,
// the one encoder that writes them, and the sinks that keep them.
//
// What stays out: deciding when something is an event (the flows of core do),
// carrying events from the store to the sinks (outbox does), and everything
// secret. An event shows a phone number only masked and as a pseudonym.
//
// Start with Event, then Encode; then Sink and OpenFile, whose file is chained:
// every line ends with a keyed hash of itself and of the line before. Verify
// checks such files.
//
// Metrics, Alerts and Counter are the sinks that only count, in this process;
// Tee gives them one queue. What they count by is in words.go: closed sets, so
// that no client can make a series. docs/monitoring shows what to do with it.
package event
