package event

import "context"

// Sink keeps events somewhere, or tells somebody of them. One event may come
// twice, with the same ID.
type Sink interface {
	Name() string // names the sink's queue in the store; never changes

	// Write takes the batch as a whole and returns when it is durable, as far as
	// the sink can tell. After an error it may be given the same events again.
	// A sink without a chain returns the zero Head.
	Write(ctx context.Context, events []Event) (Head, error)
	Close() error
}
