package core

import (
	"context"
	"hash/fnv"
)

// turns let the messages to one number go past their counts one by one. Whoever
// floods one number would else hold, with requests of which the store admits one,
// as many counts of its prefix as the prefix has.
//
// Numbers share turns by chance; nobody outside knows which, since the chance is
// that of the keyed hash. Turns are of this process: other instances may hold one
// count each.
type turns []chan struct{}

const turnsInAll = 1024

func newTurns() turns {
	t := make(turns, turnsInAll)
	for i := range t {
		t[i] = make(chan struct{}, 1)
	}
	return t
}

// wait for the turn of a number: of its strangers', or of one known device's, who
// does not queue behind strangers. leave has to follow.
func (t turns) wait(ctx context.Context, s *sending) error {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.phone.Key + " " + s.device))
	turn := t[h.Sum32()%turnsInAll]
	select {
	case turn <- struct{}{}:
		s.turn = turn
		return nil
	case <-ctx.Done():
		return unavailable("waiting for others' messages to the number", ctx.Err())
	}
}

// leave ends a message's turn, if it has one, and may be called again.
func (s *sending) leave() {
	if s.turn != nil {
		<-s.turn
		s.turn = nil
	}
}
