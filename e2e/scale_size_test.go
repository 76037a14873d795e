package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// refreshesEach is how often each session of BenchmarkSizes is refreshed.
const refreshesEach = 10

// BenchmarkSizes lets b.N people sign up, sign in once more on the same device and
// refresh both sessions, over HTTP and PostgreSQL, and tells what is left of it:
// bytes of a row of each table with its share of the indexes, rows of each
// person, bytes of the write-ahead log for each act with all that the outbox does
// behind it, and how many refreshes changed no index (HOT). These are the
// constants of docs/scale.md; -benchtime=3000x says how many people.
func BenchmarkSizes(b *testing.B) {
	database := pgtest.Database(b)
	address := startBench(b, testNumbers(b.N), fleetKey, "COUNTERSIGN_DATABASE_URL="+database+"&pool_max_conns=8")
	g := &growth{b: b, people: make([]settler, b.N)}
	var err error
	if g.conn, err = pgx.Connect(context.Background(), database); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = g.conn.Close(context.Background()) }()
	l := dial(b, address)
	l.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"

	g.logs("signup", 1, func(p *settler, number string) error {
		begin := fmt.Sprintf(`{"phone_number":"%s","name":"Ada King Lovelace","email":"ada.%s@example.org","device":{"name":"iPhone","platform":"ios"}}`, number, number[1:])
		return p.enter(l, "/v1/signup", begin)
	})
	g.logs("login", 1, func(p *settler, number string) error {
		return p.enter(l, "/v1/login/sms", fmt.Sprintf(`{"phone_number":"%s","device":{"token":"%s"}}`, number, p.device))
	})
	updated, hot := g.updates("sessions")
	g.logs("refresh", 2*refreshesEach, func(p *settler, _ string) error {
		token := &p.refresh[rand.IntN(len(p.refresh))]
		set, err := l.call(http.StatusOK, http.MethodPost, "/v1/token/refresh", "", refreshBody(*token))
		*token = textIn(set, "refresh_token")
		return err
	})
	eventually(b, "the statistics of the refreshes", func() bool {
		now, _ := g.updates("sessions")
		return now-updated >= 2*refreshesEach*b.N
	})
	nowUpdated, nowHot := g.updates("sessions")
	b.ReportMetric(0, "ns/op") // of a person: it says nothing
	b.ReportMetric(100*float64(nowHot-hot)/float64(nowUpdated-updated), "refresh-HOT-%")
	b.ReportMetric(float64(g.number("SELECT pg_relation_size('sessions')"))/float64(2*b.N), "sessions-heap-B")
	for _, table := range []string{"users", "phones", "devices", "sessions", "numbers", "challenges", "messages", "events"} {
		g.size(table)
	}
}

// settler is a person of whom things are kept.
type settler struct {
	device  string
	refresh []string
}

// enter begins at a path and redeems the code.
func (p *settler) enter(l *lean, path, begin string) error {
	begun, err := l.call(http.StatusAccepted, http.MethodPost, path, "", begin)
	if err != nil {
		return err
	}
	set, err := l.call(http.StatusOK, http.MethodPost, "/v1/challenges/"+textIn(begun, "challenge_id")+"/verify", "", `{"code":"`+benchCode+`"}`)
	set = bytes.Clone(set)
	p.device, p.refresh = textIn(set, "device_token"), append(p.refresh, textIn(set, "refresh_token"))
	return err
}

// growth watches a database grow.
type growth struct {
	b      *testing.B
	conn   *pgx.Conn
	people []settler
}

// logs has everybody act so many times, in turns, and reports the bytes of the
// write-ahead log for each act.
func (g *growth) logs(name string, times int, act func(p *settler, number string) error) {
	g.b.Helper()
	g.settled()
	before := g.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint")
	for range times {
		for _, i := range rand.Perm(len(g.people)) {
			if err := act(&g.people[i], testNumber(i)); err != nil {
				g.b.Fatal(err)
			}
		}
	}
	g.settled()
	bytes := g.number("SELECT (pg_current_wal_lsn() - '0/0')::bigint") - before
	g.b.ReportMetric(float64(bytes)/float64(times*len(g.people)), name+"-WAL-B")
}

// settled waits until the outbox has done all that was queued.
func (g *growth) settled() {
	g.b.Helper()
	eventually(g.b, "the outbox", func() bool {
		return g.number(`SELECT (SELECT count(*) FROM events WHERE position IS NULL) + (SELECT count(*) FROM messages WHERE settled_at = 0)
			+ (SELECT count(*) FROM sinks WHERE settled < (SELECT last FROM turns WHERE name = 'events'))`) == 0
	})
}

// updates tells how many rows of a table were changed, and of how many no index.
func (g *growth) updates(table string) (all, hot int) {
	return g.number("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = '" + table + "'"),
		g.number("SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = '" + table + "'")
}

// size reports what a row of a table takes, with its share of the indexes and of
// the partitions, and how many rows each person has left.
func (g *growth) size(table string) {
	g.b.Helper()
	rows := g.number("SELECT count(*) FROM " + table)
	bytes := g.number(fmt.Sprintf(`SELECT coalesce(sum(pg_total_relation_size(relid))::bigint, pg_total_relation_size('%[1]s'))
		FROM pg_partition_tree('%[1]s')`, table))
	g.b.ReportMetric(float64(bytes)/float64(max(rows, 1)), table+"-B")
	g.b.ReportMetric(float64(rows)/float64(len(g.people)), table+"/person")
}

func (g *growth) number(query string) (n int) {
	g.b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := g.conn.QueryRow(ctx, query).Scan(&n); err != nil {
		g.b.Fatalf("%s: %v", query, err)
	}
	return n
}
