package limit

import "hash/maphash"

// place is where a key is counted: in a record of its own, or in one of the
// shared ones.
type place struct {
	part        *part
	own, shared uint64 // hashes
	key         uint64 // that of the two under which it is counted
	id          uint32 // the record, 0: none yet
	copied      uint32 // what a new record begins as, 0: empty
}

// part is a share of the memory, with room of its own.
type part struct {
	table  table
	shared sharing
	fits   bool // new keys get records of their own; the same throughout a call
}

// sharing is what a part knows of its shared counters.
type sharing struct {
	until int64 // when the last of them has lapsed
	asked int64
}

// sharedCounters is how many a rule, or a name of tallies, has. Few, since each
// may grow to a whole log.
const sharedCounters = 64

// What a key is counted for is part of its hash: words never mean two things.
const (
	kindLog    = 'l'
	kindSlots  = 'n'
	kindTally  = 't'
	kindShared = 's'
)

func (m *Memory) places(to []place, counts []Count) []place {
	for _, c := range counts {
		kind := byte(kindLog)
		if c.Rule.N > mostLogged {
			kind = kindSlots
		}
		to = append(to, m.place(kind, c.Rule.Name, c.Key, c.Rule.Reserved))
	}
	return to
}

func (m *Memory) place(kind byte, name, key string, reserved bool) place {
	p := place{part: &m.open}
	if reserved {
		p.part = &m.reserved
	}
	var h maphash.Hash
	h.SetSeed(m.seed)
	h.WriteByte(kind)
	h.WriteString(name)
	h.WriteByte(0)
	h.WriteString(key)
	p.own = h.Sum64()
	h.Reset()
	h.WriteByte(kindShared)
	h.WriteByte(kind)
	h.WriteByte(byte(p.own>>32) % sharedCounters)
	h.WriteString(name)
	p.shared = h.Sum64()
	return p
}

// begin looks for records that have lapsed among the next few cells, among more
// where room is scarce.
func (p *part) begin(now int64) {
	const usual, scarce = 8, 64
	enough := p.table.most / 8 * 7
	if p.table.used < enough {
		p.table.sweep(now, usual)
	} else {
		p.table.sweep(now, scarce)
	}
	p.fits = p.table.used < enough
}

// locate finds the place's record. A key that was counted in a shared one goes
// on from there when it gets its own, else it would begin anew.
func (p *place) locate(now int64, fits bool) {
	table := &p.part.table
	p.key, p.copied = p.own, 0
	if p.id = table.find(p.own); p.id != 0 {
		return
	}
	if !fits {
		p.key = p.shared
		p.id = table.find(p.shared)
	} else if now < p.part.shared.until {
		p.copied = table.find(p.shared)
	}
}

// load reads the place's words into buf.
func (p *place) load(now int64, buf []int64) state {
	p.locate(now, p.part.fits)
	if p.key == p.shared {
		p.part.shared.asked++
	}
	switch {
	case p.id != 0:
		return p.part.table.read(p.id, buf)
	case p.copied != 0:
		return p.part.table.read(p.copied, buf)
	}
	return state{words: buf}
}

// save writes a place's record, folded where there is no room for all of it.
func (p *place) save(s state, until int64, folded func() state) {
	table := &p.part.table
	if p.id == 0 {
		p.id = table.create(p.key)
	}
	if p.key == p.shared {
		p.part.shared.until = max(p.part.shared.until, until)
	}
	if !table.write(p.id, s, until, table.most/16*15) {
		table.write(p.id, folded(), until, 0)
	}
}
