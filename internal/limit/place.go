package limit

import "hash/maphash"

// place is where a key is counted: in a record of its own, or in one of the
// shared ones.
type place struct {
	own, shared uint64 // hashes
	key         uint64 // that of the two under which it is counted
	id          uint32 // the record, 0: none yet
	copied      uint32 // what a new record begins as, 0: empty
}

// sharing is what the engine knows of its shared counters.
type sharing struct {
	until int64 // when the last of them has lapsed
	asked int64
}

// sharedCounters is how many a rule has. Few, since each may grow to a whole log.
const sharedCounters = 64

// What a key is counted for is part of its hash: words never mean two things.
const (
	kindLog    = 'l'
	kindGCRA   = 'g'
	kindTally  = 't'
	kindShared = 's'
)

func (m *Memory) places(to []place, counts []Count) []place {
	for _, c := range counts {
		kind := byte(kindLog)
		if c.Rule.N > mostLogged {
			kind = kindGCRA
		}
		to = append(to, m.place(kind, c.Rule.Name, c.Key))
	}
	return to
}

func (m *Memory) place(kind byte, rule, key string) place {
	var h maphash.Hash
	h.SetSeed(m.seed)
	h.WriteByte(kind)
	h.WriteString(rule)
	h.WriteByte(0)
	h.WriteString(key)
	p := place{own: h.Sum64()}
	h.Reset()
	h.WriteByte(kindShared)
	h.WriteByte(kind)
	h.WriteByte(byte(p.own>>32) % sharedCounters)
	h.WriteString(rule)
	p.shared = h.Sum64()
	return p
}

// fits tells whether new keys still get records of their own.
func (m *Memory) fits() bool { return m.table.used < m.table.most/8*7 }

// locate finds the place's record. A key that was counted in a shared one goes
// on from there when it gets its own, else it would begin anew.
func (m *Memory) locate(p *place, now int64, fits bool) {
	p.key, p.copied = p.own, 0
	if p.id = m.table.find(p.own); p.id != 0 {
		return
	}
	if !fits {
		p.key = p.shared
		p.id = m.table.find(p.shared)
	} else if now < m.shared.until {
		p.copied = m.table.find(p.shared)
	}
}

func (m *Memory) load(p *place, now int64, fits bool) state {
	m.locate(p, now, fits)
	if p.key == p.shared {
		m.shared.asked++
	}
	switch {
	case p.id != 0:
		return m.table.read(p.id, m.buf[:0])
	case p.copied != 0:
		return m.table.read(p.copied, m.buf[:0])
	}
	return state{words: m.buf[:0]}
}

// save writes a place's record, folded where there is no room for all of it.
func (m *Memory) save(p *place, s state, until int64, folded func() state) {
	if p.id == 0 {
		p.id = m.table.create(p.key)
	}
	if p.key == p.shared {
		m.shared.until = max(m.shared.until, until)
	}
	if !m.table.write(p.id, s, until, m.table.most/16*15) {
		m.table.write(p.id, folded(), until, 0)
	}
}
