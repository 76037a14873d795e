package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/countersign/countersign/internal/core"
)

// Options say where the database is.
type Options struct {
	Path    string // of the file; made with mode 0600 where there is none
	Readers int    // connections that read beside the writer; 4 where 0
	Log     *slog.Logger

	// Alone says that nobody else claims work from this file: whatever is claimed
	// was claimed by a run that has ended, and is due at once.
	Alone bool

	// Faults is asked at each step (StepBegin, …), so that tests can inject
	// failures; nil in production. It is called by the writer alone.
	Faults func(step string) error

	batch int    // operations a commit; maxBatch where 0
	vfs   string // how SQLite reaches the disk; the default where ""
}

// Store is the SQLite engine of core.Store. Several processes may have the
// same file open.
type Store struct {
	path    string
	log     *slog.Logger
	writer  *writer
	readers pool
	sweptTo int64 // rowid of the last session that was swept; the writer's alone

	closing sync.Once
	closed  error // what closing came to
}

var _ core.Store = (*Store)(nil)

// Open opens the database, makes it where there is none, and brings its schema
// up to date. Its errors name the file and the remedy.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if err := makeFiles(o.Path); err != nil {
		return nil, explain(o.Path, err)
	}
	var writing *conn
	err = whenFree(ctx, func() (err error) {
		writing, err = connectUpToDate(ctx, o)
		return err
	})
	if err != nil {
		return nil, explain(o.Path, err)
	}
	s := &Store{path: o.Path, log: o.Log, writer: newWriter(writing, o.batch, o.Faults), readers: newPool(o)}
	if o.Alone {
		if err := s.releaseClaims(ctx); err != nil { // they lapse by themselves
			o.Log.Warn("the claims of an earlier run are waited for", "error", err)
		}
	}
	return s, nil
}

func (o Options) complete() (Options, error) {
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return o, fmt.Errorf("finding %s: %w", o.Path, err)
	}
	o.Path = path
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.batch == 0 {
		o.batch = maxBatch
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// makeFiles makes what SQLite would make itself, but readable by the owner
// alone. The two beside the database go when the last process closes it.
func makeFiles(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// whenFree tries again while another process is making the same file: SQLite
// does not wait for its lock where it turns to the write-ahead log.
func whenFree(ctx context.Context, open func() error) error {
	for tries := 0; ; tries++ {
		err := open()
		if tries == 50 || !errors.Is(err, sqlite3.BUSY) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// connectUpToDate opens the writer's connection. Only where the schema is not
// today's it takes the time that the migrations do.
func connectUpToDate(ctx context.Context, o Options) (*conn, error) {
	settings := pragmas("cache_size(-16000)")
	writing, err := connect(o.Path, o.vfs, settings)
	if err != nil || upToDate(writing) {
		return writing, err
	}
	if err := errors.Join(writing.close(), migrate(ctx, o)); err != nil {
		return nil, err
	}
	return connect(o.Path, o.vfs, settings)
}

// Commits tells how many transactions were made durable since the store was
// opened, and how many operations shared them.
func (s *Store) Commits() (commits, operations int64) {
	return s.writer.commits.Load(), s.writer.operations.Load()
}

// Close lets the operations that were handed in run to their end, brings what
// is in the log into the file, and closes it. Later operations get ErrClosed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.writer.close()
		_, checkpointed := s.writer.conn.exec("PRAGMA wal_checkpoint(TRUNCATE)")
		failed := errors.Join(checkpointed, s.readers.close(), s.writer.conn.close())
		s.closed = wrap("closing "+s.path, failed)
	})
	return s.closed
}

// MessagesQueued implements core.Store.
func (s *Store) MessagesQueued() <-chan struct{} { return s.writer.signals.messages }

// EventsQueued implements core.Store.
func (s *Store) EventsQueued() <-chan struct{} { return s.writer.signals.events }

// pingBytes is more than any flow writes.
const pingBytes = 64 << 10

// Ping implements core.Store: it reads from the file, and writes to it.
func (s *Store) Ping(ctx context.Context) error {
	_, err := read(ctx, s, "pinging", func(tx *tx) bool { return tx.exists("SELECT count(*) FROM keys") })
	if err != nil {
		return err
	}
	_, err = write(ctx, s, "pinging", func(tx *tx) int64 {
		return tx.exec("UPDATE pulse SET beats = beats + 1, weight = zeroblob(?)", pingBytes)
	})
	return err
}

// releaseClaims makes what a run that was killed had claimed due again.
func (s *Store) releaseClaims(ctx context.Context) error {
	_, err := write(ctx, s, "releasing claims", func(tx *tx) struct{} {
		tx.exec("UPDATE messages SET holder = '', due_at = 0 WHERE settled_at = 0 AND holder <> ''")
		tx.exec("UPDATE sinks SET holder = '', lease_until = 0 WHERE holder <> ''")
		tx.exec("UPDATE watchers SET holder = '', lease_until = 0 WHERE holder <> ''")
		return struct{}{}
	})
	return err
}

// pool is the reading connections. One opens when all that are open are at
// work: a quiet server needs one.
type pool struct {
	idle chan *conn
	more chan struct{} // one for each that is not open yet
	open func() (*conn, error)
}

func newPool(o Options) pool {
	p := pool{idle: make(chan *conn, o.Readers), more: make(chan struct{}, o.Readers), open: func() (*conn, error) {
		return connect(o.Path, o.vfs, pragmas("query_only(on)"))
	}}
	for range o.Readers {
		p.more <- struct{}{}
	}
	return p
}

func (p pool) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	more := p.more
	if len(p.idle) > 0 {
		more = nil
	}
	select {
	case conn, open := <-p.idle:
		if !open {
			return nil, ErrClosed
		}
		return conn, nil
	case <-more:
		conn, err := p.open()
		if err != nil {
			p.more <- struct{}{}
		}
		return conn, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pool) give(conn *conn) { p.idle <- conn }

// close waits for all connections to come back, and closes them and the pool.
func (p pool) close() error {
	var failed error
	for range cap(p.idle) {
		select {
		case conn := <-p.idle:
			failed = errors.Join(failed, conn.close())
		case <-p.more:
		}
	}
	close(p.idle)
	return failed
}

// explain says what a failure to open means, and what to do.
func explain(path string, err error) error {
	var remedy string
	switch {
	case errors.Is(err, sqlite3.NOTADB), errors.Is(err, sqlite3.CORRUPT):
		remedy = "it is damaged, or no database: restore it from a backup, or move it away to begin anew"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, sqlite3.READONLY), errors.Is(err, sqlite3.CANTOPEN):
		remedy = "the file and its directory must be writable by this user"
	case errors.Is(err, sqlite3.FULL):
		remedy = "the disk is full: make room"
	case errors.Is(err, sqlite3.BUSY):
		remedy = "another process holds it: stop that one, or wait"
	default:
		return fmt.Errorf("opening the database %s: %w", path, err)
	}
	return fmt.Errorf("opening the database %s: %s: %w", path, remedy, err)
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
