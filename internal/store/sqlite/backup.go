package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup makes a consistent copy of a database while others may be writing to
// it. target must not exist; it is made with mode 0600 and is on the disk when
// Backup returns. Where it fails, nothing is left.
func Backup(ctx context.Context, databasePath, target string) (err error) {
	path, err := filepath.Abs(databasePath)
	if err != nil {
		return wrap("backing up "+databasePath, err)
	}
	if _, err := os.Stat(path); err != nil {
		return wrap("backing up", err)
	}
	out, err := os.OpenFile(target, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("backing up to %s: there is such a file already: choose another name", target)
	}
	if err != nil {
		return wrap("backing up", err)
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(wrap("backing up "+path, err), os.Remove(target))
		}
	}()
	if err := copyInto(ctx, path, target); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(target))
}

// copyInto writes the copy. SQLite takes the file that was made for it, as it
// is empty, and reads all of the database as it is at one moment.
func copyInto(ctx context.Context, path, target string) (err error) {
	conn, err := connect(path, "", pragmas())
	if err != nil {
		return explain(path, err)
	}
	defer func() { err = errors.Join(err, conn.close()) }()
	conn.db.SetInterrupt(ctx)
	_, err = conn.exec("VACUUM INTO ?", target)
	return err
}

// syncDirectory makes a new name in a directory durable.
func syncDirectory(name string) error {
	directory, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
