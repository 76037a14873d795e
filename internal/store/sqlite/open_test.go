package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
)

func TestOpenMakesPrivateFiles(t *testing.T) {
	s := open(t, Options{})
	account(t, s, &maker{prefix: "mode"}, "number")
	for _, name := range []string{s.path, s.path + "-wal", s.path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(name), info.Mode().Perm())
		}
	}
}

// refused opens what must not open, and looks what is said of it.
func refused(t *testing.T, path string, want ...string) {
	t.Helper()
	s, err := Open(t.Context(), Options{Path: path})
	if err == nil {
		_ = s.Close()
		t.Fatal("it opened")
	}
	for _, each := range append(want, path) {
		if !strings.Contains(err.Error(), each) {
			t.Errorf("%q does not say %q", err, each)
		}
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text.db")
	text := strings.Repeat("this is no database\n", 1000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "restore it from a backup")
	if left, err := os.ReadFile(path); err != nil || string(left) != text {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestOpenRefusesADamagedDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "damaged.db")
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("x", 8192)), 100); err != nil { // past the header
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	refused(t, path, "damaged", "restore it from a backup")
}

// change runs a statement on a database that nobody has open.
func change(t *testing.T, path, statement string) {
	t.Helper()
	conn, err := connect(path, "", pragmas())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := conn.close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesALaterSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later.db")
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	refused(t, path, "version 9999", "run the later release")
}

func TestOpenRefusesAnotherProgramsDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	change(t, path, "CREATE TABLE songs (title TEXT)")
	refused(t, path, "some other program")
}

// The kernel's own files take no new ones, not even root's.
func TestOpenInAReadOnlyDirectory(t *testing.T) {
	refused(t, "/sys/countersign.db", "must be writable")
}

// The server and a command may have one file open, and may both make it.
func TestTwoProcessesShareAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shared.db")
	var all sync.WaitGroup
	for _, prefix := range []string{"one", "two"} {
		all.Go(func() {
			s, err := Open(context.Background(), Options{Path: path})
			if err != nil {
				t.Error(err)
				return
			}
			m := &maker{prefix: prefix}
			for range 100 {
				if _, err := s.OpenChallenge(context.Background(), m.opening(m.challenge(core.PurposeSignup, m.id()))); err != nil {
					t.Error(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s := open(t, Options{Path: path})
	count, err := read(t.Context(), s, "counting", func(tx *tx) (n int) {
		tx.one("SELECT count(*) FROM challenges", func(r *row) { n = r.int() })
		return n
	})
	if err != nil || count != 200 {
		t.Errorf("%d challenges, want 200 (%v)", count, err)
	}
}

// C-101: what was erased is in none of the files.
func TestC101ErasureLeavesNothingInTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "erased.db")
	s, err := Open(t.Context(), Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{prefix: "erase"}
	got := account(t, s, m, "number")
	sent := begun(t, s, m, core.PurposePhoneChange, got, "another number")
	claim := core.Claim{Holder: "a", Limit: 10, Lease: time.Minute, Now: noon}
	claimed, err := s.ClaimMessages(t.Context(), core.ClaimMessages{Claim: claim})
	if err != nil || len(claimed.Messages) != 1 || claimed.Messages[0].ChallengeID != sent.ID {
		t.Fatalf("claimed %v, %v", claimed, err)
	}
	settled := core.SettleMessage{
		ID: claimed.Messages[0].ID, Holder: "a", State: core.MessageSent, Provider: "provider of one", ProviderRef: "reference of one", Now: noon,
	}
	if outcome, err := s.SettleMessage(t.Context(), settled); err != nil || outcome != core.Done {
		t.Fatalf("%q, %v", outcome, err)
	}
	in := core.DeleteUser{SessionID: got.Session.ID, Now: noon}
	if outcome, err := s.DeleteUser(t.Context(), in); err != nil || outcome != core.Done {
		t.Fatalf("%q, %v", outcome, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, gone := range []string{
			"Ada Lovelace", "ada@example.org", "first hash", "sealed number", "sealed another number", sent.ID,
			"provider of one", "reference of one",
		} {
			if strings.Contains(string(content), gone) {
				t.Errorf("%s still has %q", filepath.Base(name), gone)
			}
		}
	}
}
