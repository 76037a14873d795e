package e2e

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/limit/redis/redistest"
	"github.com/countersign/countersign/internal/server"
	"github.com/countersign/countersign/internal/store/postgres/pgtest"
)

func killInstance(s *scene) {
	s.fleet(3, s.fresh())
	dead := s.load.all()[0]
	since := time.Now()
	dead.kill()
	s.recovers(since, s.load.all()[1:]...)
	s.load.does(40)
	dead.again()
}

func killPostgres(s *scene) {
	s.fleet(2, s.fresh())
	s.postgres.Kill()
	s.hold(time.Second)
	since := time.Now()
	s.postgres.Start()
	s.t.Logf("PostgreSQL itself took %s", time.Since(since))
	s.recovers(since, s.load.all()...)
}

// promoteReplica has a primary of its own, which is not coming back.
func promoteReplica(s *scene) {
	primary := pgtest.Own(s.t)
	replica := primary.Replica()
	both := fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write",
		primary.Port(), replica.Port())
	s.fleet(2, both)
	since := time.Now()
	primary.Kill()
	s.hold(500 * time.Millisecond) // somebody has to notice
	replica.Promote()
	s.recovers(since, s.load.all()...)
	s.direct = replica.URL()
}

// losePrimary is promoteReplica where not only the processes are gone but their
// machine: nobody is told that connections have ended.
func losePrimary(s *scene) {
	primary := pgtest.Own(s.t)
	replica, proxy := primary.Replica(), pgtest.Between(s.t, primary)
	s.fleet(2, fmt.Sprintf("%s,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write",
		strings.TrimSuffix(proxy.URL(primary.URL()), "/postgres?sslmode=disable"), replica.Port()))
	since := time.Now()
	proxy.Drop()
	primary.Kill()
	s.hold(500 * time.Millisecond) // somebody has to notice
	replica.Promote()
	s.recovers(since, s.load.all()...)
	s.direct = replica.URL()
}

func killRedis(s *scene) {
	s.withoutRedis(func(redis *redistest.Server) { redis.Kill() }, (*redistest.Server).Restart)
}

func pauseRedis(s *scene) {
	s.withoutRedis((*redistest.Server).Pause, (*redistest.Server).Resume)
}

func flushRedis(s *scene) {
	s.withoutRedis(func(redis *redistest.Server) { redis.Do("FLUSHALL") }, func(*redistest.Server) {})
}

// withoutRedis looks at one limit of n while Redis is lost, and after. Of one
// address, n pass before; in all, with those while it is lost and those after,
// never more than 2n.
func (s *scene) withoutRedis(lose, back func(*redistest.Server)) {
	const instances, n = 3, 15
	redis := redistest.Start(s.t)
	s.fleet(instances, s.fresh(), "COUNTERSIGN_REDIS_URL="+redis.URL(), "COUNTERSIGN_TRUSTED_PROXIES=127.0.0.1/32", wideBut("begin_address", n))
	f := &fleet{t: s.t}
	for _, each := range s.load.all() {
		f.all = append(f.all, each.program)
	}
	f.seesInstances(instances)
	before := s.begins("192.0.2.1", 2*n)
	if before != n && f.lost() == 0 { // a slow machine loses Redis by itself
		s.t.Errorf("with Redis %d begins of %d pass", before, n)
	}
	lose(redis)
	s.load.does(40)
	lost, other := s.begins("192.0.2.1", 2*n), s.begins("192.0.2.2", 2*n)
	since := time.Now()
	back(redis)
	for _, each := range f.all {
		eventually(s.t, "Redis to count again", func() bool { return !strings.Contains(f.ready(each), "limiter") })
	}
	s.recovery = time.Since(since)
	after, later := s.begins("192.0.2.1", 2*n), s.begins("192.0.2.2", 2*n)
	if all := before + lost + after; all > 2*n {
		s.t.Errorf("of one address %d begins pass before, %d while Redis is lost, %d after: more than %d", before, lost, after, 2*n)
	}
	if other+later > 2*n {
		s.t.Errorf("of another address %d begins pass while Redis is lost, %d after: more than %d", other, later, 2*n)
	}
	s.limited = fmt.Sprintf("a limit of %d let through %d before, %d while Redis was lost, %d after", n, before, lost, after)
}

func (s *scene) behindProxy() *pgtest.Proxy {
	proxy := pgtest.Between(s.t, s.postgres)
	s.fleet(2, proxy.URL(s.fresh()))
	return proxy
}

func delayPostgres(s *scene) {
	proxy := s.behindProxy()
	proxy.Delay(25 * time.Millisecond)
	s.load.does(20)
	since := time.Now()
	proxy.Heal()
	s.recovers(since, s.load.all()...)
}

func dropPostgres(s *scene) {
	proxy := s.behindProxy()
	proxy.Drop()
	s.hold(2 * time.Second)
	since := time.Now()
	proxy.Heal()
	s.recovers(since, s.load.all()...)
}

func cutPostgres(s *scene) {
	proxy := s.behindProxy()
	proxy.Cut(10)
	s.load.does(60)
	since := time.Now()
	proxy.Heal()
	s.recovers(since, s.load.all()...)
}

// fillDisk makes the table of events as big as any file may be: by rows of a
// transaction that is taken back, which nobody sees and which take room.
func fillDisk(s *scene) {
	s.fleet(2, s.fresh())
	conn, err := pgx.Connect(context.Background(), s.direct)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = conn.Exec(context.Background(), `BEGIN;
		INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'position', NULL))).*
			FROM (SELECT e FROM events e LIMIT 1) one(e), generate_series(1, 4000);
		ROLLBACK`)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := conn.Close(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	refused := s.load.refused.Load()
	s.postgres.Room(1)
	defer s.postgres.Room(0)
	eventually(s.t, "an honest refusal", func() bool { return s.load.refused.Load() > refused+10 })
	s.hold(time.Second)
	since := time.Now()
	s.postgres.Room(0)
	s.recovers(since, s.load.all()...)
}

// skewClocks has two instances in this process, beside one of its own: a binary
// has no clock but the machine's.
func skewClocks(s *scene) {
	const by = 30 * time.Second
	database := s.fresh()
	s.skew = 200 * time.Millisecond // what is left of it, at most
	s.fleet(1, database)
	for _, skew := range []time.Duration{by, -by} {
		s.joinHere(s.program(database), skew)
	}
	s.load.does(100)
	s.recovers(time.Now(), s.load.all()...)
}

// joinHere starts an instance in this process, whose clock is wrong.
func (s *scene) joinHere(p *program, skew time.Duration) {
	c, err := config.Load(config.Sources{Env: p.env(), Limits: server.LimitTable(), Alerts: server.AlertTable(), Providers: server.ProviderTable()})
	if err != nil {
		s.t.Fatal(err)
	}
	now := func() time.Time { return time.Now().Add(skew) }
	started, err := server.Start(context.Background(), c, server.Options{Now: now, Log: server.NewLog(io.Discard, "text")})
	if err != nil {
		s.t.Fatal(err)
	}
	stop := func() {
		if err := started.Stop(context.Background()); err != nil {
			s.t.Errorf("stopping: %v", err)
		}
	}
	s.t.Cleanup(stop)
	p.client = newClient((&url.URL{Scheme: "http", Host: started.Addr()}).String())
	p.operator = "http://" + started.OperatorAddr()
	i := &instance{program: p, stop: stop}
	i.known()
	s.load.joins(i)
}
