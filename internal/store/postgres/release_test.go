package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// atVersion makes a database with the schema that an earlier release had.
func atVersion(t *testing.T, version int64) (url string) {
	t.Helper()
	url = pgtest.Database(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return url
}

// byReleaseBefore inserts messages as the release before did: it names no column
// of this one.
const byReleaseBefore = `INSERT INTO messages (id, challenge_id, user_id, purpose, channel, phone_key, phone_masked,
		sealed, sealed_for, state, tries, bucket, country, price, created_at, expires_at, request_id, due_at)
	SELECT id, NULL, '', 'notice', 'sms', 'number', '', NULL, '', state, 0, '', '', 0, 1, 9000000000000, '', 1
	FROM (VALUES ('%[1]squeued', 'queued'), ('%[1]ssent', 'sent'), ('%[1]sfailed', 'failed'), ('%[1]sexpired', 'expired'), ('%[1]swithheld', 'withheld')) v (id, state)`

// Messages of the release before stay, in the partitions that it made; it goes on
// running beside this one, and makes partitions; and all of them take the new states.
func TestMessagesOfTheReleaseBefore(t *testing.T) {
	url := atVersion(t, 3)
	partition := func(name, from, to string) string { // as makePartitions does it, then and now
		return "CREATE TABLE " + name + " (LIKE messages INCLUDING DEFAULTS INCLUDING CONSTRAINTS);" +
			"ALTER TABLE messages ATTACH PARTITION " + name + " FOR VALUES FROM ('" + from + "') TO ('" + to + "')"
	}
	run(t, url, partition("messages_20200101", "016f5e66-e800", "016f6389-4400"))
	run(t, url, fmt.Sprintf(byReleaseBefore, "016f5e66-e801-"))
	run(t, url, fmt.Sprintf(byReleaseBefore, "other-"))
	s := open(t, Options{URL: url})
	run(t, url, partition("messages_20200102", "016f6389-4400", "016f68af-a000"))
	run(t, url, fmt.Sprintf(byReleaseBefore, "016f6389-4401-"))
	run(t, url, fmt.Sprintf(byReleaseBefore, "another-"))

	got, err := s.Messages(t.Context(), "number", 100)
	if err != nil || len(got) != 20 || got[0].Attempts != nil || got[0].PrefixKey != "" {
		t.Fatalf("%d messages, %v", len(got), err)
	}
	conn := connect(t, url)
	for _, m := range got {
		for _, state := range []core.MessageState{core.MessageDelivered, core.MessageUndelivered, m.State} {
			if _, err := conn.Exec(t.Context(), "UPDATE messages SET state = $1 WHERE id = $2", string(state), m.ID); err != nil {
				t.Errorf("%s is to be %s: %v", m.ID, state, err)
			}
		}
		if _, err := conn.Exec(t.Context(), "UPDATE messages SET state = 'cooked' WHERE id = $1", m.ID); err == nil {
			t.Errorf("%s takes any state", m.ID)
		}
	}
	if err := conn.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
