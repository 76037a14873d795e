package e2e

import (
	"cmp"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/limit/redis/redistest"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// The benchmarks of this file run an instance over PostgreSQL beside pgbench on
// the same server and the same table, with as many connections, in turns; callers,
// instance, pgbench and PostgreSQL share the processors of one machine. "ratio" is
// how many requests are answered for each statement that pgbench gets done, the
// median of the turns. docs/speed.md tells what the rest of the time goes to.

const (
	rows       = 20_000 // sessions that the table has beside those of the callers
	ourTurn    = 300    // what each caller does in a turn
	pgbenchers = 1500   // and each connection of pgbench, which is faster
)

// What pgbench runs: the least that a refresh and the look at a session come to.
const (
	bareUpdate = "\\set n random(1, :rows)\nUPDATE sessions SET counter = counter + 1 WHERE id = 'filler-' || :n::text;\n"
	bareSelect = "\\set n random(1, :rows)\nSELECT counter FROM sessions WHERE id = 'filler-' || :n::text;\n"
)

// A refresh beside pgbench's UPDATE: over a server that syncs each commit to the
// disk as it comes; with Redis, which is asked once a refresh; and over one that
// does not sync, where nobody waits for a disk and processors alone count.
func BenchmarkPostgresRefresh(b *testing.B) {
	b.Run("synced", func(b *testing.B) { refreshBeside(b, pgtest.Durable(b)) })
	b.Run("redis", func(b *testing.B) {
		refreshBeside(b, pgtest.Durable(b), "COUNTERSIGN_REDIS_URL="+redistest.Start(b).URL())
	})
	b.Run("unsynced", func(b *testing.B) { refreshBeside(b, pgtest.Durable(b, "fsync=off")) })
}

func refreshBeside(b *testing.B, database string, settings ...string) {
	p := newPostgres(b, database, settings...)
	var ours side
	for _, set := range p.sets {
		ours = append(ours, dial(b, p.address).refreshes(textIn(set, "refresh_token")))
	}
	p.inTurns(b, ours, bareUpdate)
}

// GET /v1/me beside pgbench's SELECT.
func BenchmarkPostgresMe(b *testing.B) {
	p := newPostgres(b, pgtest.Durable(b))
	var ours side
	for _, set := range p.sets {
		ours = append(ours, dial(b, p.address).asks(http.MethodGet, "/v1/me", textIn(set, "access_token"), ""))
	}
	p.inTurns(b, ours, bareSelect)
}

// refreshes gives a caller who refreshes one session again and again.
func (l *lean) refreshes(token string) func() error {
	return func() error {
		set, err := l.call(http.StatusOK, http.MethodPost, "/v1/token/refresh", "", refreshBody(token))
		token = textIn(set, "refresh_token")
		return err
	}
}

// postgresBench is an instance over a database, and its callers' token sets.
type postgresBench struct {
	database, address string
	sets              [][]byte
	postmaster        string // its process
}

// newPostgres starts an instance with as many connections as there are callers,
// signs them up, and fills the table.
func newPostgres(b *testing.B, database string, settings ...string) *postgresBench {
	b.Helper()
	p := &postgresBench{database: database}
	settings = append(settings, testNumbers(callers), fleetKey,
		"COUNTERSIGN_DATABASE_URL="+database+"&pool_max_conns="+strconv.Itoa(callers))
	p.address = startBench(b, settings...)
	p.sets = signedUp(b, p.address, callers)

	ctx := context.Background()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, `INSERT INTO sessions SELECT filler.* FROM sessions s, generate_series(1, $1) n,
		LATERAL jsonb_populate_record(s, jsonb_build_object('id', 'filler-' || n)) filler WHERE s.id = $2`, rows, textIn(p.sets[0], "session_id"))
	if err == nil {
		_, err = conn.Exec(ctx, "VACUUM ANALYZE sessions")
	}
	if err == nil {
		err = conn.QueryRow(ctx, `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)`).Scan(&p.postmaster)
	}
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// inTurns runs ours and pgbench in turns.
func (p *postgresBench) inTurns(b *testing.B, ours side, script string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bare.sql")
	if err := os.WriteFile(path, []byte(script), 0o644); err != nil {
		b.Fatal(err)
	}
	var warm, our, theirs effort
	ours.run(b, ourTurn, &warm)
	var ratios, each, bare []float64
	var ourServer, theirServer time.Duration
	for b.Loop() {
		var mine, its effort
		before := p.serverTime(b)
		ours.run(b, ourTurn, &mine)
		between := p.serverTime(b)
		perSecond := p.pgbench(b, path, &its)
		theirServer += p.serverTime(b) - between
		ourServer += between - before
		our.add(mine)
		theirs.add(its)
		each, bare = append(each, mine.perSecond()), append(bare, perSecond)
		ratios = append(ratios, mine.perSecond()/perSecond)
	}
	b.ReportMetric(0, "ns/op") // of a turn: it says nothing
	b.ReportMetric(median(each), "ours/s")
	b.ReportMetric(median(bare), "pgbench/s")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(our.cpuEach(), "cpu-µs")
	b.ReportMetric(theirs.cpuEach(), "pgbench-cpu-µs")
	b.ReportMetric(micros(ourServer, our.n), "postgres-µs")
	b.ReportMetric(micros(theirServer, theirs.n), "pgbench-postgres-µs")
	b.ReportMetric((theirs.cpuEach()+micros(theirServer, theirs.n))/(our.cpuEach()+micros(ourServer, our.n)), "cpu-ratio")
}

func (e *effort) add(more effort) {
	e.n, e.took, e.cpu = e.n+more.n, e.took+more.took, e.cpu+more.cpu
}

func micros(d time.Duration, n int) float64 { return float64(d.Microseconds()) / float64(n) }

func median(all []float64) float64 {
	sorted := slices.SortedFunc(slices.Values(all), cmp.Compare[float64])
	return sorted[len(sorted)/2]
}

var pgbenchRate = regexp.MustCompile(`tps = ([0-9.]+) \(without initial connection time\)`)

// pgbench runs a script on as many connections as there are callers, and gives
// how often a second, once they are open.
func (p *postgresBench) pgbench(b *testing.B, script string, e *effort) (perSecond float64) {
	b.Helper()
	n := strconv.Itoa(callers)
	command := exec.Command("pgbench", "-n", "-M", "prepared", "-c", n, "-j", "2", "-t", strconv.Itoa(pgbenchers),
		"-D", "rows="+strconv.Itoa(rows), "-f", script, p.database)
	said, err := command.CombinedOutput()
	if err != nil {
		b.Fatalf("pgbench: %v: %s", err, said)
	}
	rate := pgbenchRate.FindSubmatch(said)
	if rate == nil {
		b.Fatalf("pgbench: no rate in: %s", said)
	}
	perSecond, err = strconv.ParseFloat(string(rate[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	e.n = callers * pgbenchers
	e.cpu = command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	return perSecond
}

// serverTime is the processor time of the PostgreSQL server so far: of its first
// process, of those that it started, and of those that have ended.
func (p *postgresBench) serverTime(b *testing.B) time.Duration {
	b.Helper()
	const tick = 10 * time.Millisecond // of /proc, on every Linux
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(all) == 0 {
		b.Fatalf("no processes in /proc: %v", err)
	}
	ticks := 0
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(line), ") ")
		fields := strings.Fields(rest) // from the third on, as proc(5) counts them
		counted := fields[11:13]       // its own
		switch {
		case filepath.Base(filepath.Dir(path)) == p.postmaster:
			counted = fields[11:15] // and that of its children who have ended
		case fields[1] != p.postmaster:
			continue
		}
		for _, field := range counted {
			n, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}
