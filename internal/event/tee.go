package event

import (
	"context"
	"errors"
)

// Tee gives what it gets to several sinks, which so share one queue. It is for
// sinks in this process that only count: their heads are not kept, and after an
// error of any of them all may get the batch again.
func Tee(name string, sinks ...Sink) Sink { return tee{name, sinks} }

type tee struct {
	name  string
	sinks []Sink
}

func (t tee) Name() string { return t.name }

// Write gives the batch to every sink, also after an error of one.
func (t tee) Write(ctx context.Context, events []Event) (Head, error) {
	var all []error
	for _, s := range t.sinks {
		_, err := s.Write(ctx, events)
		all = append(all, err)
	}
	return Head{}, errors.Join(all...)
}

func (t tee) Close() error {
	var all []error
	for _, s := range t.sinks {
		all = append(all, s.Close())
	}
	return errors.Join(all...)
}
