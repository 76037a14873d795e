package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/store"
	"github.com/countersign/countersign/internal/store/postgres"
	"github.com/countersign/countersign/internal/store/sqlite"
)

// movedFile says, in the data directory, that the database there has moved: what
// is in it is not how things stand any more.
const movedFile = "moved"

// moveBatch is how many rows a move copies at a time; a move that is stopped
// loses no more.
const moveBatch = 2000

// Move copies the database in the data directory to the one that database_url
// names, and compares the two. Stopped, it goes on when it is run again; done, it
// only compares. No server runs meanwhile.
func Move(ctx context.Context, c config.Config, o Options, stdout io.Writer) (err error) {
	if !shared(c) {
		return errors.New("where to? set database_url (COUNTERSIGN_DATABASE_URL) to an empty PostgreSQL database")
	}
	path := filepath.Join(c.DataDir, databaseFile)
	if !exists(path) {
		return fmt.Errorf("there is no database in %s: give data_dir the directory that the server used", c.DataDir)
	}
	lock, err := openDataDir(c.DataDir)
	if err != nil {
		return fmt.Errorf("nothing moves while a server runs: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	// The log stays where it is, and goes on under the name that it has among many.
	log, err := nameLog(c, rand.Reader, time.Now())
	if err != nil {
		return err
	}
	from, err := sqlite.OpenExport(ctx, sqlite.Options{Path: path, Log: o.Log}, map[string]string{sharedLog: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := postgres.OpenImport(ctx, postgres.Options{URL: c.DatabaseURL.Reveal(), Log: o.Log})
	if err != nil {
		return fmt.Errorf("%w; database_url says which database it is", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	report, err := store.Move(ctx, from, to, moveBatch)
	return tellMove(c, report, err, stdout)
}

// tellMove says what a move has come to, and marks the data directory where it is
// done.
func tellMove(c config.Config, report store.Report, err error, stdout io.Writer) error {
	if len(report.Tables) > 0 {
		if err := writeTables(report, stdout); err != nil {
			return err
		}
	}
	marked := exists(filepath.Join(c.DataDir, movedFile))
	switch {
	case errors.Is(err, store.ErrOccupied):
		return fmt.Errorf("%w; nothing was changed: give database_url an empty database", err)
	case errors.Is(err, store.ErrDiffers):
		return fmt.Errorf("%w; it is not finished: if a server ran over %s since the move began, make the database that database_url names anew and run this again", err, c.DataDir)
	case err != nil:
		return fmt.Errorf("%w; what is copied stays: run this again to go on", err)
	case report.Earlier && marked && len(report.Differs()) > 0:
		_, err = fmt.Fprintf(stdout, "It has moved before. What differs has changed there since: %s.\n", strings.Join(report.Differs(), ", "))
		return err
	case report.Earlier && len(report.Differs()) > 0:
		return fmt.Errorf("%s has moved there before, and the two have gone their own ways since (%s): give database_url an empty database",
			c.DataDir, strings.Join(report.Differs(), ", "))
	}
	if err := markMoved(c.DataDir); err != nil {
		return err
	}
	word := "has moved"
	if report.Earlier {
		word = "has moved before"
	}
	_, err = fmt.Fprintf(stdout, "The database in %s %s; both sides hold the same.\n\n%s", c.DataDir, word, afterMove(c))
	return err
}

// writeTables lists what was compared.
func writeTables(report store.Report, stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tROWS\tCHECKSUM\t")
	for _, m := range report.Tables {
		verdict := ""
		if !m.Same() {
			verdict = fmt.Sprintf("differs: %d rows there, %.16s", m.To.Rows, m.To)
		}
		fmt.Fprintf(w, "%s\t%d\t%.16s\t%s\n", m.Table, m.From.Rows, m.From, verdict)
	}
	return w.Flush()
}

// afterMove says what the new settings need. It does not show the master key.
func afterMove(c config.Config) string {
	key := "COUNTERSIGN_MASTER_KEY (master_key), as it is set now"
	if c.MasterKey.Reveal() == "" {
		key = "COUNTERSIGN_MASTER_KEY (master_key), the line in " + filepath.Join(c.DataDir, masterFile) + ", such as by\n" +
			"      export COUNTERSIGN_MASTER_KEY=\"$(cat " + filepath.Join(c.DataDir, masterFile) + ")\""
	}
	return "To go on there, every instance needs\n" +
		"  COUNTERSIGN_DATABASE_URL (database_url), as it is set now\n" +
		"  " + key + "\n" +
		"The master key was NOT moved; nothing there can be opened without it.\n" +
		"The security log stays in " + c.DataDir + ", where an instance with this data_dir goes on with it.\n"
}

// markMoved keeps servers from the database that has moved.
func markMoved(dir string) error {
	path := filepath.Join(dir, movedFile)
	err := func() (err error) {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		_, err = file.WriteString("The database in this directory has moved to PostgreSQL: set database_url.\n")
		return errors.Join(err, file.Sync(), file.Close())
	}()
	if err != nil {
		return fmt.Errorf("marking the data directory as moved: %w; run this again, so that no server starts over the old database", err)
	}
	return nil
}

// refuseMoved refuses the database of a data directory that has moved.
func refuseMoved(c config.Config) error {
	if path := filepath.Join(c.DataDir, movedFile); exists(path) {
		return fmt.Errorf("the database in %s has moved to PostgreSQL: set database_url (COUNTERSIGN_DATABASE_URL) to where it is; "+
			"to go back, and lose what has happened there since, delete %s", c.DataDir, path)
	}
	return nil
}
