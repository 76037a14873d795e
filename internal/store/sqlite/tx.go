package sqlite

import (
	"context"

	"github.com/countersign/countersign/internal/core"
)

// tx is what an operation or a read speaks through. After its first error it
// does nothing more and finds nothing: an operation need not look after each
// statement, it fails as a whole.
type tx struct {
	conn  *conn
	fault func(step string) error
	err   error

	queuedMessage, queuedEvent bool
}

// exec runs a statement, and tells how many rows it changed.
func (tx *tx) exec(query string, args ...any) int64 {
	if !tx.goesOn() {
		return 0
	}
	changed, err := tx.conn.exec(query, args...)
	tx.fail(err)
	return changed
}

// one reads the first row, and tells whether there was one.
func (tx *tx) one(query string, read func(*row), args ...any) bool {
	found := false
	tx.query(query, func(r *row) bool {
		found = true
		read(r)
		return false
	}, args...)
	return found && tx.err == nil
}

// exists tells whether the query gives a row.
func (tx *tx) exists(query string, args ...any) bool {
	return tx.one(query, func(*row) {}, args...)
}

// all reads every row. read must not speak through tx.
func (tx *tx) all(query string, read func(*row), args ...any) {
	tx.query(query, func(r *row) bool {
		read(r)
		return true
	}, args...)
}

func (tx *tx) query(query string, read func(*row) bool, args ...any) {
	if tx.goesOn() {
		tx.fail(tx.conn.query(query, read, args...))
	}
}

// goesOn tells whether the next statement runs.
func (tx *tx) goesOn() bool {
	if tx.err == nil && tx.fault != nil {
		tx.err = tx.fault(StepStatement)
	}
	return tx.err == nil
}

func (tx *tx) fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// collect reads every row into a slice.
func collect[T any](tx *tx, query string, read func(*row) T, args ...any) []T {
	var all []T
	tx.all(query, func(r *row) { all = append(all, read(r)) }, args...)
	return all
}

// read runs a read on one of the readers.
func read[Out any](ctx context.Context, s *Store, doing string, run func(*tx) Out) (Out, error) {
	var out, none Out
	conn, err := s.readers.take(ctx)
	if err != nil {
		return none, wrap(doing, err)
	}
	defer s.readers.give(conn)
	tx := &tx{conn: conn}
	if out = run(tx); tx.err != nil {
		return none, wrap(doing, tx.err)
	}
	return out, nil
}

// write runs an operation in the writer's next commit.
func write[Out any](ctx context.Context, s *Store, doing string, run func(*tx) Out) (Out, error) {
	var out, none Out
	if err := s.writer.do(ctx, func(tx *tx) { out = run(tx) }); err != nil {
		return none, wrap(doing, err)
	}
	return out, nil
}

// find is read for what may not be there.
func find[Out any](ctx context.Context, s *Store, doing string, run func(*tx) (Out, bool)) (Out, error) {
	found := false
	out, err := read(ctx, s, doing, func(tx *tx) (out Out) {
		out, found = run(tx)
		return out
	})
	if err == nil && !found {
		err = wrap(doing, core.ErrNotFound)
	}
	return out, err
}
