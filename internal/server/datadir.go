package server

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/keyring"
)

// The files of the data directory.
const (
	databaseFile = "countersign.db"
	masterFile   = "master.key"
	logFile      = "security.log"
	lockFile     = "lock"
	instanceFile = "instance" // names the log here, among those of all instances
)

// openDataDir makes the data directory, mode 0700, where it is missing, and
// takes it for this process: two servers in one would break each other's
// security log.
func openDataDir(path string) (io.Closer, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w; give data_dir a place that this process may write to", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be written to: %w; make it writable for this process, or give data_dir another place", path, err)
	}
	if err := lockExclusively(lock); err != nil {
		lock.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("another server uses the data directory %s: stop it, or give this one a data_dir of its own", path)
		}
		return nil, fmt.Errorf("taking the data directory %s: %w", path, err)
	}
	return lock, nil
}

var errLocked = errors.New("locked")

// masters gives the master keys: those of the settings, or those of the file in
// the data directory. The file is made only for a database that has no keys
// yet; made tells that it is new.
func masters(c config.Config, fresh bool, rand io.Reader) (keys []keyring.Master, made bool, err error) {
	if list := c.MasterKey.Reveal(); list != "" {
		keys, err = keyring.ParseMasters(list)
		return keys, false, err
	}
	path := filepath.Join(c.DataDir, masterFile)
	if shared(c) && !exists(path) {
		return nil, false, fmt.Errorf("master_key (COUNTERSIGN_MASTER_KEY) is not set, and over a shared database it is never made: " +
			"give every instance the same, 32 random bytes in base64, as `openssl rand -base64 32` makes them")
	}
	if !fresh && !exists(path) {
		return nil, false, fmt.Errorf("the database in %s is there, but its master key file %s is not: put the file back, "+
			"or set master_key (COUNTERSIGN_MASTER_KEY) to the key it was made with; a new key could open nothing in it", c.DataDir, path)
	}
	return keyring.MasterFile(path, rand)
}

// exists errs on the side of yes: what cannot be looked at may be there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
