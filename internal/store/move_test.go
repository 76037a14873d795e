package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store"
	"github.com/countersign/countersign/internal/store/postgres"
	"github.com/countersign/countersign/internal/store/storetest"
)

// An installation that was lived in moves, stopped and resumed again and again,
// and tells the same on the other side.
func TestLivedInInstallationMoves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	lived := openSQLite(t, path)
	now := storetest.Live(t, lived)
	closed(t, lived)
	url := database(t)

	export := openExport(t, path)
	of := namesIn(t, export)
	report, runs := stubborn(t, export, url)
	t.Logf("%d runs: %+v", runs, report.Tables)
	if names := empty(report); len(names) > 0 {
		t.Errorf("nothing lived in %v: the test shows nothing of them", names)
	}
	if runs < 20 {
		t.Errorf("it was stopped only %d times", runs)
	}
	closed(t, export)

	there, err := postgres.Open(t.Context(), postgres.Options{URL: url, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, there)
	here := openSQLite(t, path)
	defer closed(t, here)
	want, got := storetest.Tell(t, here, of, now), storetest.Tell(t, there, of, now)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(sameText)); diff != "" {
		t.Errorf("what they tell (-before +after):\n%s", diff)
	}
}

// sameText lets texts be brought into the form that every engine takes.
func sameText(a, b string) bool { return store.Storable(a) == store.Storable(b) }

// stubborn moves with small batches, each run stopped a few steps behind the one
// before, in front of a step or behind it, until one comes to its end.
func stubborn(t *testing.T, from store.Source, url string) (store.Report, int) {
	t.Helper()
	target := openImport(t, url)
	defer closed(t, target)
	for run := 1; ; run++ {
		stopping := &stops{Target: target, in: 1 + run%3, before: run%2 == 0}
		report, err := store.Move(t.Context(), from, stopping, 40)
		if err == nil {
			return report, run
		}
		if !errors.Is(err, errStopped) {
			t.Fatal(err)
		}
		if run%8 == 0 && !stopping.finished {
			refused(t, url)
		}
	}
}

// refused fails the test if a server could open a database.
func refused(t *testing.T, url string) {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url, Conns: 2})
	if err == nil {
		closed(t, s)
	}
	if !errors.Is(err, postgres.ErrMoveUnfinished) {
		t.Errorf("an unfinished move was opened: %v", err)
	}
}

var errStopped = errors.New("stopped")

// stops is a target that fails after some steps, before one or behind it: as a
// process that is killed, it may not know that it was done.
type stops struct {
	store.Target
	in       int
	before   bool
	finished bool // in spite of the error
}

func (s *stops) Append(ctx context.Context, t store.Table, rows []store.Row, from, to store.Progress) error {
	return s.step(func() error { return s.Target.Append(ctx, t, rows, from, to) })
}

func (s *stops) Finish(ctx context.Context) error {
	return s.step(func() error {
		err := s.Target.Finish(ctx)
		s.finished = err == nil
		return err
	})
}

func (s *stops) step(do func() error) error {
	if s.in--; s.in > 0 {
		return do()
	}
	if s.before {
		return errStopped
	}
	return errors.Join(do(), errStopped)
}

