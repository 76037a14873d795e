package redis_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/redis"
	"github.com/countersign/countersign/internal/limit/redis/redistest"
)

// The bound, so long that a busy machine does not pass it of itself, and what
// such a one may add to it.
const bound, margin = time.Second, time.Second

// pair is two instances over one Redis, each with its fallback.
type pair struct {
	*testing.T
	instances [2]*limit.Fallback
	lost      [2]atomic.Int64 // how often
	slowest   atomic.Int64
}

func newPair(t *testing.T, url string) *pair {
	p := &pair{T: t}
	for i := range p.instances {
		p.instances[i] = limit.NewFallback(limit.FallbackOptions{
			Shared:    open(t, redis.Options{URL: url, Bound: bound}),
			Local:     limit.NewMemory(limit.MemoryOptions{}),
			Instances: func() int { return 2 },
			Now:       time.Now,
			OnChange: func(lost bool, _ error) {
				if lost {
					p.lost[i].Add(1)
				}
			},
			Bound: bound,
			Pause: 50 * time.Millisecond,
		})
	}
	return p
}

var guarded = limit.Rule{Name: "guarded", N: 20, Window: time.Hour}

// passes takes so often at each instance, four callers at once, and tells how
// many passed.
func (p *pair) passes(rule limit.Rule, each int) int {
	p.Helper()
	var passed atomic.Int64
	var all sync.WaitGroup
	for i := range p.instances {
		for range 4 {
			all.Go(func() {
				for range each / 4 {
					if p.take(i, rule) {
						passed.Add(1)
					}
				}
			})
		}
	}
	all.Wait()
	return int(passed.Load())
}

func (p *pair) take(i int, rule limit.Rule) bool {
	p.Helper()
	began := time.Now()
	d, err := p.instances[i].Take(p.Context(), began, limit.Count{Rule: rule, Key: "k"})
	if err != nil {
		p.Errorf("Take: %v", err)
	}
	took := time.Since(began)
	if took > bound+margin {
		p.Errorf("a Take took %s", took)
	}
	for {
		slowest := p.slowest.Load()
		if int64(took) <= slowest || p.slowest.CompareAndSwap(slowest, int64(took)) {
			return d.Refused == ""
		}
	}
}

// notice asks until both instances have lost it, or have it back.
func (p *pair) notice(lost bool) {
	p.Helper()
	const patience = 10 * time.Second
	for began := time.Now(); ; {
		there := 0
		for i, instance := range p.instances {
			p.take(i, limit.Rule{Name: "asks", N: 1 << 20, Window: time.Second})
			if (instance.Lost() != nil) == lost {
				there++
			}
		}
		if there == len(p.instances) {
			p.Logf("lost=%v noticed after %s", lost, time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > patience {
			p.Fatalf("lost=%v: not noticed in %s: %v %v", lost, patience, p.instances[0].Lost(), p.instances[1].Lost())
		}
	}
}

// survives shows what holds in every fault: calls are answered in time, each
// instance counts its share, both come back, and no more than 2N pass in all.
func survives(t *testing.T, url string, fault, mend func()) {
	p := newPair(t, url)
	passed := p.passes(guarded, 24)
	if passed != guarded.N {
		t.Errorf("%d of %d passed before", passed, guarded.N)
	}
	fault()
	p.notice(true)
	during := p.passes(guarded, 24)
	if during != guarded.N {
		t.Errorf("%d passed in shares of %d", during, guarded.N)
	}
	mend()
	p.notice(false)
	passed += during + p.passes(guarded, 24)
	if passed > 2*guarded.N {
		t.Errorf("%d passed in all, more than twice %d", passed, guarded.N)
	}
	once := limit.Rule{Name: "afterwards", N: 20, Window: 10 * time.Minute}
	if n := p.passes(once, 24); n > once.N {
		t.Errorf("%d of %d passed afterwards", n, once.N)
	}
	t.Logf("the slowest Take took %s; lost %d and %d times", time.Duration(p.slowest.Load()).Round(time.Millisecond), p.lost[0].Load(), p.lost[1].Load())
}

func TestC104RedisKilled(t *testing.T) {
	server := redistest.Start(t)
	survives(t, server.URL(), server.Kill, server.Restart)
}

func TestC104RedisPaused(t *testing.T) {
	server := redistest.Start(t)
	survives(t, server.URL(), server.Pause, server.Resume)
}

func TestC104RedisFull(t *testing.T) {
	server := redistest.Start(t)
	survives(t, server.URL(),
		func() { server.Do("CONFIG", "SET", "maxmemory", "1") },
		func() { server.Do("CONFIG", "SET", "maxmemory", "0") })
}

// All that was counted is gone: it is noticed, and not begun anew with.
func TestC104RedisFlushed(t *testing.T) {
	server := redistest.Start(t)
	survives(t, server.URL(), func() { server.Do("FLUSHALL") }, func() {})
}

// A restart in no time, while nobody asked.
func TestC104RedisRestarted(t *testing.T) {
	server := redistest.Start(t)
	survives(t, server.URL(), server.Restart, func() {})
}

func TestC104RedisAwayFromTheStart(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	p := newPair(t, server.URL())
	p.notice(true)
	if n := p.passes(guarded, 24); n != guarded.N {
		t.Errorf("%d passed in shares of %d", n, guarded.N)
	}
	server.Restart()
	p.notice(false)
}

func TestC104AnswersAreSpoiled(t *testing.T) {
	says := func(text string) func([]byte) ([]byte, bool) {
		return func([]byte) ([]byte, bool) { return []byte(text), true }
	}
	for name, spoil := range map[string]func([]byte) ([]byte, bool){
		"cut in mid-answer":          func(a []byte) ([]byte, bool) { return a[:len(a)/2], false },
		"cut before it":              func([]byte) ([]byte, bool) { return nil, false },
		"swallowed":                  func([]byte) ([]byte, bool) { return nil, true },
		"late":                       func(a []byte) ([]byte, bool) { time.Sleep(bound + bound/2); return a, true },
		"twice":                      func(a []byte) ([]byte, bool) { return append(a[:len(a):len(a)], a...), true },
		"another protocol":           says("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"OK":                         says("+OK\r\n"),
		"a number":                   says(":7\r\n"),
		"numbers that make no sense": says("*3\r\n:1\r\n:99\r\n:-5\r\n"),
		"an error":                   says("-ERR no\r\n"),
		"of no length":               says("$-5\r\n"),
		"of too great a length":      says("*9999999999\r\n"),
		"without an end":             says("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"),
		"pushed":                     says(">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n"),
		"zeros":                      says("\x00\x00\x00\x00\x00\x00\x00\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			proxy := newProxy(t, server.Address())
			survives(t, proxy.url(), func() { proxy.does(spoil) }, func() { proxy.does(nil) })
		})
	}
}

// An idle connection that was cut is found and made anew, or costs one call.
func TestC104ConnectionsCut(t *testing.T) {
	server := redistest.Start(t)
	proxy := newProxy(t, server.Address())
	p := newPair(t, proxy.url())
	passed := p.passes(guarded, 12)
	for range 5 {
		proxy.cut()
		p.passes(limit.Rule{Name: "cut", N: 1000, Window: time.Minute}, 8)
		p.notice(false)
	}
	if passed += p.passes(guarded, 24); passed > 2*guarded.N {
		t.Errorf("%d passed of %d", passed, guarded.N)
	}
}
