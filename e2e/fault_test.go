package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

// fault is one way in which a part fails under load.
type fault struct {
	name   string
	done   string // what is done, as the page tells it
	sees   string // what an operator sees meanwhile
	repeat bool   // it may cut off who is sending: a message is sent again then
	strike func(*scene)
}

// faults are all of them. Each strikes a fleet at work, and ends.
func faults() []fault {
	return []fault{
		{"kill9_instance", "`kill -9` of one instance of three, which is started again at the end",
			"Nothing but its own absence: the others count it as gone after 30 s.", true, killInstance},
		{"kill9_postgres", "`kill -9` of all processes of PostgreSQL; it is started again and recovers from its log",
			"`/readyz` is 503 and names `database`; `dependency_lost` and `dependency_restored` of part `database` in the security log.", true, killPostgres},
		{"promote_replica", "`kill -9` of all processes of the primary; its synchronous replica is promoted, and found by a URL of several hosts",
			"As above, for as long as nobody promotes the replica.", true, promoteReplica},
		{"primary_vanishes", "the same, and the primary's machine is gone too: connections to it stay silent for ever",
			"As above; instances leave dead connections after 30 s (15 s for the answer, 15 s to cancel what they asked), and a host that says nothing after 5 s.", true, losePrimary},
		{"redis_killed", "`kill -9` of Redis, which comes back empty",
			"A warning of the limiter in `/readyz`, which stays 200; `dependency_lost` of part `limiter`.", false, killRedis},
		{"redis_paused", "SIGSTOP of Redis: it takes connections and answers nothing; then SIGCONT",
			"As above; until it is noticed, requests wait for it 250 ms at the longest.", false, pauseRedis},
		{"redis_flushed", "FLUSHALL", "The same, for a moment: a Redis that has forgotten what it counted is taken for lost once.", false, flushRedis},
		{"proxy_delay", "each piece of what instances and PostgreSQL send one another is 25 ms late",
			"Slower answers, in `countersign_http_request_duration_seconds`.", true, delayPostgres},
		{"proxy_drop", "all that instances and PostgreSQL send one another is swallowed, and connections that lost something stay silent for ever",
			"`/readyz` is 503 after 2 s; requests wait 15 s for their answer, and a place in the pool is free 15 s later.", true, dropPostgres},
		{"proxy_cut", "one answer of ten of PostgreSQL's breaks off in its middle: it has committed, and the instance does not know",
			"Some 503; clients that ask again get the answer.", true, cutPostgres},
		{"disk_full", "no file of PostgreSQL's but its log may grow",
			"503 and, in the log, PostgreSQL's own words, on whatever must grow; what fits goes on.", true, fillDisk},
		{"clock_skew", "the clock of one instance is 30 s ahead, that of another 30 s behind",
			"A warning of the clock in `/readyz`, which stays 200, and in the log: the database's time is taken.", false, skewClocks},
	}
}

// Faults under load, by real means, against processes of the built binary over
// a PostgreSQL that syncs to its disk. After each nothing that was acknowledged
// is lost or done twice, no session is back, and no honest client was signed
// out. docs/faults.md keeps what was seen; -update writes it anew.
func TestFaults(t *testing.T) {
	if raced { // they take their time, and race nothing in this process: scripts/test runs them without
		return
	}
	postgres, binary := pgtest.Own(t, "autovacuum=off"), buildBinary(t)
	found := make([][]string, len(faults()))
	for i, each := range faults() {
		t.Run(each.name, func(t *testing.T) {
			s := &scene{t: t, postgres: postgres, binary: binary}
			each.strike(s)
			s.finish()
			if s.twice > 0 && !each.repeat {
				t.Errorf("%d messages were sent twice", s.twice)
			}
			if !t.Failed() {
				found[i] = s.row(each)
			}
		})
	}
	if !raced && *update && whole(found) {
		writeFaults(t, found)
	}
}

// scene is a fleet at work, and what one fault does to it.
type scene struct {
	t        *testing.T
	postgres *pgtest.Cluster
	binary   string
	direct   string // URL of the database, by way of nothing
	load     *load
	limited  string // what was found of the limiter, "" where it does not matter
	recovery time.Duration
	twice    int           // messages that were sent more than once
	skew     time.Duration // between two clocks
	events   []event.Event // of the database, in the end
}

// instance is one of the fleet.
type instance struct {
	*program
	stop func() // in order
	mu   sync.Mutex
	at   *client
}

// reach gives the client that reaches an instance; it changes when that is
// started again.
func (i *instance) reach() *client {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.at
}

// again starts an instance that was killed, on another port.
func (i *instance) again() {
	i.start()
	i.known()
}

func (i *instance) known() {
	at := newClient(i.base)
	at.http.Timeout = longestAnswer
	i.mu.Lock()
	defer i.mu.Unlock()
	i.at = at
}

// longestAnswer is how long a client waits for one: longer than an instance waits
// for its database.
const longestAnswer = 40 * time.Second

// fleet starts n instances over a database, and the load.
func (s *scene) fleet(n int, database string, settings ...string) {
	s.t.Helper()
	s.load = newLoad(s)
	for range n {
		s.join(s.program(database, settings...))
	}
	s.load.begin()
	s.load.does(40)
}

func (s *scene) program(database string, settings ...string) *program {
	p := &program{t: s.t, path: s.binary, dir: s.t.TempDir()}
	p.more = append([]string{"COUNTERSIGN_DATABASE_URL=" + database, fleetKey}, settings...)
	s.t.Cleanup(p.kill)
	return p
}

func (s *scene) join(p *program) {
	s.t.Helper()
	p.start()
	i := &instance{program: p, stop: func() {
		p.askToStop()
		p.wait()
	}}
	i.known()
	s.load.joins(i)
}

// fresh is a database for one fault.
func (s *scene) fresh() string {
	s.t.Helper()
	s.direct = s.postgres.Database()
	return s.direct
}

// recovers takes the time from then until each instance has acknowledged a write.
func (s *scene) recovers(since time.Time, instances ...*instance) {
	s.t.Helper()
	took := make([]time.Duration, len(instances))
	var all sync.WaitGroup
	for i, each := range instances {
		all.Go(func() {
			for n := 0; !s.load.writes(each); n++ {
				if time.Since(since) > forbearance {
					s.t.Errorf("instance %d does not write again", i)
					return
				}
				<-time.After(5 * time.Millisecond)
			}
			took[i] = time.Since(since)
		})
	}
	all.Wait()
	for _, each := range took {
		s.recovery = max(s.recovery, each)
	}
}

// hold is how long a fault lasts, at the least.
func (s *scene) hold(d time.Duration) { <-time.After(d) } // the moment is the test's to choose

// finish lets the load go on for a while, and holds the fleet to all that it has
// acknowledged.
func (s *scene) finish() {
	s.t.Helper()
	s.load.does(40)
	s.load.end()
	s.check()
}
