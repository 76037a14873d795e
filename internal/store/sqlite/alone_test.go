package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// What a run that was killed had claimed is due at once to the next run that is
// alone with the file, and to no other.
func TestClaimsOfAKilledRunAreReleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	m := maker{prefix: "alone"}
	killed := open(t, Options{Path: path})
	if _, err := killed.OpenChallenge(t.Context(), m.opening(m.challenge(core.PurposeSignup, "a"))); err != nil {
		t.Fatal(err)
	}
	claim := func(s *Store, holder string) (messages, events int) {
		t.Helper()
		c := core.Claim{Holder: holder, Limit: 10, Lease: time.Minute, Now: noon}
		claimed, err := s.ClaimMessages(t.Context(), core.ClaimMessages{Claim: c})
		if err != nil {
			t.Fatal(err)
		}
		told, err := s.ClaimEvents(t.Context(), "file", c)
		if err != nil {
			t.Fatal(err)
		}
		return len(claimed.Messages), len(told)
	}
	if messages, events := claim(killed, "killed"); messages != 1 || events != 1 {
		t.Fatalf("claimed %d messages and %d events", messages, events)
	}
	beside := open(t, Options{Path: path})
	if messages, events := claim(beside, "beside"); messages != 0 || events != 0 {
		t.Errorf("beside the holder %d messages and %d events were claimed", messages, events)
	}
	alone := open(t, Options{Path: path, Alone: true})
	if messages, events := claim(alone, "alone"); messages != 1 || events != 1 {
		t.Errorf("alone, %d messages and %d events were claimed, want 1 and 1", messages, events)
	}
}
