package postgres

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// usersIn is the environment's word for how many users the tables have whose
// plans are looked at.
const usersIn = "COUNTERSIGN_PLAN_USERS"

func users(t *testing.T) int {
	t.Helper()
	said := os.Getenv(usersIn)
	if said == "" {
		return 20_000 // scripts/test has a million, without the race detector
	}
	n, err := strconv.Atoi(said)
	if err != nil {
		t.Fatalf("%s: %v", usersIn, err)
	}
	return n
}

// small are the tables that one may read from end to end: they do not grow with
// users.
var small = regexp.MustCompile(`Seq Scan on (keys|sinks|watchers|turns|pulse|valid_after|moves|api_keys|rollup_spans|spending|goose_db_version|pg_class|pg_inherits)\b`)

// No statement reads a whole table that grows.
func TestEveryStatementHasAnIndex(t *testing.T) {
	heard := &statements{args: map[string][]any{}}
	url := pgtest.Copy(t, schema(t)) // others had to empty it
	s := open(t, Options{URL: url, configure: heard.listen})
	sweepOnce(t, s, keeping(filledAt))
	populate(t, url, users(t))
	m := &maker{prefix: "plan"}
	prepared, more := operations(t, s, m), hot(t, s, m)
	maps.Copy(prepared, more)
	prepared["Sweep"] = func() error { // of what is filled, nothing goes as a whole
		_, err := s.Sweep(t.Context(), keeping(filledAt.Add(time.Hour)))
		return err
	}
	for _, name := range inOrder(prepared) {
		if err := prepared[name](); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	conn := connect(t, url)
	defer func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	empty := texts(t, conn, "SELECT relname::text FROM pg_class WHERE relispartition AND reltuples <= 100")
	looked := 0
	for _, query := range slices.Sorted(maps.Keys(heard.args)) {
		for _, line := range planOf(t, conn, query, heard.args[query]) {
			_, table, scans := strings.Cut(line, "Seq Scan on ")
			if scans && !small.MatchString(line) && !slices.Contains(empty, strings.Fields(table)[0]) {
				t.Errorf("%s\nof %s", strings.TrimSpace(line), query)
			}
		}
		looked++
	}
	if looked < 80 {
		t.Errorf("only %d statements were heard", looked)
	}
}

// statements hears what is sent, with some arguments of each.
type statements struct {
	mu   sync.Mutex
	args map[string][]any
}

func (s *statements) listen(config *pgxpool.Config) { config.ConnConfig.Tracer = s }

// TraceQueryStart implements pgx.QueryTracer.
func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (s *statements) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch verb, _, _ := strings.Cut(data.SQL, " "); verb {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		s.args[data.SQL] = data.Args
	}
}

// TraceBatchEnd implements pgx.BatchTracer.
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// planOf tells how the server would carry out a query with any arguments.
func planOf(t *testing.T, conn *pgx.Conn, query string, args []any) []string {
	t.Helper()
	ctx := context.Background()
	plan, err := conn.Query(ctx, "EXPLAIN "+query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	lines, err := pgx.CollectRows(plan, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return lines
}

// filledAt is when the tables are filled, more than a month before the tests.
var filledAt = noon.AddDate(0, -1, 0)

// populate makes so many users and what they leave: two sessions, a device, two
// challenges with a message each, failures, two events. Indexes are made once the
// tables are full, in less than half of the time.
func populate(t *testing.T, url string, n int) {
	t.Helper()
	const indexes = "FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid" +
		" WHERE i.relnamespace = 'public'::regnamespace AND NOT i.relispartition" +
		" AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid) ORDER BY i.relname"
	conn := connect(t, url)
	drop := texts(t, conn, "SELECT 'DROP INDEX ' || i.relname "+indexes)
	// Of a partitioned table's index, ONLY would leave out what its partitions have.
	index := texts(t, conn, "SELECT replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON ') "+indexes)
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, url, strings.Join(drop, "; "))
	inTurns(t, url, fillings(n))
	run(t, url, `UPDATE turns SET last = (SELECT max(position) FROM events) WHERE name = 'events';
		INSERT INTO sinks (name, settled) SELECT 'log', last FROM turns WHERE name = 'events'`)
	inTurns(t, url, index)
	run(t, url, "ANALYZE")
}

// inTurns runs statements, two at a time.
func inTurns(t *testing.T, url string, statements []string) {
	t.Helper()
	todo := make(chan string, len(statements))
	for _, each := range statements {
		todo <- each
	}
	close(todo)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for each := range todo {
				run(t, url, // nobody looks whether what is referenced is there
					"SET session_replication_role = replica; SET maintenance_work_mem = '128MB'; SET max_parallel_maintenance_workers = 0; "+each)
			}
		})
	}
	both.Wait()
}

