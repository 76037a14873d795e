package server

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/store/postgres"
	"github.com/countersign/countersign/internal/store/sqlite"
)

// shared tells whether other instances may use the same database.
func shared(c config.Config) bool { return c.DatabaseURL.Reveal() != "" }

// openEngine opens the database that the settings name. alone says that no
// server runs over the same data directory.
func openEngine(ctx context.Context, c config.Config, o Options, alone bool) (engine, error) {
	if shared(c) {
		// A nil *Store in the interface would be no nil.
		store, err := postgres.Open(ctx, postgres.Options{URL: c.DatabaseURL.Reveal(), Log: o.Log})
		if err != nil {
			return nil, fmt.Errorf("%w; database_url says which database it is", err)
		}
		return store, nil
	}
	if err := refuseMoved(c); err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(c.DataDir, databaseFile), Log: o.Log, Alone: alone})
	if err != nil {
		return nil, err
	}
	return store, nil
}

// databaseName is what errors call the database.
func databaseName(c config.Config) string {
	if shared(c) {
		return "the database that database_url names"
	}
	return filepath.Join(c.DataDir, databaseFile)
}

// notEmptyBeside tells of an empty database beside a log that is not: a start
// would make keys, and open nothing of what was.
func notEmptyBeside(c config.Config) error {
	if shared(c) {
		return fmt.Errorf("%s is empty, but the security log in %s is not new: check database_url; "+
			"to bring an embedded installation there, run countersign move; to begin anew, move %s away", databaseName(c), c.DataDir, logFile)
	}
	return fmt.Errorf("the database %s is empty, but the security log beside it is not new: put a backup of the database in its place; "+
		"to begin anew, move %s away too", databaseName(c), logFile)
}
