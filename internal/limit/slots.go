package limit

// Counts by slots of time: words in pairs, a slot's key and how many are in it,
// ascending by key. Slots in which nothing was counted have none.

// addAt adds to the slot of a key, and drops the slots before the least key.
func addAt(words []int64, key, n, least int64) []int64 {
	lapsed := 0
	for lapsed < len(words) && words[lapsed] < least {
		lapsed += 2
	}
	words = words[:copy(words, words[lapsed:])]
	i := len(words)
	for i > 0 && words[i-2] > key {
		i -= 2
	}
	if i > 0 && words[i-2] == key {
		words[i-1] += n
		return words
	}
	words = append(words, 0, 0)
	copy(words[i+2:], words[i:])
	words[i], words[i+1] = key, n
	return words
}

// foldSlots keeps the newest slot and adds up the others as the newest of them:
// none lapses too early. There are two at least.
func foldSlots(words []int64) []int64 {
	last := len(words) - 2
	var before int64
	for i := 0; i < last; i += 2 {
		before += words[i+1]
	}
	folded := [4]int64{words[last-2], before, words[last], words[last+1]}
	return append(words[:0], folded[:]...)
}

// logSlots is how many slots a window is cut into where times are not kept.
const logSlots = 64

// The sliding log in slots, for large N: each take counts in the slot of its
// time, and each slot for as long as any of it is in the window. So no window
// holds more than N, in whatever order the times come; N pass at once, as in the
// exact log, and from then on N in a window and a slot, 98 % of N.
type slottedLog struct{ *Rule }

func (l slottedLog) width() int64 { return (int64(l.Window) + logSlots - 1) / logSlots }

// lapses tells when the last moment of a slot is out of the window.
func (l slottedLog) lapses(slot int64) int64 { return (slot+1)*l.width() - 1 + int64(l.Window) }

func (l slottedLog) wait(s state, now int64, need int) int64 {
	if need > l.N {
		return int64(l.Window)
	}
	// The latest slot that must have lapsed, so that N-need are left at most.
	left := int64(l.N - need)
	for i := len(s.words) - 2; i >= 0; i -= 2 {
		if left -= s.words[i+1]; left < 0 {
			return max(0, l.lapses(s.words[i])-now)
		}
	}
	return 0
}

func (l slottedLog) add(s state, now int64) state {
	least := (now - int64(l.Window) - l.slack()) / l.width()
	s.words = addAt(s.words, now/l.width(), 1, least)
	return s
}

// giveBack takes one from the slot of that time, if it was not folded.
func (l slottedLog) giveBack(s state, taken int64) state {
	slot := taken / l.width()
	for i := 0; i < len(s.words); i += 2 {
		if s.words[i] == slot && s.words[i+1] > 0 {
			s.words[i+1]--
		}
	}
	return s
}

func (l slottedLog) fold(s state, _ int64) state {
	s.words = foldSlots(s.words)
	return s
}

func (l slottedLog) until(s state) int64 {
	return l.lapses(s.words[len(s.words)-2]) + l.slack()
}