// fillings are the statements that fill the tables for n users, the longest first.
func fillings(n int) []string {
	const once = "FROM generate_series(1::bigint, %d) i"
	// dated is a UUIDv7 as far as its time goes.
	const dated = "lpad(to_hex((OLD + i) >> 16), 8, '0') || '-' || lpad(to_hex((OLD + i) & 65535), 4, '0') || '-7' || g"
	old := filledAt.UnixMilli()
	filling := []string{
		`INSERT INTO challenges SELECT 'c' || KEY || '-' || g, 'login', 'sms', 'n' || KEY, 'sealed', '+49*12', false, 'u' || KEY, 1, '', '', '', '', '', '', '', '', '',
			'mac', 6, NULL, 5, 0, 0, OLD + i, OLD + i, OLD, 0, int8send(i * 2 + g), 'body', NULL, NULL, '', 0, 'native', '', 'DE' ` + once + `, generate_series(1, 2) g`,
		`INSERT INTO messages SELECT ` + dated + `, 'c' || KEY || '-' || g, 'u' || KEY, 'login', 'sms', 'n' || KEY, '+49*12', NULL, '', 'sent', 1, '', 'DE', 0,
			OLD + i, OLD + i, '', OLD, '', 0, 0, 0, '', OLD + i, '', '', OLD + i ` + once + `, generate_series(1, 2) g`,
		`INSERT INTO events SELECT ` + dated + `, i * 2 + g, OLD + i, 0, 'u' || KEY, '', '', 'n' || KEY, 'login', OLD + i, false,
			'{}' ` + once + `, generate_series(1, 2) g`,
		`INSERT INTO sessions SELECT 's' || KEY || '-' || g, 'u' || KEY, 1, 'hash', 'sealed', 'key', 1, 1, 1, OLD, OLD + i * 100000, OLD + i * 1000000, 0, '',
			'd' || KEY, '', '', '', '192.0.2.1', '192.0.2.0/24', 'agent', 'sms', 'native', 'device', '' ` + once + `, generate_series(1, 2) g`,
		`INSERT INTO password_history SELECT 'u' || KEY, 1, 'hash' ` + once,
		`INSERT INTO users SELECT 'u' || KEY, 'sealed', '+49*12', 1, 'Ada', '', 'en', 'hash', 1, 0, 1, 1 ` + once,
		`INSERT INTO phones SELECT 'n' || KEY, 'u' || KEY ` + once,
		`INSERT INTO devices SELECT 'd' || KEY, 'u' || KEY, '', '', '', 1, 1, 1 ` + once,
		`INSERT INTO numbers SELECT 'n' || KEY, OLD + i ` + once,
		`INSERT INTO failures SELECT 'n' || KEY, '', 'password', 1, 0, false, OLD + i, ARRAY[OLD + i] ` + once,
		`INSERT INTO rollups SELECT 60000, OLD - i * 60000, 'login', 'sms', 'success', '', 'DE', '', 'a', 1 FROM generate_series(1::bigint, %d / 10) i`,
	}
	for i, each := range filling {
		// Keys of as many digits come in their order.
		filling[i] = strings.NewReplacer("OLD", fmt.Sprint(old), "KEY", "(10000000 + i)").Replace(fmt.Sprintf(each, n))
	}
	return filling
}