// Cancelled in the middle, a move goes on later.
func TestCancelledMoveGoesOn(t *testing.T) {
	path, url := small(t), database(t)
	export := openExport(t, path)
	defer closed(t, export)
	target := openImport(t, url)
	defer closed(t, target)
	ctx, cancel := context.WithCancel(t.Context())
	steps := &counts{Target: target, at: func(n int) {
		if n == 4 {
			cancel()
		}
	}}
	if _, err := store.Move(ctx, export, steps, 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	report, err := store.Move(t.Context(), export, target, 1)
	if err != nil || !report.Resumed || report.Earlier {
		t.Fatalf("it ended with %v, %+v", err, report)
	}
}

type counts struct {
	store.Target
	n  int
	at func(n int)
}

func (c *counts) Append(ctx context.Context, t store.Table, rows []store.Row, from, to store.Progress) error {
	c.n++
	c.at(c.n)
	return c.Target.Append(ctx, t, rows, from, to)
}

// Finished, it is only compared again.
func TestFinishedMoveIsComparedAgain(t *testing.T) {
	path, url := small(t), database(t)
	export := openExport(t, path)
	defer closed(t, export)
	target := openImport(t, url)
	defer closed(t, target)
	if _, err := store.Move(t.Context(), export, target, 100); err != nil {
		t.Fatal(err)
	}
	report, err := store.Move(t.Context(), export, &counts{Target: target, at: func(int) { t.Error("it copied") }}, 100)
	if err != nil || !report.Earlier || len(report.Differs()) > 0 {
		t.Errorf("it ended with %v, %+v", err, report)
	}
}

// A row that is not on the other side as it was keeps a move from being finished.
func TestDifferenceIsNoFinish(t *testing.T) {
	path, url := small(t), database(t)
	export := openExport(t, path)
	defer closed(t, export)
	target := openImport(t, url)
	defer closed(t, target)
	report, err := store.Move(t.Context(), export, spoils{target}, 100)
	if !errors.Is(err, store.ErrDiffers) || !slices.Equal(report.Differs(), []string{"api_keys"}) || !strings.Contains(err.Error(), "api_keys") {
		t.Fatalf("it ended with %v, %v", err, report.Differs())
	}
	refused(t, url)
}

// spoils changes one value on its way.
type spoils struct{ store.Target }

func (s spoils) Append(ctx context.Context, t store.Table, rows []store.Row, from, to store.Progress) error {
	if t.Name == "api_keys" && len(rows) > 0 {
		rows[0][1] = "spoiled"
	}
	return s.Target.Append(ctx, t, rows, from, to)
}

// Where something else is, nothing is changed.
func TestOccupiedTargetIsLeftAlone(t *testing.T) {
	url := database(t)
	served, err := postgres.Open(t.Context(), postgres.Options{URL: url, Conns: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := served.AddKey(t.Context(), keyring.StoredKey{ID: "pepper", Slot: "pepper", Sealed: []byte("sealed")}); err != nil {
		t.Fatal(err)
	}
	closed(t, served)
	before := sumsIn(t, url)

	path := small(t)
	export := openExport(t, path)
	defer closed(t, export)
	target := openImport(t, url)
	if _, err := store.Move(t.Context(), export, target, 100); !errors.Is(err, store.ErrOccupied) {
		t.Errorf("it ended with %v", err)
	}
	closed(t, target)
	if diff := cmp.Diff(before, sumsIn(t, url), cmp.Comparer(func(a, b store.Sum) bool { return a == b })); diff != "" {
		t.Errorf("it was changed:\n%s", diff)
	}
	reopened, err := postgres.Open(t.Context(), postgres.Options{URL: url, Conns: 2})
	if err != nil {
		t.Fatalf("its server does not start any more: %v", err)
	}
	closed(t, reopened)
}

// Another installation's move is left alone, finished or not.
func TestOthersMoveIsLeftAlone(t *testing.T) {
	url := database(t)
	first, second := openExport(t, small(t)), openExport(t, small(t))
	defer closed(t, first)
	defer closed(t, second)
	target := openImport(t, url)
	defer closed(t, target)
	if _, err := store.Move(t.Context(), first, &stops{Target: target, in: 5}, 1); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	if _, err := store.Move(t.Context(), second, target, 1); !errors.Is(err, store.ErrOccupied) {
		t.Errorf("into an unfinished one: %v", err)
	}
	if _, err := store.Move(t.Context(), first, target, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Move(t.Context(), second, target, 1); !errors.Is(err, store.ErrOccupied) {
		t.Errorf("into a finished one: %v", err)
	}
}
