package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
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

// migrate brings the schema up to date. Whoever finds it so goes on; of the
// others one holds the lock, a row that is kept alive and lapses with its
// holder: it needs nothing of a session that PgBouncer would not pass on.
func migrate(ctx context.Context, o Options, config *pgx.ConnConfig) (err error) {
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	one, err := lock.NewPostgresTableLocker(
		lock.WithTableLockTimeout(migrationLook, uint64(migrationWait/migrationLook)),
		lock.WithTableUnlockTimeout(migrationLook, 100), lock.WithTableLogger(o.Log))
	if err != nil {
		return fmt.Errorf("preparing the migrations' lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(o.Log), goose.WithLocker(one))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	if done, err := upToDate(ctx, provider); done || err != nil {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrating the schema: %w", err)
	}
	return nil
}

// upToDate tells whether nothing is to be done. The schema may be the next
// release's, which this one runs on while the instances change over.
func upToDate(ctx context.Context, provider *goose.Provider) (bool, error) {
	has, knows, err := provider.GetVersions(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the schema's version: %w", err)
	}
	return has >= knows, nil
}
