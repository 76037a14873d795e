package redis_test

import (
	"flag"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/limittest"
	"github.com/countersign/countersign/internal/limit/redis"
	"github.com/countersign/countersign/internal/limit/redis/redistest"
)

var secret = []byte("a secret that no server of ours has")

func open(t testing.TB, o redis.Options) *redis.Limiter {
	t.Helper()
	o.Secret = secret
	l, err := redis.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// C-37, C-38.
func TestC37RedisIsALimiter(t *testing.T) {
	fewerSchedules(t, "12")
	server := redistest.Start(t)
	engine := open(t, redis.Options{URL: server.URL(), CallersTime: true, Bound: 10 * time.Second})
	limittest.Run(t, func(*testing.T) limit.Limiter {
		server.Do("FLUSHALL")
		_, _ = engine.Tally(t.Context(), time.Time{}, limit.Tally{Key: "tells that all is forgotten", Window: time.Hour})
		return engine
	})
}

// fewerSchedules has fewer than the usual random schedules drawn, unless the
// number was set: here each call is a round trip.
func fewerSchedules(t *testing.T, n string) {
	const usual = "100"
	if f := flag.Lookup("rapid.checks"); f.Value.String() == usual {
		if err := f.Value.Set(n); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(usual) })
	}
}
