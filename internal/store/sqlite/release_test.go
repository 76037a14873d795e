package sqlite

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/internal/core"
)

// messageStates are those that the release before knows.
var messageStates = []core.MessageState{
	core.MessageQueued, core.MessageSent, core.MessageFailed, core.MessageExpired, core.MessageWithheld,
}

// The table of messages is made anew: what is in it stays, what may be in it grows,
// and nothing of it is lost on the way, neither indexes nor positions.
func TestMessagesOfTheReleaseBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "before.db")
	db := atVersion(t, path, 4)
	all := func(query string, columns int) (rows []string) {
		t.Helper()
		found, err := db.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := found.Close(); err != nil {
				t.Error(err)
			}
		}()
		for found.Next() {
			values, into := make([]any, columns), make([]any, columns)
			for i := range values {
				into[i] = &values[i]
			}
			if err := found.Scan(into...); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, fmt.Sprint(values...))
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	for i, state := range slices.Concat(messageStates, []core.MessageState{core.MessageSent}) { // the last one is to go
		if _, err := db.Exec(`INSERT INTO messages (id, user_id, purpose, channel, phone_key, phone_masked, sealed, sealed_for, state, tries,
			due_at, holder, created_at, expires_at, settled_at, provider, provider_ref, request_id, bucket, country, price, reserved, reserved_at, held, erased)
			VALUES (?, 'user', 'notice', 'sms', 'number', '+49*12', x'0102', 'seal', ?, 1, 2, 'holder', ?, ?, ?, 'north', 'ref', 'request',
			'bucket', 'DE', 3, 4, 5, 1, 'open')`, fmt.Sprintf("message-%d", i), string(state), noon.UnixMilli()+int64(i), noon.Add(time.Hour).UnixMilli(), i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec("DELETE FROM messages WHERE id = 'message-5'"); err != nil {
		t.Fatal(err)
	}
	rows := "SELECT position, id, challenge_id, user_id, purpose, channel, phone_key, phone_masked, sealed, sealed_for, state, tries, due_at, " +
		"holder, created_at, expires_at, settled_at, provider, provider_ref, request_id, bucket, country, price, reserved, reserved_at, held, erased FROM messages ORDER BY position"
	indexes := "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'messages' AND sql <> '' ORDER BY name"
	before, had := all(rows, 27), all(indexes, 1)

	s := open(t, Options{Path: path})
	after, has := all(rows, 27), all(indexes, 1)
	for _, index := range had {
		if !slices.Contains(has, index) {
			t.Errorf("the index %s is gone", index)
		}
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
	m := &maker{prefix: "next"}
	if _, err := s.OpenChallenge(t.Context(), m.opening(m.challenge(core.PurposeSignup, "another number"))); err != nil {
		t.Fatal(err)
	}
	if got := all("SELECT max(position) FROM messages", 1); got[0] != "7" {
		t.Errorf("the next one has position %s: that of one that was there before", got)
	}
	for _, state := range slices.Concat(messageStates, []core.MessageState{core.MessageDelivered, core.MessageUndelivered}) {
		if _, err := db.Exec("UPDATE messages SET state = ? WHERE id = 'message-0'", string(state)); err != nil {
			t.Errorf("%s: %v", state, err)
		}
	}
	if _, err := db.Exec("UPDATE messages SET state = 'cooked' WHERE id = 'message-0'"); err == nil {
		t.Error("any state is taken")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	read, err := s.Messages(t.Context(), "number", 10)
	if err != nil || len(read) != len(messageStates) || read[0].Attempts != nil || read[0].PrefixKey != "" {
		t.Errorf("read %+v, %v", read, err)
	}
}
