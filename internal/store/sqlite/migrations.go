package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ncruces/go-sqlite3/driver"
	"github.com/pressly/goose/v3"
)

// Forward only, and such that the release before still runs on the result.
//
//go:embed migrations/*.sql
var migrations embed.FS

// applicationID is what 0001_start.sql writes into the file's header.
const applicationID = 1131636590

// upToDate tells, as fast as can be, whether the schema is ours and the one that
// this program makes. Of what it cannot tell it says no: migrate says why.
func upToDate(c *conn) bool {
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return false
	}
	var newest, id, has int64
	if _, err := fmt.Sscanf(files[len(files)-1].Name(), "%d_", &newest); err != nil {
		return false
	}
	err = c.query("SELECT application_id, (SELECT max(version_id) FROM goose_db_version) FROM pragma_application_id",
		func(r *row) bool {
			id, has = r.long(), r.long()
			return true
		})
	return err == nil && id == applicationID && has == newest
}

// migrate brings the schema up to date. It refuses a file that is not ours,
// and one that a later release has changed.
func migrate(ctx context.Context, o Options) (err error) {
	db, err := driver.Open(dsn(o.Path, o.vfs, pragmas()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := refuseForeign(ctx, db); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSlog(o.Log))
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	return bringUp(ctx, provider)
}

// bringUp applies what is missing. Another process may be doing the same: who
// comes second fails, looks again, and goes on where the other stands.
func bringUp(ctx context.Context, provider *goose.Provider) error {
	var failed error
	for last := int64(-1); ; {
		has, knows, err := provider.GetVersions(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("reading the schema's version: %w", errors.Join(failed, err))
		case has > knows:
			return fmt.Errorf("its schema has version %d and this program knows versions up to %d: run the later release that wrote it", has, knows)
		case has == knows:
			return nil
		case has == last:
			return fmt.Errorf("migrating the schema from version %d to %d: %w", has, knows, failed)
		}
		last = has
		_, failed = provider.Up(ctx)
	}
}

// refuseForeign refuses a database of some other program, before anything is
// changed in it.
func refuseForeign(ctx context.Context, db *sql.DB) error {
	var id, tables int64
	row := db.QueryRowContext(ctx, `SELECT application_id, (SELECT count(*) FROM sqlite_schema
		WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'goose\_%' ESCAPE '\')
		FROM pragma_application_id`)
	if err := row.Scan(&id, &tables); err != nil {
		return fmt.Errorf("looking what it holds: %w", err)
	}
	if tables > 0 && id != applicationID {
		return errors.New("it is a database of some other program: choose another data directory")
	}
	return nil
}
