package limit_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/countersign/countersign/internal/limit"
)

var (
	five  = limit.Rule{Name: "five", N: 5, Window: time.Hour}
	forty = limit.Rule{Name: "forty", N: 40, Window: time.Hour}
	huge  = limit.Rule{Name: "huge", N: 3000, Window: time.Hour}
)

func take(t testing.TB, m *limit.Memory, now time.Time, rule limit.Rule, key string) bool {
	t.Helper()
	d, err := m.Take(t.Context(), now, limit.Count{Rule: rule, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return d.Refused == ""
}

func fill(t testing.TB, m *limit.Memory, now time.Time, rule limit.Rule, key string) int {
	t.Helper()
	for n := 0; n <= rule.N; n++ {
		if !take(t, m, now, rule, key) {
			return n
		}
	}
	t.Fatalf("more than %d pass under %s", rule.N, rule.Name)
	return 0
}

// flood counts so many keys that were never seen before.
func flood(t testing.TB, m *limit.Memory, now time.Time, rule limit.Rule, keys int) {
	for i := range keys {
		take(t, m, now, rule, "flood "+now.String()+strconv.Itoa(i))
	}
}

// In small, so that it takes seconds: six times as many keys as the bound holds.
// BenchmarkMemoryTenMillionKeys floods the usual bound with 10^7.
func TestC46TenMillionKeysStayWithinTheBound(t *testing.T) {
	const bound = 4 << 20
	before := heap()
	m := limit.NewMemory(limit.MemoryOptions{Bytes: bound})
	victims := []limit.Rule{five, forty, huge}
	for _, rule := range victims {
		fill(t, m, start, rule, "victim")
	}
	tally := limit.Tally{Key: "victim", Window: time.Hour, Add: 41}
	m.Tally(t.Context(), start, tally)

	now := start
	for range 10 {
		now = now.Add(time.Minute)
		flood(t, m, now, five, 15_000)
		flood(t, m, now, huge, 15_000)
	}
	if s := m.Stats(); s.Bytes > bound || s.Shared == 0 {
		t.Errorf("%+v, bound %d: it is to be full and not more", s, bound)
	}
	if grown := heap() - before; grown > bound+64<<10 {
		t.Errorf("the heap grew by %d bytes, the bound is %d", grown, bound)
	}
	for _, rule := range victims {
		if take(t, m, now, rule, "victim") {
			t.Errorf("%s: the flood made its full counter forgotten", rule.Name)
		}
	}
	tally.Add = 1
	if got, _ := m.Tally(t.Context(), now, tally); got[0].Sum != 42 {
		t.Errorf("tally %+v, want 42", got[0])
	}
	runtime.KeepAlive(m)
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// Floods go by, and with them what they took.
func TestC46WhatLapsedMakesRoom(t *testing.T) {
	m := limit.NewSmall(2)
	flood(t, m, start, five, 10_000)
	full := m.Stats()
	if full.Shared == 0 {
		t.Fatalf("%+v: not full", full)
	}
	now := start.Add(five.Window + 2*time.Minute)
	flood(t, m, now, forty, 20) // what the first calls come by
	cleared := m.Stats()
	flood(t, m, now, five, 1000)
	if n := fill(t, m, now, five, "honest"); n != five.N {
		t.Errorf("%d pass, want %d", n, five.N)
	}
	if s := m.Stats(); s.Shared != cleared.Shared || s.Bytes != full.Bytes || s.Keys > 1021+full.Keys/4 {
		t.Errorf("%+v when the flood has lapsed, %+v when it was there", s, full)
	}
}

// Who shared a counter has no fresh one when there is room again.
func TestC46WhoSharedACounterTakesItAlong(t *testing.T) {
	m := limit.NewSmall(2)
	short := limit.Rule{Name: "short", N: 5, Window: time.Minute}
	flood(t, m, start, short, 3000)
	before := m.Stats().Shared
	for _, rule := range []limit.Rule{forty, huge} {
		fill(t, m, start, rule, "k")
	}
	if m.Stats().Shared <= before {
		t.Fatal("not full: k has counters of its own")
	}
	now := start.Add(3 * time.Minute)
	flood(t, m, now, short, 500) // sweeps
	before = m.Stats().Shared
	for _, rule := range []limit.Rule{forty, huge} {
		if n := fill(t, m, now, rule, "k"); n > rule.N/10 {
			t.Errorf("%s: %d pass again", rule.Name, n)
		}
		others := 0
		for i := range 20 { // but for the few who would have shared that counter
			if take(t, m, now, rule, "somebody else "+strconv.Itoa(i)) {
				others++
			}
		}
		if others < 10 {
			t.Errorf("%s: of 20 others %d pass", rule.Name, others)
		}
	}
	if got := m.Stats().Shared; got != before {
		t.Errorf("%d times a shared counter was asked although there is room", got-before)
	}
}

// What lapsed long ago cannot be given back: its record may be gone, and others
// share the counter that its key would have now.
func TestC46WhatLapsedIsNotGivenBackByOthers(t *testing.T) {
	m := limit.NewSmall(1)
	daily := limit.Rule{Name: "daily", N: 5, Window: 24 * time.Hour}
	ours := limit.Count{Rule: huge, Key: "ours"}
	take(t, m, start, huge, ours.Key)
	flood(t, m, start, daily, 1000)
	now := start
	for ; now.Before(start.Add(huge.Window + 9*time.Minute)); now = now.Add(9 * time.Minute) {
		for i := range 1000 { // under every shared counter, again and again
			fill(t, m, now, huge, strconv.Itoa(i))
		}
		flood(t, m, now, daily, 200)
	}
	now = now.Add(-9 * time.Minute)
	m.GiveBack(t.Context(), start, ours)
	for i := range 1000 {
		if take(t, m, now, huge, strconv.Itoa(i)) {
			t.Fatalf("%d passes on what was taken %s ago", i, now.Sub(start))
		}
	}
}

// A key that is held goes on being counted where its log has no room to grow:
// exactly to N, and lapsing late.
func TestC46AFullEngineFoldsLogs(t *testing.T) {
	m := limit.NewSmall(1)
	var keys []string
	for i := range 200 {
		keys = append(keys, strconv.Itoa(i))
		take(t, m, start, forty, keys[i])
	}
	flood(t, m, start, five, 2000)
	now := start.Add(time.Minute)
	for _, key := range keys {
		if n := fill(t, m, now, forty, key); n != forty.N-1 {
			t.Fatalf("%d more pass, want %d", n, forty.N-1)
		}
	}
	if s := m.Stats(); s.Bytes > 1024*(64+8+8) {
		t.Errorf("%+v: more than a page", s)
	}
	late := 0
	for _, key := range keys {
		if !take(t, m, start.Add(forty.Window), forty, key) {
			late++
		}
		if !take(t, m, now.Add(forty.Window), forty, key) {
			t.Errorf("%s is refused when all of it has lapsed", key)
		}
	}
	if late < 100 {
		t.Errorf("%d of %d logs were folded: the engine was not full", late, len(keys))
	}
}

// Whatever comes while the engine fills, is full and empties, no key gets past N.
func TestC46NoFloodLetsMoreThanNPass(t *testing.T) {
	rules := []limit.Rule{
		{Name: "three", N: 3, Window: 10 * time.Second},
		{Name: "thirty", N: 30, Window: 20 * time.Second},
		{Name: "large", N: 260, Window: 10 * time.Second},
	}
	rapid.Check(t, func(t *rapid.T) {
		m, now := limit.NewSmall(1), start
		keep := map[limit.Count][]time.Time{}
		for range rapid.IntRange(5, 20).Draw(t, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{
				0, time.Millisecond, time.Second, 4 * time.Second, 9999 * time.Millisecond, 21 * time.Second, 50 * time.Second,
			}).Draw(t, "stride"))
			rule := rapid.SampledFrom(rules).Draw(t, "rule")
			first := rapid.IntRange(0, 1500).Draw(t, "first")
			for i := range rapid.SampledFrom([]int{1, 5, 100, 1000}).Draw(t, "keys") {
				c := limit.Count{Rule: rule, Key: strconv.Itoa(first + i)}
				back := rapid.Uint64Range(0, 20).Draw(t, "back")
				for n := range min(rule.N, 3) + 1 {
					if d, _ := m.Take(t.Context(), now, c); d.Refused != "" {
						break
					}
					if uint64(n) == back {
						m.GiveBack(t.Context(), now, c)
					} else {
						keep[c] = append(keep[c], now)
					}
				}
			}
		}
		for c, at := range keep {
			for i := c.Rule.N; i < len(at); i++ {
				if at[i].Sub(at[i-c.Rule.N]) < c.Rule.Window {
					t.Fatalf("%s of %s: more than N from %s to %s", c.Rule.Name, c.Key, at[i-c.Rule.N].Sub(start), at[i].Sub(start))
				}
			}
		}
	})
}

// 10^7 keys against the usual bound: what the flood costs, and what it leaves.
func BenchmarkMemoryTenMillionKeys(b *testing.B) {
	for b.Loop() {
		before := heap()
		m := limit.NewMemory(limit.MemoryOptions{})
		fill(b, m, start, five, "victim")
		for i := range 10_000_000 {
			now := start.Add(time.Duration(i) * 100 * time.Microsecond)
			take(b, m, now, five, strconv.Itoa(i))
		}
		if take(b, m, start.Add(20*time.Minute), five, "victim") {
			b.Fatal("the flood made its full counter forgotten")
		}
		b.ReportMetric(float64(heap()-before), "heap-bytes")
		s := m.Stats()
		b.ReportMetric(float64(s.Bytes), "bytes")
		b.ReportMetric(float64(s.Keys), "keys")
		b.ReportMetric(float64(s.Shared), "shared")
	}
}
