package redis_test

import (
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/redis/redistest"
)

// BenchmarkTake shows a Take beside the bare round trip of a script that does
// nothing, alone and with 32 callers, and what of it Redis itself is busy for.
func BenchmarkTake(b *testing.B) {
	server := redistest.Start(b)
	for _, callers := range []int{1, 32} {
		b.Run("nothing/"+strconv.Itoa(callers), func(b *testing.B) { benchNothing(b, server, callers) })
		for _, rule := range []limit.Rule{{Name: "log", N: 60, Window: time.Hour}, {Name: "slots", N: 20_000, Window: time.Hour}} {
			b.Run(rule.Name+"/"+strconv.Itoa(callers), func(b *testing.B) { benchTake(b, server, callers, 1, rule) })
		}
		five := limit.Rule{Name: "five", N: 60, Window: time.Hour}
		b.Run("five logs/"+strconv.Itoa(callers), func(b *testing.B) { benchTake(b, server, callers, 5, five) })
	}
}

func benchTake(b *testing.B, server *redistest.Server, callers, each int, rule limit.Rule) {
	i := instances(b, server.URL(), 0)[0]
	i.take(b, limit.Count{Rule: rule, Key: "connects"})
	var n atomic.Int64
	run(b, server, callers, func() {
		counts := make([]limit.Count, each)
		key := int(n.Add(1))
		for j := range counts {
			counts[j] = limit.Count{Rule: rule, Key: "2001:db8::" + strconv.Itoa((key*7+j)%10_000)}
		}
		i.take(b, counts...)
	})
	_, key, _ := strings.Cut(server.Do("RANDOMKEY"), "\r\n") // behind its length
	size, err := strconv.Atoi(strings.Trim(server.Do("MEMORY", "USAGE", strings.TrimSpace(key)), ":\r\n"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(size), "redis-B/key")
}

func benchNothing(b *testing.B, server *redistest.Server, callers int) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Address()}, DisableCache: true})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	nothing := rueidis.NewLuaScript("return 0")
	run(b, server, callers, func() {
		if err := nothing.Exec(b.Context(), client, []string{"k"}, nil).Error(); err != nil {
			b.Fatal(err)
		}
	})
}

func run(b *testing.B, server *redistest.Server, callers int, call func()) {
	server.Do("CONFIG", "RESETSTAT")
	b.ReportAllocs()
	if callers == 1 {
		for b.Loop() {
			call()
		}
	} else {
		b.SetParallelism(callers / 2) // of two processors
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				call()
			}
		})
	}
	b.ReportMetric(busy(b, server), "redis-ns/op")
}

// busy is how long a script took in Redis, by its own count.
func busy(b *testing.B, server *redistest.Server) float64 {
	_, stats, _ := strings.Cut(server.Do("INFO", "commandstats"), "cmdstat_evalsha:")
	_, stats, _ = strings.Cut(stats, "usec_per_call=")
	stats, _, _ = strings.Cut(stats, ",")
	micros, err := strconv.ParseFloat(stats, 64)
	if err != nil {
		b.Fatal(err)
	}
	return micros * 1000
}
