package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/countersign/countersign/internal/core"
)

// tx is what an operation or a read speaks through. Statements are queued and
// travel together, in their order, when something is asked of the database (one,
// look) or at the end. After its first error it does nothing more and finds
// nothing: an operation need not look after each statement, it fails as a whole.
type tx struct {
	ctx   context.Context
	conn  *pgx.Conn
	local []string // settings that each transaction makes for itself
	fault func(step string) error
	err   error

	waiting pgx.Batch
	after   []func()
	begun   bool

	numbers map[string]bool // whose turns it holds
	told    int             // events so far

	queuedMessage, queuedEvent bool
}

// exec queues a statement whose result nobody looks at.
func (tx *tx) exec(query string, args ...any) {
	if tx.goesOn() {
		tx.waiting.Queue(query, values(args)...)
	}
}

// changes queues a statement and tells how many rows it changed, once that is
// known.
func (tx *tx) changes(rows *int64, query string, args ...any) {
	if tx.goesOn() {
		tx.waiting.Queue(query, values(args)...).Exec(func(tag pgconn.CommandTag) error {
			*rows = tag.RowsAffected()
			return nil
		})
	}
}

// changed runs a statement and what was queued before it, and tells how many
// rows it changed.
func (tx *tx) changed(query string, args ...any) (rows int64) {
	tx.changes(&rows, query, args...)
	tx.look()
	return rows
}

// ask queues a query; read gets its rows once they are there.
func (tx *tx) ask(query string, read func(*row), args ...any) {
	if !tx.goesOn() {
		return
	}
	tx.waiting.Queue(query, values(args)...).Query(func(rows pgx.Rows) error {
		r := &row{rows: rows}
		for rows.Next() {
			if read(r); r.err != nil {
				return r.err
			}
		}
		return rows.Err()
	})
}

// one asks for a row, and tells whether there was one.
func (tx *tx) one(query string, read func(*row), args ...any) (found bool) {
	tx.ask(query, func(r *row) {
		found = true
		read(r)
	}, args...)
	tx.look()
	return found && tx.err == nil
}

// exists queues the question whether a query gives a row.
func (tx *tx) exists(answer *bool, query string, args ...any) {
	tx.ask(query, func(*row) { *answer = true }, args...)
}

// then has something done once the answers to what is queued are there.
func (tx *tx) then(do func()) { tx.after = append(tx.after, do) }

// look sends what is queued, and takes the answers.
func (tx *tx) look() { tx.send(false) }

// send sends what is queued. Without last the transaction stays open; with it,
// it is committed, in the same trip. What needs one trip alone needs no
// BEGIN: until the end of the trip all is one transaction anyway.
func (tx *tx) send(last bool) {
	commits := last && tx.begun
	if tx.err != nil || tx.waiting.Len() == 0 && !commits {
		return
	}
	batch := pgx.Batch{}
	if opens := !tx.begun && (!last || len(tx.local) > 0); opens {
		batch.Queue("begin")
		for _, setting := range tx.local {
			batch.Queue(setting)
		}
		tx.begun = true
	}
	batch.QueuedQueries = append(batch.QueuedQueries, tx.waiting.QueuedQueries...)
	if last && tx.begun {
		batch.Queue("commit")
	}
	tx.take(&batch)
}

// take sends a batch and takes its answers.
func (tx *tx) take(batch *pgx.Batch) {
	tx.waiting = pgx.Batch{}
	after := tx.after
	tx.after = nil
	if tx.fail(tx.conn.SendBatch(tx.ctx, batch).Close()); tx.err != nil {
		return
	}
	for _, do := range after {
		do()
	}
}

// goesOn tells whether the next statement is queued.
func (tx *tx) goesOn() bool {
	if tx.err == nil {
		tx.err = tx.at(StepStatement)
	}
	return tx.err == nil
}

func (tx *tx) fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

func (tx *tx) at(step string) error {
	if tx.fault == nil {
		return nil
	}
	return tx.fault(step)
}

// do runs an operation to its commit, or takes it back.
func (tx *tx) do(run func()) error {
	if err := tx.at(StepBegin); err != nil {
		return err
	}
	if tx.guarded(run); tx.err == nil {
		tx.err = tx.at(StepOperation)
	}
	if tx.err == nil {
		tx.err = tx.at(StepCommit)
	}
	if tx.err != nil {
		return tx.rollback()
	}
	if tx.send(true); tx.err != nil {
		return tx.commitError()
	}
	if err := tx.at(StepCommitted); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUncertain, err)
	}
	return nil
}

// guarded turns a panic of an operation into its error, with the place where it
// happened.
func (tx *tx) guarded(run func()) {
	defer func() {
		if p := recover(); p != nil {
			tx.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	run()
}

// rollback takes back what was begun. Where it cannot, the server does, when it
// finds the connection closed.
func (tx *tx) rollback() error {
	if tx.conn.IsClosed() {
		return fmt.Errorf("%w: %w", errConnectionLost, tx.err)
	}
	if tx.begun {
		if _, err := tx.conn.Exec(tx.ctx, "rollback"); err != nil {
			return errors.Join(tx.err, tx.conn.Close(tx.ctx))
		}
	}
	return tx.err
}

// commitError tells what a failed last trip means. Where the server said that a
// statement or the commit failed, nothing happened; where its answer was lost,
// or it was being shut down, nobody knows.
func (tx *tx) commitError() error {
	if refused(tx.err) {
		return tx.rollback()
	}
	if pgconn.SafeToRetry(tx.err) {
		return tx.err // nothing was sent
	}
	return fmt.Errorf("committing: %w: %w", core.ErrUncertain, tx.err)
}

// refused tells whether the server itself has said that the transaction failed.
// The severity is in the server's language (lc_messages) but for where it says it
// in English beside. Who says that a connection failed (class 08, PgBouncer too)
// knows nothing of the transaction.
func refused(err error) bool {
	var told *pgconn.PgError
	return errors.As(err, &told) && cmp.Or(told.SeverityUnlocalized, told.Severity) == "ERROR" && !strings.HasPrefix(told.Code, "08")
}

// collect queues a query whose rows become a slice.
func collect[T any](tx *tx, into *[]T, query string, read func(*row) T, args ...any) {
	tx.ask(query, func(r *row) { *into = append(*into, read(r)) }, args...)
}
