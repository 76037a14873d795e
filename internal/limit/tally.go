package limit

// slots is how many slots a tally's window is cut into.
const slots = 24

func (t Tally) slot() int64 { return max(1, int64(t.Window)/slots) }

// The words of a tally are pairs, a slot's number and its sum, ascending; slots
// in which nothing was added have none.

// add puts into the slot of now what the tally adds, and drops what lapsed: a
// slot more is kept, for callers whose times cross.
func (t Tally) add(s state, now int64) state {
	at := now / t.slot()
	lapsed := 0
	for lapsed < len(s.words) && s.words[lapsed] < at-slots-1 {
		lapsed += 2
	}
	s.words = s.words[:copy(s.words, s.words[lapsed:])]
	i := len(s.words)
	for i > 0 && s.words[i-2] > at {
		i -= 2
	}
	if i > 0 && s.words[i-2] == at {
		s.words[i-1] += t.Add
		return s
	}
	s.words = append(s.words, 0, 0)
	copy(s.words[i+2:], s.words[i:])
	s.words[i], s.words[i+1] = at, t.Add
	return s
}

func (t Tally) sum(s state, now int64) Tallied {
	at := now / t.slot()
	var sum Tallied
	for i := 0; i < len(s.words); i += 2 {
		if s.words[i] < at-slots {
			continue
		}
		sum.Sum += s.words[i+1]
		if s.words[i] < at-1 {
			sum.Settled += s.words[i+1]
		}
	}
	return sum
}

// fold keeps the newest slot and adds up the others as the newest of them: none
// lapses too early.
func (t Tally) fold(s state) state {
	last := len(s.words) - 2
	var before int64
	for i := 0; i < last; i += 2 {
		before += s.words[i+1]
	}
	w := [4]int64{s.words[last-2], before, s.words[last], s.words[last+1]}
	s.words = append(s.words[:0], w[:]...)
	return s
}

func (t Tally) until(s state) int64 {
	return (s.words[len(s.words)-2] + slots + 2) * t.slot()
}
