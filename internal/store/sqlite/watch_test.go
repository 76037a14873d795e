package sqlite

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"
	"github.com/pressly/goose/v3"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// What is asked at each begin, claim and look reads along an index, and no more
// of it than its window.
func TestWindowsAreReadByIndex(t *testing.T) {
	s := open(t, Options{Readers: 1})
	conn, err := s.readers.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tx := &tx{conn: conn}
	tx.sends("number", "", core.SendLimits{Day: 1}, noon)
	tx.spentIn(&core.Amounts{}, "DE", noon)
	tx.counts(core.StatsQuery{Since: noon, Until: noon}, time.Hour, "0")
	if tx.err != nil {
		t.Fatal(tx.err)
	}
	s.readers.give(conn)
	want := map[string]string{
		"FROM messages": "SEARCH m USING INDEX messages_sent (phone_key=? AND bucket=? AND created_at>?)",
		"FROM spending": "SEARCH spending USING PRIMARY KEY (span=? AND country=? AND starts_at>?)",
		"FROM rollups":  "SEARCH rollups USING PRIMARY KEY (span=? AND starts_at>? AND starts_at<?)",
	}
	for query := range conn.stmts {
		for from, way := range want {
			if strings.Contains(query, from) {
				if plan := strings.Join(planOf(t, conn, query), "\n"); !strings.Contains(plan, way) {
					t.Errorf("%s\nis read by\n%s", query, plan)
				}
				delete(want, from)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing was asked %v", want)
	}
}

// C-60, C-61: a decoy's begin asks and writes as often as any other, limits on.
func TestC60DecoyCostsTheSame(t *testing.T) {
	statements := 0
	s := open(t, Options{Faults: func(step string) error {
		if step == StepStatement {
			statements++
		}
		return nil
	}})
	m := &maker{prefix: "decoy"}
	owner := account(t, s, m, m.id())
	cost := func(c core.Challenge) int {
		in := m.opening(c)
		in.Sends = core.SendLimits{Waits: []time.Duration{0}, Hour: 1, Day: 10, Spare: &core.SendLimits{Hour: 5}}
		if c.Decoy {
			in.Message.State = core.MessageWithheld
		}
		statements = 0
		if got, err := s.OpenChallenge(t.Context(), in); err != nil || got.Outcome != core.Done {
			t.Fatalf("opening: %q, %v", got.Outcome, err)
		}
		return statements
	}
	known := m.challenge(core.PurposeLogin, owner.User.Phone.Key)
	known.UserID, known.Generation = owner.User.ID, owner.User.Generation
	decoy := m.challenge(core.PurposeLogin, m.id())
	decoy.Decoy = true
	if got, err := s.OpenChallenge(t.Context(), m.opening(m.challenge(core.PurposeSignup, decoy.Phone.Key))); err != nil || got.Outcome != core.Done {
		t.Fatalf("opening: %q, %v", got.Outcome, err)
	}
	if of, ofDecoy := cost(known), cost(decoy); ofDecoy != of+1 { // the read of somebody else in place of the user
		t.Errorf("a begin takes %d statements, a decoy's %d", of, ofDecoy)
	}
}

// Slots that no window touches any more do not stay.
func TestSpendingIsSwept(t *testing.T) {
	s := open(t, Options{})
	claimedBy(t, s, &maker{prefix: "spent"}, "a")
	rows := func() (n int64) {
		t.Helper()
		n, err := read(t.Context(), s, "counting", func(tx *tx) (n int64) {
			tx.one("SELECT count(*) FROM spending", func(r *row) { n = r.long() })
			return n
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, each := range []struct {
		after time.Duration
		kept  int64
	}{{0, 6}, {61 * time.Minute, 4}, {25 * time.Hour, 2}, {32 * 24 * time.Hour, 0}} {
		for _, in := range []core.Sweep{{Now: noon.Add(each.after), Limit: 1}, {Now: noon.Add(each.after), Limit: 10}} {
			if _, err := s.Sweep(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		if got := rows(); got != each.kept {
			t.Errorf("after %s %d rows are kept, want %d", each.after, got, each.kept)
		}
	}
}

// What the release before has written is read, and what it would still write
// is taken: its statements name no column of this release.
func TestReleaseBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "before.db")
	db := atVersion(t, path, 1)
	insert := `INSERT INTO messages (id, user_id, purpose, channel, phone_key, phone_masked, sealed_for, state, tries,
		due_at, holder, created_at, expires_at, settled_at, provider, provider_ref, request_id)
		VALUES (?, '', 'notice', 'sms', 'number', '', '', 'queued', 0, 0, '', ?, ?, 0, '', '', '')`
	created, expires := noon.UnixMilli(), noon.Add(time.Hour).UnixMilli()
	if _, err := db.Exec(insert, "before", created, expires); err != nil {
		t.Fatal(err)
	}
	device := `INSERT INTO devices (id, user_id, label_id, label_name, label_platform, created_at, last_seen_at)
		VALUES (?1, 'user', '', '', '', ?2, ?2)`
	if _, err := db.Exec(`INSERT INTO users (id, phone_masked, phone_verified_at, name, email, locale, password_hash,
		generation, disabled_at, created_at, updated_at) VALUES ('user', '', 0, '', '', '', '', 1, 0, 0, 0)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(device, "before", created); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Path: path})
	for query, args := range map[string][]any{insert: {"beside", created, expires}, device: {"beside", created}} {
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatal(err)
		}
	}
	if before, beside := provedAt(t, s, "before"), provedAt(t, s, "beside"); !before.Equal(noon) || !beside.IsZero() {
		t.Errorf("a device from before is proved at %v, one that the release before adds at %v", before, beside)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	queues, err := s.Queues(t.Context(), noon.Add(time.Minute))
	if err != nil || queues.Messages != 2 || queues.OldestMessage != time.Minute {
		t.Errorf("the queues are %+v, %v", queues, err)
	}
	claim := core.Claim{Holder: "a", Limit: 10, Lease: time.Minute, Now: noon}
	claimed, err := s.ClaimMessages(t.Context(), core.ClaimMessages{Claim: claim, Budgets: core.Budgets{Total: core.Budget{Hour: 1}}})
	if err != nil || len(claimed.Messages) != 2 {
		t.Errorf("claimed %v, %v", claimed, err)
	}
}

func provedAt(t *testing.T, s *Store, device string) time.Time {
	t.Helper()
	at, err := find(t.Context(), s, "reading a device", func(tx *tx) (at time.Time, found bool) {
		found = tx.one("SELECT proved_at FROM devices WHERE id = ?", func(r *row) { at = r.time() }, device)
		return at, found
	})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// The release before has no watchers, and its sweep waits for every row of
// sinks: after a way back to it events are swept all the same.
func TestReleaseBeforeSweeps(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "back"}
	claim := core.Claim{Holder: "a", Limit: 10, Lease: time.Minute, Now: noon}
	watching := claim
	watching.FromNow = true
	for name, claim := range map[string]core.Claim{"watch": watching, "file": claim} {
		if _, err := s.ClaimEvents(t.Context(), name, claim); err != nil {
			t.Fatal(err)
		}
	}
	account(t, s, m, m.id())
	events, err := s.ClaimEvents(t.Context(), "file", claim)
	if err != nil || len(events) == 0 {
		t.Fatalf("claimed %v, %v", events, err)
	}
	settle := core.SettleEvents{Sink: "file", Holder: "a", Through: events[len(events)-1].ID, Now: noon}
	if outcome, err := s.SettleEvents(t.Context(), settle); err != nil || outcome != core.Done {
		t.Fatalf("%q, %v", outcome, err)
	}
	kept, err := read(t.Context(), s, "counting", func(tx *tx) (n int) {
		tx.one("SELECT count(*) FROM events WHERE position > (SELECT coalesce(min(settled), 1 << 62) FROM sinks)", func(r *row) { n = r.int() })
		return n
	})
	if err != nil || kept > 0 {
		t.Errorf("%d events would not be swept, %v", kept, err)
	}
}

// atVersion makes a database with the schema that an earlier release had.
func atVersion(t *testing.T, path string, version int64) *sql.DB {
	t.Helper()
	db, err := driver.Open(dsn(path, "", pragmas()))
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	return db
}

// BenchmarkBegin is a begin alone, without limits and with them, on a number
// that has had its day's sends.
func BenchmarkBegin(b *testing.B) {
	for name, limits := range map[string]core.SendLimits{
		"unlimited": {}, "limited": {Waits: []time.Duration{0}, Hour: 1 << 20, Day: 1 << 20},
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, Options{})
			m := &maker{prefix: name}
			var number string
			for i := range b.N {
				if i%10 == 0 {
					number = m.id()
				}
				in := m.opening(m.challenge(core.PurposeSignup, number))
				in.Sends = limits
				if got, err := s.OpenChallenge(context.Background(), in); err != nil || got.Outcome != core.Done {
					b.Fatalf("%q, %v", got.Outcome, err)
				}
			}
		})
	}
}

// BenchmarkStats sums 30 days of 60 series out of 90 days that are kept.
func BenchmarkStats(b *testing.B) {
	s := open(b, Options{})
	series := make([]event.Rollup, 60)
	for hour := range 90 * 24 {
		for i := range series {
			series[i] = event.Rollup{Minute: noon.Add(-time.Duration(hour) * time.Hour), N: 1,
				Series: event.Series{Name: event.SMSSent, Country: string(rune('A'+i/10)) + string(rune('A'+i%10))}}
		}
		if err := s.AddRollups(b.Context(), core.AddRollups{Instance: "a", Rollups: series}); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := s.Sweep(b.Context(), core.Sweep{Now: noon, Limit: 1 << 20}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		got, err := s.Stats(b.Context(), core.StatsQuery{Since: noon.Add(-30 * 24 * time.Hour), Until: noon.Add(time.Hour)})
		if err != nil || len(got) != 60 {
			b.Fatalf("%d series, %v", len(got), err)
		}
	}
}
