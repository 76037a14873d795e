package limit_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/limit"
	"github.com/countersign/countersign/internal/limit/limittest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// C-37, C-38.
func TestC37MemoryIsALimiter(t *testing.T) {
	limittest.Run(t, func(*testing.T) limit.Limiter { return limit.NewMemory(limit.MemoryOptions{}) })
}

func BenchmarkTake(b *testing.B) {
	log := limit.Rule{Name: "log", N: 60, Window: time.Hour}
	large := limit.Rule{Name: "slots", N: 20000, Window: time.Hour}
	for _, rule := range []limit.Rule{log, large} {
		b.Run(rule.Name, func(b *testing.B) { benchmarkTake(b, rule) })
		b.Run(rule.Name+"/parallel", func(b *testing.B) { benchmarkParallel(b, rule) })
	}
	b.Run("five counts", func(b *testing.B) {
		m, keys := limit.NewMemory(limit.MemoryOptions{}), benchKeys()
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			key := keys[i%len(keys)]
			m.Take(b.Context(), start.Add(time.Duration(i)*100*time.Millisecond),
				limit.Count{Rule: log, Key: key}, limit.Count{Rule: large, Key: key[:8]}, limit.Count{Rule: large, Key: key},
				limit.Count{Rule: five, Key: key}, limit.Count{Rule: forty, Key: key})
			i++
		}
	})
	b.Run("refused", func(b *testing.B) {
		m := limit.NewMemory(limit.MemoryOptions{})
		for range log.N {
			m.Take(b.Context(), start, limit.Count{Rule: log, Key: "k"})
		}
		b.ReportAllocs()
		for b.Loop() {
			m.Take(b.Context(), start, limit.Count{Rule: log, Key: "k"})
		}
	})
}

func benchKeys() []string {
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = "2001:db8::" + strconv.Itoa(i)
	}
	return keys
}

func benchmarkTake(b *testing.B, rule limit.Rule) {
	m, keys, ctx := limit.NewMemory(limit.MemoryOptions{}), benchKeys(), b.Context()
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Take(ctx, start.Add(time.Duration(i)*10*time.Millisecond), limit.Count{Rule: rule, Key: keys[i%len(keys)]})
		i++
	}
}

func benchmarkParallel(b *testing.B, rule limit.Rule) {
	m, keys, ctx := limit.NewMemory(limit.MemoryOptions{}), benchKeys(), b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		i := 0
		for pb.Next() {
			m.Take(ctx, start.Add(time.Duration(i)*10*time.Millisecond), limit.Count{Rule: rule, Key: keys[i%len(keys)]})
			i++
		}
	})
}
