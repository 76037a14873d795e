package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/internal/core"
)

func TestBackupWhileWriting(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "before"}
	before := account(t, s, m, "number")
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		m := &maker{prefix: "during"}
		for ctx.Err() == nil {
			if _, err := s.OpenChallenge(ctx, m.opening(m.challenge(core.PurposeSignup, m.id()))); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	target := filepath.Join(t.TempDir(), "copy.db")
	err := Backup(t.Context(), s.path, target)
	stop()
	writing.Wait()
	if err != nil {
		t.Fatal(err)
	}

	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the copy: %v, %v", info.Mode(), err)
	}
	copied := open(t, Options{Path: target})
	if got, err := copied.User(t.Context(), before.User.ID); err != nil || got.Name != before.User.Name {
		t.Errorf("the user in the copy: %v, %v", got, err)
	}
	// Each operation is in the copy whole, or not at all.
	torn, err := read(t.Context(), copied, "checking", func(tx *tx) (found string) {
		tx.one("PRAGMA quick_check(1)", func(r *row) { found = r.text() })
		if found == "ok" && !tx.exists(`SELECT 1 FROM challenges c LEFT JOIN messages m ON m.challenge_id = c.id WHERE m.id IS NULL`) {
			return ""
		}
		return found + ", or a challenge without its message"
	})
	if torn != "" || err != nil {
		t.Errorf("the copy is torn: %s, %v", torn, err)
	}
}

func TestBackupRefuses(t *testing.T) {
	s := open(t, Options{})
	target := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(target, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), s.path, target); err == nil || !strings.Contains(err.Error(), "choose another name") {
		t.Errorf("onto a file that exists: %v", err)
	}
	if content, err := os.ReadFile(target); err != nil || string(content) != "mine" {
		t.Errorf("it was touched: %q, %v", content, err)
	}
	target = filepath.Join(t.TempDir(), "copy.db")
	if err := Backup(t.Context(), s.path+".none", target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of no database: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Backup(ctx, s.path, target); err == nil {
		t.Error("it ran though its context had ended")
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a failed backup left something: %v", err)
	}
}
