package limit

// slots is how many slots a tally's window is cut into.
const slots = 24

func (t Tally) slot() int64 { return max(1, int64(t.Window)/slots) }

// The words of a tally are counts by slots. A slot's key is twice its number, and
// one more where the count is not the key's own alone: where a tally began as a
// copy of a shared one.

// mix marks all that was counted.
func mix(s state) {
	for i := 0; i < len(s.words); i += 2 {
		s.words[i] |= 1
	}
}

// add puts into the slot of now what the tally adds, and drops what lapsed: a
// slot more is kept, for callers whose times cross.
func (t Tally) add(s state, now int64) state {
	at := now / t.slot()
	s.words = addAt(s.words, 2*at, t.Add, 2*(at-slots-1))
	return s
}

func (t Tally) sum(s state, now int64) Tallied {
	at := now / t.slot()
	var sum Tallied
	for i := 0; i < len(s.words); i += 2 {
		slot := s.words[i] >> 1
		if slot < at-slots {
			continue
		}
		sum.Sum += s.words[i+1]
		if slot < at-1 {
			sum.Settled += s.words[i+1]
		}
		sum.Shared = sum.Shared || s.words[i]&1 != 0
	}
	return sum
}

// fold keeps two slots. The older is marked if any that it takes in was.
func (t Tally) fold(s state) state {
	var mixed int64
	for i := 0; i < len(s.words)-2; i += 2 {
		mixed |= s.words[i] & 1
	}
	s.words = foldSlots(s.words)
	s.words[0] |= mixed
	return s
}

func (t Tally) until(s state) int64 {
	return (s.words[len(s.words)-2]>>1 + slots + 2) * t.slot()
}
