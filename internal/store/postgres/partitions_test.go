package postgres

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// dated makes ids of a time, as the flows do.
func dated(t *testing.T, at time.Time) string {
	t.Helper()
	id, err := keyring.NewID(at, fixed{})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// fixed is chance that always falls the same way.
type fixed struct{}

func (fixed) Read(b []byte) (int, error) { return len(b), nil }

// tellAt writes a failed sign-in of a time.
func tellAt(t *testing.T, s *Store, at time.Time) (id string) {
	t.Helper()
	e := event.Event{ID: dated(t, at), Time: at, Name: event.FailedLogin, UserID: "somebody"}
	if err := s.FailPassword(t.Context(), core.FailPassword{Now: at, OnFailed: e}); err != nil {
		t.Fatal(err)
	}
	return e.ID
}

// where gives the partition of each row.
func where(t *testing.T, conn *pgx.Conn, table, id string) []string {
	t.Helper()
	return texts(t, conn, "SELECT tableoid::regclass::text FROM "+table+" WHERE id = '"+id+"'")
}

func partitionsOf(t *testing.T, s *Store, table string) []string {
	t.Helper()
	has, err := s.partitions(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	return has
}

// keeping is a sweep at a time that keeps what is usual.
func keeping(at time.Time) core.Sweep {
	const day = 24 * time.Hour
	return core.Sweep{Now: at, Limit: 100, KeepChallenges: day, KeepEnded: 30 * day, KeepAddresses: 90 * day, KeepEvents: 365 * day}
}

func sweepOnce(t *testing.T, s *Store, in core.Sweep) {
	t.Helper()
	if _, err := s.Sweep(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// watcherOf connects to a database, to look past the store.
func watcherOf(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn := connect(t, url)
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// Events lie by months and go by months: not before a year is over, not before
// every sink has them, and then all at once.
func TestC78EventsGoByMonth(t *testing.T) {
	url := pgtest.Copy(t, schema(t)) // its partitions are its own
	s, conn := open(t, Options{URL: url}), watcherOf(t, url)
	may := time.Date(2030, 5, 31, 23, 59, 0, 0, time.UTC)
	sweepOnce(t, s, keeping(may))
	first, second := tellAt(t, s, may), tellAt(t, s, may.Add(time.Hour))
	for id, want := range map[string]string{first: "events_203005", second: "events_203006", tellAt(t, s, may.AddDate(5, 0, 0)): "events_other"} {
		if got := where(t, conn, "events", id); !slices.Equal(got, []string{want}) {
			t.Errorf("%s is in %v, want %s", id, got, want)
		}
	}
	over := time.Date(2031, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Millisecond) // May is, and a year
	sweepOnce(t, s, keeping(over))
	if got := where(t, conn, "events", first); len(got) != 1 {
		t.Error("an event went before any sink could claim it")
	}
	claim := core.Claim{Holder: "a", Limit: 1, Lease: time.Minute, Now: may}
	if got, err := s.ClaimEvents(t.Context(), "log", claim); err != nil || len(got) != 1 {
		t.Fatalf("claimed %v, %v", got, err)
	}
	sweepOnce(t, s, keeping(over))
	if got := where(t, conn, "events", first); len(got) != 1 {
		t.Error("an event went that a sink has not settled")
	}
	in := core.SettleEvents{Sink: "log", Holder: "a", Through: first, Now: may}
	if got, err := s.SettleEvents(t.Context(), in); err != nil || got != core.Done {
		t.Fatalf("settling: %q, %v", got, err)
	}
	sweepOnce(t, s, keeping(over.Add(-2*time.Millisecond)))
	if got := where(t, conn, "events", first); len(got) != 1 {
		t.Error("an event went before its month was a year old")
	}
	sweepOnce(t, s, keeping(over))
	if has := partitionsOf(t, s, "events"); slices.Contains(has, "events_203005") || !slices.Contains(has, "events_203006") {
		t.Errorf("the partitions are %v", has)
	}
	if got := where(t, conn, "events", second); len(got) != 1 {
		t.Error("an event of the next month went along")
	}
}

// Messages lie by days, and a day goes when no limit counts it any more and
// nothing of it waits to be sent.
func TestC39MessagesGoByDay(t *testing.T) {
	url := pgtest.Copy(t, schema(t))
	s, conn := open(t, Options{URL: url}), watcherOf(t, url)
	m := &maker{prefix: "day"}
	noon := time.Date(2030, 5, 4, 12, 0, 0, 0, time.UTC)
	sweepOnce(t, s, keeping(noon))
	in := m.opening(m.challenge(core.PurposeSignup, "number"))
	in.Message.ID = dated(t, noon)
	in.Challenge.ExpiresAt, in.Message.ExpiresAt = noon.Add(10*time.Minute), noon.Add(30*24*time.Hour)
	if _, err := s.OpenChallenge(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		at      time.Time
		settled bool
		want    int
	}{
		{noon.Add(36*time.Hour - time.Millisecond), true, 1}, // its day may be counted yet
		{noon.Add(36 * time.Hour), false, 1},                 // it may be sent yet
		{noon.Add(36 * time.Hour), true, 0},
	} {
		run(t, url, "UPDATE messages SET settled_at = "+map[bool]string{true: "1", false: "0"}[step.settled])
		sweepOnce(t, s, keeping(step.at))
		if got := where(t, conn, "messages", in.Message.ID); len(got) != step.want {
			t.Errorf("at %s, settled %t, it is in %v", step.at, step.settled, got)
		}
	}
	if has := partitionsOf(t, s, "messages"); slices.Contains(has, "messages_20300504") || !slices.Contains(has, "messages_20300508") {
		t.Errorf("the partitions are %v", has)
	}
}

// A clock that jumps into a stretch without a partition loses nothing: what lies in
// the other partition stays there, and goes row by row.
func TestRowsInTheWayOfAPartition(t *testing.T) {
	url := pgtest.Copy(t, schema(t))
	s, conn := open(t, Options{URL: url}), watcherOf(t, url)
	at := time.Date(2030, 5, 31, 12, 0, 0, 0, time.UTC)
	id := tellAt(t, s, at)
	sweepOnce(t, s, keeping(at))
	if got := where(t, conn, "events", id); !slices.Equal(got, []string{"events_other"}) {
		t.Errorf("it is in %v", got)
	}
	if _, err := s.ClaimEvents(t.Context(), "log", core.Claim{Holder: "a", Limit: 1, Lease: time.Minute, Now: at}); err != nil {
		t.Fatal(err)
	}
	sweepOnce(t, s, keeping(at.AddDate(1, 0, 1)))
	if got := where(t, conn, "events", id); len(got) != 1 {
		t.Error("an event went that a sink has not settled")
	}
	in := core.SettleEvents{Sink: "log", Holder: "a", Through: id, Now: at}
	if got, err := s.SettleEvents(t.Context(), in); err != nil || got != core.Done {
		t.Fatalf("settling: %q, %v", got, err)
	}
	sweepOnce(t, s, keeping(at.AddDate(1, 0, 1)))
	if got := where(t, conn, "events", id); len(got) > 0 {
		t.Errorf("it is in %v after a year", got)
	}
}

// A partition waits for nobody who uses the table, nor do they for it.
func TestSweepGivesWay(t *testing.T) {
	url := pgtest.Copy(t, schema(t))
	s, conn := open(t, Options{URL: url}), watcherOf(t, url)
	at := time.Date(2030, 5, 31, 12, 0, 0, 0, time.UTC)
	busy, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := busy.Exec(t.Context(), "LOCK TABLE events, messages IN SHARE UPDATE EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	sweepOnce(t, s, keeping(at))
	if has := partitionsOf(t, s, "events"); slices.Contains(has, "events_203005") {
		t.Errorf("the partitions are %v", has)
	}
	if err := busy.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	sweepOnce(t, s, keeping(at))
	if has := partitionsOf(t, s, "events"); !slices.Contains(has, "events_203005") {
		t.Errorf("the partitions are %v", has)
	}
}

// Whoever has no time for a partition now starts and sweeps all the same.
func TestPartitionThatTakesTooLongIsLeft(t *testing.T) {
	w := &wire{}
	url := pgtest.Copy(t, schema(t))
	s := open(t, Options{URL: url, configure: w.tap})
	w.refuses(queryCanceled, 1_000_000, "create table")
	at := time.Date(2030, 5, 31, 12, 0, 0, 0, time.UTC)
	sweepOnce(t, s, keeping(at))
	if w.refused.Load() == 0 {
		t.Error("no partition was tried")
	}
	w.refuses("", 0, "")
	sweepOnce(t, s, keeping(at))
	if has := partitionsOf(t, s, "events"); !slices.Contains(has, "events_203005") {
		t.Errorf("the partitions are %v", has)
	}
}
