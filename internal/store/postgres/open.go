package postgres

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/countersign/countersign/internal/core"
)

// The bounds of every statement, as the server keeps them.
const (
	statementTimeout = 5 * time.Second
	lockTimeout      = 4 * time.Second
	idleTimeout      = 10 * time.Second // of a transaction whose instance has gone
)

// connectTimeout is how long one host may take to answer, unless the URL says
// otherwise: where its machine has vanished, the next host's turn comes then.
const connectTimeout = 5 * time.Second

// Options say where the database is.
type Options struct {
	// URL is a connection string as libpq knows it. With
	// default_query_exec_mode=exec nothing is expected of a connection but one
	// transaction: PgBouncer may pool transactions before the server.
	URL string

	Conns int // at most; where 0 the URL's pool_max_conns, or one a processor and 4 at least
	Log   *slog.Logger

	// Faults is asked at each step (StepBegin, …), so that tests can inject
	// failures; nil in production. It is called by many at once.
	Faults func(step string) error

	configure func(*pgxpool.Config) // of this room's tests
}

// Store is the PostgreSQL engine of core.Store. Any number of instances share
// one database.
type Store struct {
	pool   *pgxpool.Pool
	log    *slog.Logger
	local  []string
	faults func(step string) error
	hints  *hints

	sweeping sync.Mutex
	sweptTo  string // id of the last session that was swept

	commits atomic.Int64

	closed  atomic.Bool
	closing sync.Once
}

var _ core.Store = (*Store)(nil)

// Open connects to the database and brings its schema up to date: of several
// instances that start at once, one does. It is ErrMoveUnfinished where the
// database holds a part of an installation (import.go).
func Open(ctx context.Context, o Options) (*Store, error) {
	s, err := connected(ctx, o, bound)
	if err != nil {
		return nil, err
	}
	if err := s.refuseUnfinished(ctx); err != nil {
		s.pool.Close()
		return nil, fmt.Errorf("opening the database %s: %w", place(s.pool.Config()), err)
	}
	s.hints = listen(s.pool, s.log, len(s.local) == 0)
	return s, nil
}

// connected connects to the database and brings its schema up to date. bounds
// has the server bound each statement.
func connected(ctx context.Context, o Options, bounds func(*pgxpool.Config) (local []string)) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("reading the database's URL: %w", err)
	}
	local := bounds(config)
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = time.Hour, 10*time.Minute
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, connectTimeout)
	config.PingTimeout = connectTimeout // of a connection that was idle
	if o.Conns > 0 {
		config.MaxConns = int32(o.Conns)
	}
	if o.configure != nil {
		o.configure(config)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", place(config), err)
	}
	s := &Store{pool: pool, log: o.Log, local: local, faults: o.Faults}
	if err := s.prepare(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening the database %s: %w", place(config), err)
	}
	return s, nil
}

// prepare makes the database ready to be used.
func (s *Store) prepare(ctx context.Context) error {
	done, err := upToDate(ctx, s)
	if err != nil {
		return err
	}
	if !done {
		if err := migrate(ctx, s); err != nil {
			return err
		}
	}
	if err := s.firstPartitions(ctx); err != nil {
		return err
	}
	return s.warnOfLoss(ctx)
}

// place names the database without its password.
func place(config *pgxpool.Config) string {
	return fmt.Sprintf("%s on %s:%d", config.ConnConfig.Database, config.ConnConfig.Host, config.ConnConfig.Port)
}

// bound has the server bound each statement: by settings of the connection or,
// where a connection is only lent for a transaction, by settings that each
// transaction makes (local).
func bound(config *pgxpool.Config) (local []string) {
	settings := []struct {
		name  string
		value time.Duration
	}{
		{"statement_timeout", statementTimeout},
		{"lock_timeout", lockTimeout},
		{"idle_in_transaction_session_timeout", idleTimeout},
	}
	lent := config.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeExec
	for _, each := range settings {
		ms := strconv.FormatInt(each.value.Milliseconds(), 10)
		if lent {
			local = append(local, "set local "+each.name+" = "+ms)
		} else {
			config.ConnConfig.RuntimeParams[each.name] = ms
		}
	}
	return local
}

// warnOfLoss says so where the server is set to lose what it has acknowledged
// (invariant 6).
func (s *Store) warnOfLoss(ctx context.Context) error {
	var fsync, commit string
	_, err := read(ctx, s, "reading the server's settings", func(tx *tx, _ *struct{}) {
		tx.ask("SELECT current_setting('fsync'), current_setting('synchronous_commit')", func(r *row) { r.scan(&fsync, &commit) })
	})
	if fsync == "off" || commit == "off" {
		s.log.Warn("the database server may lose what it has acknowledged", "fsync", fsync, "synchronous_commit", commit)
	}
	return err
}

// Commits tells how many transactions were committed since the store was opened,
// and how many operations were in them: each has its own.
func (s *Store) Commits() (commits, operations int64) {
	return s.commits.Load(), s.commits.Load()
}

// Close waits for the operations that have begun, and closes all connections.
// Later operations get ErrClosed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.hints.close()
		s.pool.Close()
	})
	return nil
}

// MessagesQueued implements core.Store.
func (s *Store) MessagesQueued() <-chan struct{} { return s.hints.messages }

// EventsQueued implements core.Store.
func (s *Store) EventsQueued() <-chan struct{} { return s.hints.events }

// Ping implements core.Store: it reads, and writes through the log to the disk.
// A server that has become a standby is told too.
func (s *Store) Ping(ctx context.Context) error {
	_, err := write(ctx, s, "pinging", func(tx *tx, _ *struct{}) {
		tx.exec("SELECT count(*) FROM keys")
		tx.exec("UPDATE pulse SET beats = beats + 1")
	})
	return err
}
