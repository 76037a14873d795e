package sqlite

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
)

// No statement reads a whole table that grows: the writer would stand still.
func TestEveryStatementHasAnIndex(t *testing.T) {
	s := open(t, Options{Readers: 1})
	m := &maker{prefix: "plan"}
	prepared := operations(t, s, m)
	for _, name := range inOrder(prepared) {
		if err := prepared[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	readAll(t, s)
	s.writer.close()
	reader, err := s.readers.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.readers.give(reader)
	for _, conn := range []*conn{s.writer.conn, reader} {
		for query := range conn.stmts {
			planned(t, conn, query)
		}
	}
}

// planOf tells how a query is read, step by step.
func planOf(t *testing.T, c *conn, query string) (details []string) {
	t.Helper()
	plan, _, err := c.db.Prepare("EXPLAIN QUERY PLAN " + query)
	if err != nil {
		t.Fatal(err)
	}
	for plan.Step() {
		details = append(details, plan.ColumnText(3))
	}
	if err := plan.Close(); err != nil {
		t.Fatal(err)
	}
	return details
}

func planned(t *testing.T, c *conn, query string) {
	t.Helper()
	for _, detail := range planOf(t, c, query) {
		small := strings.HasPrefix(detail, "SCAN keys") || strings.HasPrefix(detail, "SCAN sinks") || strings.HasPrefix(detail, "SCAN watchers") ||
			strings.HasPrefix(detail, "SCAN pulse") || strings.HasPrefix(detail, "SCAN valid_after") || strings.HasPrefix(detail, "SCAN api_keys") || strings.HasPrefix(detail, "SCAN rollup_spans") ||
			detail == "SCAN messages USING INDEX messages_unsettled" || // what is queued just now
			detail == "SCAN n" || detail == "SCAN CONSTANT ROW"
		if strings.HasPrefix(detail, "SCAN") && !small && !ordered(detail, query) {
			t.Errorf("%s\nof %s", detail, query)
		}
		few := strings.Contains(query, "FROM sessions") || strings.Contains(query, "FROM keys") || strings.Contains(query, "FROM api_keys") || // a user's, the service's
			strings.HasPrefix(query, "SELECT 0 AS at") // the sums of series
		if strings.Contains(detail, "TEMP B-TREE") && !few {
			t.Errorf("%s\nof %s", detail, query)
		}
	}
}

// ordered tells whether a scan runs along an index and stops at its limit.
func ordered(detail, query string) bool {
	return strings.Contains(query, "LIMIT") && (strings.Contains(detail, "USING INDEX") || strings.Contains(detail, "USING COVERING INDEX"))
}

func readAll(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	_, _ = s.Challenge(ctx, "id")
	_, _ = s.Number(ctx, "key", "device")
	_, _ = s.User(ctx, "id")
	_, _, _ = s.Session(ctx, "id")
	_, _ = s.Sessions(ctx, "id", noon)
	_, _ = s.UserEvents(ctx, "id", core.Page{Before: "id", Limit: 10})
	_, _ = s.Messages(ctx, "key", 10)
	_, _ = s.PasswordHistory(ctx, "id")
	_, _ = s.Keys(ctx)
	_, _ = s.LogHead(ctx, "sink")
	_, _ = s.APIKey(ctx, []byte("hash"))
	for _, read := range []func() error{
		func() error { _, err := s.APIKeys(ctx); return err },
		func() error { _, err := s.Spending(ctx, noon); return err },
		func() error { _, err := s.Queues(ctx, noon); return err },
		func() error { _, err := s.Stats(ctx, core.StatsQuery{Since: noon, Until: noon}); return err },
		func() error {
			_, err := s.Routes(ctx, core.RouteQuery{Since: noon, Until: noon, Most: 10})
			return err
		},
	} {
		if err := read(); err != nil {
			t.Error(err)
		}
	}
	for _, q := range []core.MessageQuery{
		{}, {ID: "id"}, {RequestID: "request"}, {State: core.MessageFailed, Before: "id"}, {State: core.MessageQueued},
		{State: core.MessageSent, Since: noon, Until: noon}, {Provider: "north"},
	} {
		q.Limit = 10
		if _, err := s.FindMessages(ctx, q); err != nil {
			t.Error(err)
		}
	}
	if err := s.Ping(ctx); err != nil {
		t.Error(err)
	}
	claim := core.Claim{Holder: "b", Limit: 10, Lease: time.Minute, Now: noon.Add(2 * time.Minute)}
	if _, err := s.ClaimEvents(ctx, "another", claim); err != nil {
		t.Error(err)
	}
}
