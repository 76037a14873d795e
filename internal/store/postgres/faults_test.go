package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/core"
)

// Invariants 6 and 8: with a fault at whatever step, an operation has fully
// happened or not at all.
func TestC72FaultAtEachStep(t *testing.T) {
	f := &faults{}
	url := database(t)
	s := open(t, Options{URL: url, Faults: f.at})
	m := &maker{prefix: "fault"}
	watcher := connect(t, url)
	defer func() {
		if err := watcher.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	prepared := operations(t, s, m)
	for _, name := range inOrder(prepared) {
		for _, step := range []string{StepBegin, StepOperation, StepCommit} {
			unchanged(t, watcher, name+" failing at "+step, prepared[name], f, faults{step: step, times: 1})
		}
		failAtStatements(t, watcher, name, prepared[name], f)
	}
}

// failAtStatements fails an operation at its first statement, its second, and
// so on, until it gets through.
func failAtStatements(t *testing.T, watcher *pgx.Conn, name string, operation func() error, f *faults) {
	t.Helper()
	before := everything(t, watcher)
	for n := 1; n < 200; n++ {
		*f = faults{step: StepStatement, times: n}
		err := operation()
		gotThrough := f.times > 0
		*f = faults{}
		if gotThrough {
			if err != nil || everything(t, watcher) == before {
				t.Errorf("%s changed nothing, or failed: %v", name, err)
			}
			return
		}
		if !errors.Is(err, errInjected) {
			t.Errorf("%s failing at statement %d: %v", name, n, err)
		}
		if diff := cmp.Diff(before, everything(t, watcher)); diff != "" {
			t.Errorf("%s failing at statement %d left (-before +after):\n%s", name, n, diff)
		}
	}
	t.Errorf("%s never got through", name)
}

func unchanged(t *testing.T, watcher *pgx.Conn, what string, operation func() error, f *faults, fault faults) {
	t.Helper()
	before := everything(t, watcher)
	*f = fault
	if err := operation(); !errors.Is(err, errInjected) || errors.Is(err, core.ErrUncertain) {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(before, everything(t, watcher)); diff != "" {
		t.Errorf("%s left (-before +after):\n%s", what, diff)
	}
}

// inOrder gives the names with those last that take others' rows.
func inOrder(prepared map[string]func() error) []string {
	last := map[string]bool{"UnlockNumber": true, "ClaimMessages": true, "ClaimEvents": true, "Sweep": true}
	var first, then []string
	for name := range prepared {
		if last[name] {
			continue
		}
		first = append(first, name)
	}
	then = append(then, "UnlockNumber", "ClaimMessages", "ClaimEvents", "Sweep")
	return append(first, then...)
}

func TestFaultAfterTheCommitIsUncertain(t *testing.T) {
	f := &faults{}
	s := open(t, Options{Faults: f.at})
	m := &maker{prefix: "lost"}
	c := m.challenge(core.PurposeSignup, "number")
	*f = faults{step: StepCommitted, times: 1}
	if _, err := s.OpenChallenge(t.Context(), m.opening(c)); !errors.Is(err, core.ErrUncertain) {
		t.Fatalf("got %v, want ErrUncertain", err)
	}
	if _, err := s.Challenge(t.Context(), c.ID); err != nil {
		t.Fatalf("it was committed, yet: %v", err)
	}
}
