package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/countersign/countersign/internal/core"
)

// The steps at which Options.Faults is asked.
const (
	StepBegin     = "begin"     // before an operation's first statement
	StepStatement = "statement" // before each statement
	StepOperation = "operation" // after the last statement is made, before it is sent
	StepCommit    = "commit"    // before the trip that commits
	StepCommitted = "committed" // after the commit: its answer is lost
)

// ErrClosed is what operations get once the store is closed.
var ErrClosed = errors.New("the store is closed")

// errLookAgain ends an attempt that saw what another operation has changed
// before it had the lock. The next attempt sees the change.
var errLookAgain = errors.New("it was changed meanwhile")

// errConnectionLost ends an attempt that had not come to its commit.
var errConnectionLost = errors.New("the connection was lost")

// maxTries is how often an operation is attempted.
const maxTries = 10

// patience is how long an operation may take in all, from the time that it has a
// connection. It is longer than the server's own timeouts, so that those come
// first: they leave the connection whole.
const patience = 3 * statementTimeout

// write runs an operation in a transaction, anew where it must look again. Once
// it has a connection, the caller's leaving does not end it.
func write[Out any](ctx context.Context, s *Store, doing string, run func(*tx, *Out)) (Out, error) {
	var none Out
	for tries := 1; ; tries++ {
		var out Out
		tx, err := s.attempt(ctx, func(tx *tx) { run(tx, &out) })
		if err == nil {
			s.commits.Add(1)
			s.hints.send(tx.queuedMessage, tx.queuedEvent)
			return out, nil
		}
		if tries == maxTries || !again(err) {
			return none, fmt.Errorf("%s: %w", doing, err)
		}
	}
}

// attempt runs an operation once.
func (s *Store) attempt(ctx context.Context, run func(*tx)) (*tx, error) {
	conn, err := s.connection(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	tx := &tx{ctx: bounded, conn: conn.Conn(), local: s.local, fault: s.faults}
	err = tx.do(func() { run(tx) })
	s.leaveDemoted(err)
	return tx, err
}

// ErrBusy is what an operation gets that waited for a connection in vain.
var ErrBusy = errors.New("all connections to the database are in use")

// acquireTimeout is how long an operation waits for a connection while others hold
// all: longer than the server lets any statement take.
const acquireTimeout = 8 * time.Second

func (s *Store) connection(ctx context.Context) (*pgxpool.Conn, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	waiting, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(waiting)
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		return nil, ErrBusy
	}
	if err != nil && s.closed.Load() {
		return nil, ErrClosed
	}
	return conn, err
}

// The server's words for what may go well at the next try (SQLSTATE).
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	uniqueViolation      = "23505"
	readOnlyTransaction  = "25006"
)

// again tells whether nothing happened and the next try may go well. A number
// or a key of a begin that two take at once is looked at again: it is taken now.
func again(err error) bool {
	switch {
	case errors.Is(err, core.ErrUncertain):
		return false
	case errors.Is(err, errConnectionLost):
		return true
	}
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		return errors.Is(err, errLookAgain) || pgconn.SafeToRetry(err)
	}
	switch told.Code {
	case serializationFailure, deadlockDetected, readOnlyTransaction: // the next connection may be to the new primary
		return true
	case uniqueViolation:
		return told.ConstraintName == "phones_pkey" || told.ConstraintName == "challenges_by_begin_key"
	}
	return false
}

// leaveDemoted drops all connections once the server behind one of them turns
// out to be no primary any more: the next ones find who is.
func (s *Store) leaveDemoted(err error) {
	var told *pgconn.PgError
	if errors.As(err, &told) && told.Code == readOnlyTransaction {
		s.pool.Reset()
	}
}

// read runs a read. It sees what was committed before it began.
func read[Out any](ctx context.Context, s *Store, doing string, run func(*tx, *Out)) (Out, error) {
	var out, none Out
	conn, err := s.connection(ctx)
	if err != nil {
		return none, fmt.Errorf("%s: %w", doing, err)
	}
	defer conn.Release()
	// A caller who leaves in the middle would cost the connection.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	tx := &tx{ctx: bounded, conn: conn.Conn()}
	run(tx, &out)
	if tx.alone(); tx.err != nil {
		return none, fmt.Errorf("%s: %w", doing, tx.err)
	}
	return out, nil
}

// alone sends what is queued as it is.
func (tx *tx) alone() {
	if tx.err == nil && tx.waiting.Len() > 0 {
		batch := tx.waiting
		tx.take(&batch)
	}
}

// find is read for what may not be there.
func find[Out any](ctx context.Context, s *Store, doing string, run func(tx *tx, out *Out, found *bool)) (Out, error) {
	found := false
	out, err := read(ctx, s, doing, func(tx *tx, out *Out) { run(tx, out, &found) })
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", doing, core.ErrNotFound)
	}
	return out, err
}

// millis is how times are stored: unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
