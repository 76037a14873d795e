package server

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// The file that names the security log in a shared database is as dear as the log:
// without it, cut or emptied, a start would begin another chain, and nobody would
// miss the end of this one.
func TestALogKeepsItsName(t *testing.T) {
	c := settings(t, t.TempDir(), "DATABASE_URL="+pgtest.Database(t), "MASTER_KEY="+newMaster())
	once(t, c)
	path := filepath.Join(c.DataDir, instanceFile)
	named, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "\n", string(named[:20])} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, c, path, logFile)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused(t, c, path, "put it back", "countersign move")
	if err := os.WriteFile(path, named, 0o600); err != nil {
		t.Fatal(err)
	}
	once(t, c)
}

// The lock of a data directory is over its log, whatever database is behind it.
func TestTwoInstancesDoNotShareADataDirectory(t *testing.T) {
	c := settings(t, t.TempDir(), "DATABASE_URL="+pgtest.Database(t), "MASTER_KEY="+newMaster())
	s, err := Start(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	refused(t, c, "another server", c.DataDir)
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// A database_url that leads to an empty database is a slip: no command but the
// server's begins an installation there, or finds a log's end.
func TestAnEmptyDatabaseIsNoInstallation(t *testing.T) {
	c := settings(t, t.TempDir(), "DATABASE_URL="+pgtest.Database(t), "MASTER_KEY="+newMaster())
	once(t, c)
	log, elsewhere := []string{filepath.Join(c.DataDir, logFile)}, c
	if err := VerifyLog(t.Context(), c, Options{}, log, false, io.Discard); err != nil {
		t.Error(err)
	}
	elsewhere.DatabaseURL = keyring.Secret(pgtest.Database(t))
	err := CreateAPIKey(t.Context(), elsewhere, NewAPIKey{Name: "n", Scopes: []string{"stats:read"}}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "holds no installation") {
		t.Errorf("an API key: %v", err)
	}
	err = VerifyLog(t.Context(), elsewhere, Options{}, log, false, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "knows no end of this log") {
		t.Errorf("the log: %v", err)
	}
	if err := VerifyLog(t.Context(), elsewhere, Options{}, log, true, io.Discard); err != nil {
		t.Errorf("a part of the log: %v", err)
	}
}
