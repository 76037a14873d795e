package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store/sqlite"
)

// Backup writes a consistent copy of the database to target, which must not
// exist yet, beside a running server or without one.
func Backup(ctx context.Context, c config.Config, target string, stdout io.Writer) error {
	if shared(c) {
		return errors.New("the database that database_url names is backed up by PostgreSQL's own tools (pg_dump, pg_basebackup): docs/backup.md tells how")
	}
	path := filepath.Join(c.DataDir, databaseFile)
	if err := haveDatabase(c); err != nil {
		return err
	}
	if err := refuseMoved(c); err != nil {
		return err
	}
	if err := sqlite.Backup(ctx, path, target); err != nil {
		return err
	}
	key := "COUNTERSIGN_MASTER_KEY (or master_key in the settings file)"
	if c.MasterKey.Reveal() == "" {
		key = filepath.Join(c.DataDir, masterFile)
	}
	_, err := fmt.Fprintf(stdout, "%s holds the database.\n"+
		"The master key is NOT in it, and without it nothing in it can be opened: keep a copy of\n"+
		"  %s\n"+
		"in another place than the backup.\n", target, key)
	return err
}

// Migrate brings the database to this release's schema, and makes it where
// there is none.
func Migrate(ctx context.Context, c config.Config, o Options, stdout io.Writer) (err error) {
	if !shared(c) {
		lock, locked := openDataDir(c.DataDir)
		if locked != nil {
			return locked
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	store, err := openEngine(ctx, c, o, false)
	if err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", databaseName(c), err)
	}
	_, err = fmt.Fprintf(stdout, "%s has this release's schema.\n", databaseName(c))
	return err
}

// ErrLogBroken says that a security log is not as it was written.
var ErrLogBroken = errors.New("the security log is not as it was written")

// VerifyLog checks files of the security log against their chain and, unless
// they are only a part of the log, against the end that the database knows. Its
// error is ErrLogBroken where they do not hold.
func VerifyLog(ctx context.Context, c config.Config, o Options, files []string, part bool, stdout io.Writer) error {
	if err := haveDatabase(c); err != nil {
		return err
	}
	keys, _, err := masters(c, false, nil)
	if err != nil {
		return err
	}
	ring, err := keyring.New(keys)
	if err != nil {
		return err
	}
	var head event.Head
	if !part {
		if head, err = logHead(ctx, c, o); err != nil {
			return err
		}
	}
	report, err := event.Verify(files, ring, head)
	if err != nil {
		return err
	}
	if p := report.Problem; p != nil {
		if _, err := fmt.Fprintf(stdout, "%s line %d: %s\n", p.File, p.Line, p.What); err != nil {
			return err
		}
		return ErrLogBroken
	}
	if !part && head.File == "" {
		return fmt.Errorf("%d lines, all as they were written, but %s knows no end of this log, so that a cut one would not show: "+
			"check the settings, or give --part to leave the end out", report.Lines, databaseName(c))
	}
	_, err = fmt.Fprintf(stdout, "%d lines, all as they were written.\n", report.Lines)
	return err
}

// logHead reads the end of the log as the database knows it. A running server
// may write on meanwhile: what comes behind the head does not matter.
func logHead(ctx context.Context, c config.Config, o Options) (head event.Head, err error) {
	log, err := knownLogName(c)
	if err != nil {
		return head, err
	}
	store, err := openEngine(ctx, c, o, false)
	if err != nil {
		return head, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	head, err = store.LogHead(ctx, log)
	if err != nil && !errors.Is(err, core.ErrNotFound) {
		return head, fmt.Errorf("reading the security log's head: %w", err)
	}
	return head, nil
}

// haveDatabase tells where there is none to look at.
func haveDatabase(c config.Config) error {
	if !shared(c) && !exists(filepath.Join(c.DataDir, databaseFile)) {
		return fmt.Errorf("there is no database in %s: give data_dir the directory that the server uses", c.DataDir)
	}
	return nil
}
