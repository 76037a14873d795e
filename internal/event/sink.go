package event

import (
	"context"
	"fmt"
	"io"
	"sync"
)

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

// writer is a sink that prints lines.
type writer struct {
	name string
	mu   sync.Mutex
	to   io.Writer
}

// NewWriter makes a sink that prints one event a line, for standard output.
// Its Close leaves w open.
func NewWriter(name string, w io.Writer) Sink {
	return &writer{name: name, to: w}
}

func (w *writer) Name() string { return w.name }

func (w *writer) Write(_ context.Context, events []Event) (Head, error) {
	var lines []byte
	for _, e := range events {
		lines = append(lines, Encode(e)...)
		lines = append(lines, '\n')
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.to.Write(lines); err != nil {
		return Head{}, fmt.Errorf("printing events: %w", err)
	}
	return Head{}, nil
}

func (w *writer) Close() error { return nil }
