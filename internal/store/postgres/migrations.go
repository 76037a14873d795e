package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Forward only, and such that the release before still runs on the result.
//
//go:embed migrations/*.sql
var migrations embed.FS

// How long an instance waits for another one that migrates, and how often it
// looks.
const (
	migrationLook = 100 * time.Millisecond
	migrationWait = 10 * time.Minute
)

// upToDate tells, in one question, whether nothing is to be done. The schema may
// be the next release's, which this one runs on while the instances change over.
func upToDate(ctx context.Context, s *Store) (bool, error) {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return false, err
	}
	var newest, has int64
	if _, err := fmt.Sscanf(files[len(files)-1].Name(), "%d_", &newest); err != nil {
		return false, fmt.Errorf("reading the migrations' names: %w", err)
	}
	_, err = read(ctx, s, "reading the schema's version", func(tx *tx, _ *struct{}) {
		tx.ask("SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied", func(r *row) { r.scan(&has) })
	})
	var told *pgconn.PgError
	if errors.As(err, &told) && told.Code == undefinedTable {
		return false, nil
	}
	return has >= newest, err
}

// undefinedTable is the server's word for a table that is not there (SQLSTATE).
const undefinedTable = "42P01"

// migrate brings the schema up to date. Of several instances one holds the lock,
// a row that is kept alive and lapses with its holder: it needs nothing of a
// session that PgBouncer would not pass on.
func migrate(ctx context.Context, s *Store) (err error) {
	config := s.pool.Config().ConnConfig
	delete(config.RuntimeParams, "statement_timeout") // it may have much to do,
	delete(config.RuntimeParams, "lock_timeout")      // and to wait for
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	one, err := lock.NewPostgresTableLocker(
		lock.WithTableLockTimeout(migrationLook, uint64(migrationWait/migrationLook)),
		lock.WithTableUnlockTimeout(migrationLook, 100), lock.WithTableLogger(s.log))
	if err != nil {
		return fmt.Errorf("preparing the migrations' lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log), goose.WithLocker(one))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the schema: %w", err)
	}
	return nil
}
