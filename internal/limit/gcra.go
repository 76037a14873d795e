package limit

import "math"

// GCRA, the generic cell rate algorithm (ITU-T I.371), for large N: a time that
// each take moves on by one interval, and that may be at most a burst ahead.
//
// Whatever window of length W is looked at, k takes in it moved that time from
// at least its beginning to less than a burst after its end: k < W/interval +
// burst. So that this is at most N, W/interval + burst <= N+1. The larger the
// burst, the lower the lasting rate: a third of N passes at once, and from then
// on two thirds of N a window. Half and half would give bursts more and
// everyday traffic less; a burst of N would admit almost 2N.
//
// Nothing here depends on times ascending: takes only ever move that time on.
type gcra struct{ *Rule }

func (g gcra) burst() int { return g.N / 3 }

func (g gcra) interval() int64 {
	rest := int64(g.N + 1 - g.burst())
	return (int64(g.Window) + rest - 1) / rest
}

// The words. To take an interval back is safe only as long as the time, without
// it, was never overtaken by a later take: else what was idle would be lent
// twice. So the record tells since when that is known (gSince), and by how much
// the time was ahead of every take since (gLow), less what was given back. Takes
// from before are not given back; they drain, an interval each.
const (
	gTime  = iota // when the bucket will have drained
	gSince        // takes of this time and later can be given back
	gLow          // so much of what is ahead
	gLast         // the latest take
	gWords
)

func (g gcra) wait(s state, now int64, need int) int64 {
	ahead := int64(0)
	if len(s.words) == gWords {
		ahead = max(0, s.words[gTime]-now)
	}
	return max(0, ahead+int64(need-g.burst())*g.interval())
}

func (g gcra) add(s state, now int64) state {
	if len(s.words) != gWords {
		return state{words: append(s.words[:0], now+g.interval(), now, math.MaxInt64, now)}
	}
	w := s.words
	if now > w[gSince] {
		w[gLow] = min(w[gLow], w[gTime]-now)
		if w[gLow] < g.interval() {
			w[gSince], w[gLow] = max(now, w[gLast]), math.MaxInt64
		}
	}
	w[gTime] = max(w[gTime], now) + g.interval()
	w[gLast] = max(w[gLast], now)
	return s
}

func (g gcra) giveBack(s state, taken int64) state {
	w := s.words
	if len(w) != gWords || taken < w[gSince] || taken > w[gLast] || w[gLow] < g.interval() {
		return s
	}
	w[gTime] -= g.interval()
	w[gLow] -= g.interval()
	return s
}

// fold is never needed: four words fit into any record.
func (g gcra) fold(s state, _ int64) state { return s }

func (g gcra) until(s state) int64 {
	return max(s.words[gTime], s.words[gLast]+int64(g.Window)) + g.slack()
}
