package server

import (
	"context"
	"os"
	"path/filepath"
	"testing"

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
