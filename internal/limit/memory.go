package limit

import (
	"context"
	"hash/maphash"
	"sync"
	"time"
)

// MemoryOptions bound the engine. Bytes: what it may hold at most (0: 64 MiB;
// at least 4 MiB).
type MemoryOptions struct{ Bytes int }

// Memory is the Limiter of a single instance. It never errs.
//
// Up to N = 256 exactly N pass in any window; above it times are kept by slots,
// of which a window has 64 (slottedLog). Times may come out of order, and the clock may step back by a minute (by the window,
// where that is shorter) without any window on the clock shown holding more than
// N. Further back, what had lapsed before is forgotten, and what had not still
// counts: in no stretch of true time do more pass. Times are good from 1678 on.
//
// Keys are kept as 64-bit hashes under a seed of the engine: nobody can aim at a
// collision, and one would only count two as one. A key seen once takes 64 bytes
// and a place in the index. A quarter of the memory is for keys that are Reserved,
// which strangers cannot make: no flood of others fills it. The rest is for all
// other keys: of 64 MiB, 48 hold 611,000 of them, and a flood of 10^7 takes 43
// (BenchmarkMemoryTenMillionKeys). A full log takes 2.4 KiB, twice that where the
// window is a minute or less; in slots, half as much.
//
// Once seven eighths of its part are full, new keys share 64 counters a rule, or a
// name of tallies: what counts is never forgotten, so a flood costs strangers
// their own counters and gives nobody a fresh one. The last eighth is for those
// counters and for the logs of keys held already, which are folded where it does
// not suffice. Records go as they lapse, a few at each call.
type Memory struct {
	seed maphash.Seed

	// One lock: a call holds it for some hundred nanoseconds, a thousandth of what
	// the request costs, and counts that are all or nothing would need several.
	mu       sync.Mutex
	open     part  // for keys that anybody can make
	reserved part  // for those of rules and tallies that are Reserved
	latest   int64 // the latest time that a call showed
	buf      [2 * mostLogged]int64
}

// MemoryStats tell how full the engine is. Keys: records held, those that
// lapsed but were not yet come by included. Bytes: what they take, index and
// free cells included. Shared: how often a counter was asked that several keys share,
// since the start; where it rises, the engine is too small or flooded.
type MemoryStats struct{ Keys, Bytes, Shared int64 }

// NewMemory makes an empty engine.
func NewMemory(o MemoryOptions) *Memory {
	const usual, least = 64 << 20, 4 << 20
	if o.Bytes == 0 {
		o.Bytes = usual
	}
	bytes := max(o.Bytes, least)
	return &Memory{
		seed:     maphash.MakeSeed(),
		open:     part{table: newTable(bytes - bytes/4)},
		reserved: part{table: newTable(bytes / 4)},
	}
}

// Take is Limiter's.
func (m *Memory) Take(_ context.Context, now time.Time, counts ...Count) (Decision, error) {
	t := now.UnixNano()
	var few [8]place
	places := m.places(few[:0], counts)

	m.mu.Lock()
	defer m.mu.Unlock()
	m.begin(t)
	var refusal Decision
	for i := range counts {
		rule := &counts[i].Rule
		if wait := time.Duration(m.wait(rule, places, i, t)); wait > refusal.RetryAfter {
			refusal = Decision{Refused: rule.Name, RetryAfter: wait}
		}
	}
	if refusal.RetryAfter > 0 {
		return refusal, nil
	}
	for i := range counts {
		m.count(&counts[i].Rule, &places[i], t)
	}
	return Decision{}, nil
}

// GiveBack is Limiter's. Above N = 256 it goes by the slot of the time.
func (m *Memory) GiveBack(_ context.Context, taken time.Time, counts ...Count) error {
	t := taken.UnixNano()
	var few [8]place
	places := m.places(few[:0], counts)

	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range counts {
		rule, p := &counts[i].Rule, &places[i]
		if !rule.counts() || t+int64(rule.Window)+rule.slack() <= m.latest {
			continue // its record may be gone, and a shared one is not to pay
		}
		p.locate(m.latest, false)
		if p.id == 0 {
			continue
		}
		table := &p.part.table
		s := rule.meter().giveBack(table.read(p.id, m.buf[:0]), t)
		table.write(p.id, s, table.at(p.id).until(), 0) // never more words than before
	}
	return nil
}

// Tally is Limiter's. While the engine is full, the tallies of new keys add up
// by name, and those held may tell the older part as newer than it is.
func (m *Memory) Tally(_ context.Context, now time.Time, tallies ...Tally) ([]Tallied, error) {
	t := now.UnixNano()
	sums := make([]Tallied, len(tallies))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begin(t)
	for i, tally := range tallies {
		p := m.place(kindTally, tally.Name, tally.Key, tally.Reserved)
		s := p.load(t, m.buf[:0])
		if p.copied != 0 {
			mix(s)
		}
		if tally.Add != 0 {
			s = tally.add(s, t)
			p.save(s, tally.until(s), func() state { return tally.fold(s) })
		}
		sums[i] = tally.sum(s, t)
		sums[i].Shared = sums[i].Shared || p.key == p.shared
	}
	return sums, nil
}

// Stats tell how full the engine is.
func (m *Memory) Stats() MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	var stats MemoryStats
	for _, p := range []*part{&m.open, &m.reserved} {
		stats.Keys += int64(p.table.records)
		stats.Bytes += int64(p.table.bytes())
		stats.Shared += p.shared.asked
	}
	return stats
}

// begin is what each call that shows the time does first.
func (m *Memory) begin(now int64) {
	m.latest = max(m.latest, now)
	m.open.begin(now)
	m.reserved.begin(now)
}

// wait tells how long until the count at i is admitted, given that those before
// it are; 0: now.
func (m *Memory) wait(r *Rule, places []place, i int, now int64) int64 {
	if !r.counts() {
		return max(int64(r.Window), int64(time.Second))
	}
	p := &places[i]
	s := p.load(now, m.buf[:0])
	need := 1
	for j := range i {
		if places[j].key == p.key && places[j].part == p.part {
			need++
		}
	}
	return r.meter().wait(s, now, need)
}

func (m *Memory) count(r *Rule, p *place, now int64) {
	s := r.meter().add(p.load(now, m.buf[:0]), now)
	p.save(s, r.meter().until(s), func() state { return r.meter().fold(s, now) })
}

// counts tells whether the rule admits anybody at all: a limit without a window
// is none that could be kept.
func (r *Rule) counts() bool { return r.N > 0 && r.Window > 0 }

// meter is how a rule counts: what a record's words mean.
type meter interface {
	wait(s state, now int64, need int) int64 // until need more are admitted
	add(s state, now int64) state
	giveBack(s state, taken int64) state
	fold(s state, now int64) state // into what fits into a head
	until(s state) int64           // when none of it counts any more
}

func (r *Rule) meter() meter {
	if r.N > mostLogged {
		return slottedLog{r}
	}
	return slidingLog{r}
}
