package event

import (
	"container/list"
	"time"
)

// windowSlots is how finely a window is cut. Its sum counts all that happened
// within the window, and what happened up to a sixtieth of it before.
const windowSlots = 60

// window counts what happened lately.
type window struct {
	slots  [windowSlots + 1]int64
	newest int64 // the number of the newest slot
}

// add counts one at a time, and gives the sum of the window that ends with it,
// or with what came before and was later.
func (w *window) add(at time.Time, length time.Duration) int64 {
	slot := w.advance(at, length)
	if slot > w.newest-int64(len(w.slots)) {
		w.slots[slot%int64(len(w.slots))]++
	}
	return w.total()
}

// sum gives what the window holds that ends at the time.
func (w *window) sum(at time.Time, length time.Duration) int64 {
	w.advance(at, length)
	return w.total()
}

// advance forgets what is too old by then, and gives the slot of the time.
func (w *window) advance(at time.Time, length time.Duration) int64 {
	n := int64(len(w.slots))
	each := max(1, (length.Milliseconds()+windowSlots-1)/windowSlots)
	slot := max(0, at.UnixMilli()/each)
	for ; w.newest < slot; w.newest++ {
		if slot-w.newest > n {
			w.newest = slot - n
		}
		w.slots[(w.newest+1)%n] = 0
	}
	return slot
}

func (w *window) total() (sum int64) {
	for _, n := range w.slots {
		sum += n
	}
	return sum
}

// maxSubjects is how many subjects an alert watches at the same time.
const maxSubjects = 4096

// subject is somebody whom an alert watches.
type subject struct {
	key    string
	window window
	quiet  time.Time // nothing is told before
}

// subjects are whom one alert watches: so many at most, whatever comes. Where
// there is no room, who was seen the longest ago is forgotten, count and quiet
// time: a flood can hide a few failures of one address, but not itself.
type subjects struct {
	byKey map[string]*list.Element
	seen  *list.List // of *subject, the last seen in front
}

func newSubjects() *subjects {
	return &subjects{byKey: map[string]*list.Element{}, seen: list.New()}
}

// of gives the subject of a key, a new one where it is not watched.
func (s *subjects) of(key string) *subject {
	if e := s.byKey[key]; e != nil {
		s.seen.MoveToFront(e)
		return e.Value.(*subject)
	}
	if s.seen.Len() >= maxSubjects {
		oldest := s.seen.Back()
		delete(s.byKey, s.seen.Remove(oldest).(*subject).key)
	}
	watched := &subject{key: key}
	s.byKey[key] = s.seen.PushFront(watched)
	return watched
}
