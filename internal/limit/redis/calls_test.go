package redis_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/redis"
	"github.com/countersign/countersign/internal/limit/redis/redistest"
)

// A decision is one command, whatever it counts: one trip to Redis.
func TestADecisionIsOneCommand(t *testing.T) {
	server := redistest.Start(t)
	l := open(t, redis.Options{URL: server.URL(), Bound: 10 * time.Second})
	take := func(counts ...limit.Count) {
		t.Helper()
		if _, err := l.Take(t.Context(), time.Now(), counts...); err != nil {
			t.Fatal(err)
		}
	}
	session := limit.Count{Rule: limit.Rule{Name: "refresh_session", N: 60_000, Window: time.Minute}, Key: "id"}
	address := limit.Count{Rule: limit.Rule{Name: "begin_address", N: 60, Window: time.Hour}, Key: "203.0.113.7"}
	take(session, address) // the first has the script loaded
	server.Do("CONFIG", "RESETSTAT")
	take(session)
	take(session, address)
	commands := server.Do("INFO", "commandstats") // those that the script runs inside of Redis too
	if !strings.Contains(commands, "cmdstat_evalsha:calls=2,") || regexp.MustCompile(`cmdstat_(eval|script|ping|multi)[:|]`).MatchString(commands) {
		t.Errorf("two decisions were these commands: %s", commands)
	}
}
