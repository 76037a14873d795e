package limit

import (
	"slices"
	"time"
)

// mostLogged is the largest N for which every time is kept. Above it, keeping
// them costs more than it is worth, and they are kept by slots.
const mostLogged = 256

// slack is how far a clock may step back, or the times of concurrent callers
// cross, without anything being forgotten that would still count: lapsed times
// are kept so much longer.
func (r *Rule) slack() int64 { return int64(min(r.Window, time.Minute)) }

// The sliding log: the times of what passed, ascending. At t it admits where
// fewer than N of them are later than t-Window. Times later than t count too:
// so the bound holds in whatever order the times come.
//
// A log for which there is no room is folded into its latest time and a number:
// all of it counts as if it had come last, which only ever refuses more.
type slidingLog struct{ *Rule }

func (l slidingLog) wait(s state, now int64, need int) int64 {
	if need > l.N {
		return int64(l.Window)
	}
	window := int64(l.Window)
	if s.folded {
		at, n := s.words[0], int(s.words[1])
		if at <= now-window || n+need <= l.N {
			return 0
		}
		return at + window - now
	}
	// The latest that must have lapsed, so that N-need are left at most.
	i := len(s.words) - 1 - (l.N - need)
	if i < 0 {
		return 0
	}
	return max(0, s.words[i]+window-now)
}

func (l slidingLog) add(s state, now int64) state {
	if s.folded {
		if at := s.words[0]; at > now-int64(l.Window) {
			s.words[0], s.words[1] = max(at, now), s.words[1]+1
			return s
		}
		s = state{words: s.words[:0]}
	}
	kept, _ := slices.BinarySearch(s.words, now-int64(l.Window)-l.slack()+1)
	s.words = slices.Delete(s.words, 0, kept)
	if n := len(s.words); n == 0 || s.words[n-1] <= now {
		s.words = append(s.words, now)
		return s
	}
	i, _ := slices.BinarySearch(s.words, now)
	s.words = slices.Insert(s.words, i, now)
	return s
}

// giveBack takes one of that very time away. Of a folded log only the latest
// can be told apart.
func (l slidingLog) giveBack(s state, taken int64) state {
	if s.folded {
		if s.words[0] == taken && s.words[1] > 0 {
			s.words[1]--
		}
		return s
	}
	if i, found := slices.BinarySearch(s.words, taken); found {
		s.words = slices.Delete(s.words, i, i+1)
	}
	return s
}

func (l slidingLog) fold(s state, now int64) state {
	lapsed, _ := slices.BinarySearch(s.words, now-int64(l.Window)+1)
	last, n := s.words[len(s.words)-1], len(s.words)-lapsed
	return state{words: append(s.words[:0], last, int64(n)), folded: true}
}

func (l slidingLog) until(s state) int64 {
	last := s.words[len(s.words)-1]
	if s.folded {
		last = s.words[0]
	}
	return last + int64(l.Window) + l.slack()
}
