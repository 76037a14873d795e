package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3"

	"github.com/countersign/countersign/internal/core"
)

// The steps at which Options.Faults is asked.
const (
	StepBegin     = "begin"     // before BEGIN: an error fails the whole batch
	StepStatement = "statement" // before each statement of an operation: fails that operation
	StepOperation = "operation" // after an operation's last statement: fails that operation
	StepCommit    = "commit"    // before COMMIT: fails the whole batch
	StepCommitted = "committed" // after COMMIT: the whole batch is told ErrUncertain
)

// maxBatch bounds how many operations share a commit, and so how long the
// first of them waits for the last.
const maxBatch = 256

// ErrClosed is what operations get once the store is closed.
var ErrClosed = errors.New("the store is closed")

// writer owns the only connection that writes. Its goroutine gathers whatever
// waits into one commit; it never waits for more to come.
type writer struct {
	conn    *conn
	batch   int
	fault   func(step string) error // nil outside tests
	signals signals

	commits, operations atomic.Int64

	mu      sync.RWMutex // guards closed, and the sends on queue from its closing
	closed  bool
	queue   chan *operation
	stopped chan struct{}
}

func newWriter(conn *conn, batch int, fault func(string) error) *writer {
	w := &writer{
		conn: conn, batch: batch, fault: fault, signals: newSignals(),
		queue: make(chan *operation, batch), stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// operation is one caller's work, on its way to the writer.
type operation struct {
	run   func(*tx)
	taken atomic.Bool // by the writer, to be run, or by its caller, who left
	err   error
	done  chan error // gets one value once the outcome is durable
}

// do runs an operation in the next commit. A caller whose context ends before
// the operation was begun leaves, and nothing happens; after that it waits.
func (w *writer) do(ctx context.Context, run func(*tx)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := &operation{run: run, done: make(chan error, 1)}
	if err := w.enqueue(ctx, op); err != nil {
		return err
	}
	select {
	case err := <-op.done:
		return err
	case <-ctx.Done():
		if op.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-op.done
	}
}

func (w *writer) enqueue(ctx context.Context, op *operation) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.queue <- op:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close lets what was handed in run to its end.
func (w *writer) close() {
	w.mu.Lock()
	already := w.closed
	w.closed = true
	w.mu.Unlock()
	if !already {
		close(w.queue)
	}
	<-w.stopped
}

func (w *writer) run() {
	defer close(w.stopped)
	for first := range w.queue {
		batch, err := w.commit(w.gather([]*operation{first}))
		for _, op := range batch {
			if err != nil {
				op.err = err
			}
			op.done <- op.err
		}
	}
}

// gather adds what waits to a batch. It yields once, so that callers who were
// just answered and are about to ask again share this commit.
func (w *writer) gather(batch []*operation) []*operation {
	if w.batch > 1 {
		runtime.Gosched()
	}
	for len(batch) < w.batch {
		select {
		case op, open := <-w.queue:
			if !open {
				return batch
			}
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction, and in it what came while it ran: it
// gives all of them. Its error is everybody's; an operation that fails alone
// has its own.
func (w *writer) commit(batch []*operation) ([]*operation, error) {
	if err := w.begin(); err != nil {
		return batch, fmt.Errorf("beginning a transaction: %w", err)
	}
	var queuedMessage, queuedEvent bool
	for i := 0; i < len(batch); i++ {
		op := batch[i]
		if op.taken.CompareAndSwap(false, true) {
			tx := &tx{conn: w.conn, fault: w.fault}
			op.err = w.attempt(tx, op.run)
			if w.conn.db.GetAutocommit() { // SQLite has taken everything back
				return batch, fmt.Errorf("the transaction was rolled back: %w", op.err)
			}
			queuedMessage = queuedMessage || op.err == nil && tx.queuedMessage
			queuedEvent = queuedEvent || op.err == nil && tx.queuedEvent
		}
		if i == len(batch)-1 {
			batch = w.gather(batch)
		}
	}
	if err := w.end(); err != nil {
		return batch, err
	}
	w.commits.Add(1)
	w.operations.Add(int64(len(batch)))
	w.signals.send(queuedMessage, queuedEvent)
	return batch, nil
}

func (w *writer) begin() error {
	if err := w.at(StepBegin); err != nil {
		return err
	}
	_, err := w.conn.exec("BEGIN IMMEDIATE")
	return err
}

// attempt runs one operation under a savepoint and takes it back if it fails.
func (w *writer) attempt(tx *tx, run func(*tx)) error {
	if _, err := w.conn.exec("SAVEPOINT operation"); err != nil {
		return err
	}
	guarded(tx, run)
	if tx.err == nil {
		tx.err = w.at(StepOperation)
	}
	if tx.err != nil {
		if _, err := w.conn.exec("ROLLBACK TO operation"); err != nil {
			w.rollback() // nothing of this batch may stay, then
			return errors.Join(tx.err, err)
		}
	}
	if _, err := w.conn.exec("RELEASE operation"); err != nil {
		w.rollback()
		return errors.Join(tx.err, err)
	}
	return tx.err
}

// guarded turns a panic of an operation into its error, with the place where
// it happened: the writer serves the others on.
func guarded(tx *tx, run func(*tx)) {
	defer func() {
		if p := recover(); p != nil {
			tx.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	run(tx)
}

// end commits.
func (w *writer) end() error {
	if err := w.at(StepCommit); err != nil {
		w.rollback()
		return fmt.Errorf("committing: %w", err)
	}
	if _, err := w.conn.exec("COMMIT"); err != nil {
		w.rollback()
		return commitError(err)
	}
	if err := w.at(StepCommitted); err != nil {
		return fmt.Errorf("%w: %w", core.ErrUncertain, err)
	}
	return nil
}

// commitError tells what a failed COMMIT means. SQLite has taken the changes
// back; but where the disk failed under it (other than by being full), the
// frames of the commit may have reached the log, and a crash now would bring
// them to life.
func commitError(err error) error {
	if errors.Is(err, sqlite3.IOERR) {
		return fmt.Errorf("committing: %w: %w", core.ErrUncertain, err)
	}
	return fmt.Errorf("committing: %w", err)
}

// rollback takes the transaction back. If that fails there is none any more,
// or the next BEGIN says so.
func (w *writer) rollback() {
	if !w.conn.db.GetAutocommit() {
		_, _ = w.conn.exec("ROLLBACK")
	}
}

func (w *writer) at(step string) error {
	if w.fault == nil {
		return nil
	}
	return w.fault(step)
}

// signals are the hints that something was queued.
type signals struct{ messages, events chan struct{} }

func newSignals() signals {
	return signals{messages: make(chan struct{}, 1), events: make(chan struct{}, 1)}
}

func (s signals) send(message, event bool) {
	if message {
		hint(s.messages)
	}
	if event {
		hint(s.events)
	}
}

func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting to be read
	}
}
