package redis_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/redis"
	"github.com/countersign/countersign/internal/limit/redis/redistest"
)

// instance is a limiter whose clock is off.
type instance struct {
	*redis.Limiter
	off time.Duration
}

func (i instance) now() time.Time { return time.Now().Add(i.off).Truncate(time.Millisecond) }

func (i instance) take(t testing.TB, counts ...limit.Count) bool {
	t.Helper()
	d, err := i.Take(t.Context(), i.now(), counts...)
	if err != nil {
		t.Errorf("Take: %v", err)
	}
	return d.Refused == ""
}

func instances(t testing.TB, url string, off ...time.Duration) []instance {
	var all []instance
	for _, off := range off {
		i := instance{off: off}
		i.Limiter = open(t, redis.Options{URL: url, Now: i.now, Bound: 2 * time.Second})
		all = append(all, i)
	}
	return all
}

// Redis' time counts, whatever that of the instances is.
func TestC37InstancesWhoseClocksDifferShareALimit(t *testing.T) {
	server := redistest.Start(t)
	both := instances(t, server.URL(), -time.Hour, time.Hour)
	for _, rule := range []limit.Rule{
		{Name: "once", N: 1, Window: time.Minute},
		{Name: "small", N: 60, Window: time.Hour},
		{Name: "most", N: 256, Window: time.Hour},
		{Name: "large", N: 400, Window: time.Hour},
	} {
		var passed atomic.Int64
		var all sync.WaitGroup
		for i := range 32 {
			all.Go(func() {
				for range 20 {
					if both[i%2].take(t, limit.Count{Rule: rule, Key: "k"}) {
						passed.Add(1)
					}
				}
			})
		}
		all.Wait()
		if passed.Load() != int64(rule.N) {
			t.Errorf("%d passed under %s, want %d", passed.Load(), rule.Name, rule.N)
		}
	}
}

// No window of true time holds more than N.
func TestC37TheWindowIsOfRedisTime(t *testing.T) {
	server := redistest.Start(t)
	both := instances(t, server.URL(), -10*time.Second, 10*time.Second)
	rule := limit.Rule{Name: "short", N: 5, Window: 200 * time.Millisecond}
	var passed []time.Time // when it was asked for: not later than it was counted
	var told []time.Time   // when it was told: not earlier
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		for _, i := range both {
			asked := time.Now()
			if i.take(t, limit.Count{Rule: rule, Key: "k"}) {
				passed, told = append(passed, asked), append(told, time.Now())
			}
		}
	}
	for i := rule.N; i < len(passed); i++ {
		if span := told[i].Sub(passed[i-rule.N]); span < rule.Window {
			t.Errorf("%d passed within %s", rule.N+1, span)
		}
	}
	if len(passed) < 2*rule.N {
		t.Errorf("only %d passed in a second", len(passed))
	}
}

func TestGiveBackByRedisTime(t *testing.T) {
	server := redistest.Start(t)
	both := instances(t, server.URL(), -time.Hour, time.Hour)
	a, b := both[0], both[1]
	for _, rule := range []limit.Rule{{Name: "few", N: 3, Window: time.Hour}, {Name: "large", N: 300, Window: time.Hour}} {
		givesBack(t, a, b, limit.Count{Rule: rule, Key: "k"})
	}
}

func givesBack(t *testing.T, a, b instance, c limit.Count) {
	fill := func() (n int) {
		for b.take(t, c) {
			n++
		}
		return n
	}
	taken := a.now()
	if !a.take(t, c) || fill() != c.Rule.N-1 {
		t.Fatal("not N passed")
	}
	giveBack := func(taken time.Time) {
		t.Helper()
		if err := a.GiveBack(t.Context(), taken, c); err != nil {
			t.Fatal(err)
		}
	}
	giveBack(taken)
	if n := fill(); n != 1 {
		t.Errorf("%d passed after one was given back", n)
	}
	giveBack(a.now().Add(time.Minute)) // a clock that stepped back meanwhile
	giveBack(taken)
	if n := fill(); n > 2 {
		t.Errorf("%d passed after two were given back", n)
	}
}

// No key tells who is counted, and every count has an end.
func TestKeysTellNothingAndLapse(t *testing.T) {
	server := redistest.Start(t)
	i := instances(t, server.URL(), 0)[0]
	const address = "203.0.113.77"
	small, large := limit.Rule{Name: "begin_address", N: 5, Window: time.Minute}, limit.Rule{Name: "send", N: 5000, Window: time.Hour}
	i.take(t, limit.Count{Rule: small, Key: address}, limit.Count{Rule: large, Key: address})
	if _, err := i.Tally(t.Context(), i.now(), limit.Tally{Key: address, Window: time.Hour, Add: 1}); err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile(`cs:\S+`).FindAllString(server.Do("KEYS", "*"), -1)
	slices.Sort(keys)
	if len(keys) != 4 {
		t.Fatalf("keys: %q", keys)
	}
	for _, key := range keys {
		if strings.Contains(key, address) {
			t.Errorf("%s tells the address", key)
		}
		ttl, _ := strconv.Atoi(strings.Trim(server.Do("PTTL", key), ":\r\n"))
		if key != "cs:born" && (ttl <= 0 || ttl > int((2*time.Hour).Milliseconds())) {
			t.Errorf("%s lapses in %d ms", key, ttl)
		}
	}
	other, err := redis.New(redis.Options{URL: server.URL(), Secret: []byte("another secret, as long as it must be")})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Take(t.Context(), i.now(), limit.Count{Rule: small, Key: address}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(server.Do("KEYS", "*begin_address"), "cs:"); n != 2 {
		t.Errorf("%d keys of one address under two secrets", n)
	}
}

func TestNewRefusesWhatMakesNoSense(t *testing.T) {
	for _, o := range []redis.Options{
		{URL: "redis://localhost"},
		{URL: "redis://localhost", Secret: []byte("short")},
		{URL: "localhost:6379", Secret: secret},
		{URL: "http://user:hidden@localhost", Secret: secret},
		{URL: "redis://user:hidden@localhost:99x/7", Secret: secret},
		{URL: "rediss://localhost?skip_verify=1", Secret: secret},
	} {
		if _, err := redis.New(o); err == nil {
			t.Errorf("%+v passed", o)
		} else if strings.Contains(err.Error(), "hidden") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
