package outbox_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/outbox"
)

// result is what became of a day.
type result struct {
	people, messages, offers int
	in10, in60               float64 // share of people who had a code within 10 s, 60 s
	entered                  float64
	cost                     float64 // in thousandths of the currency, per person
	twice                    int     // people whom a message reached twice
	late                     int     // messages offered after their end
	lost                     int     // messages of which nobody knows what became
	states                   map[core.MessageState]int
}

func (r result) String() string {
	return fmt.Sprintf("%d people, %d messages, %d offers: %.2f%% in 10 s, %.2f%% in 60 s, %.2f%% entered, cost %.2f, twice %d, late %d, lost %d, %v",
		r.people, r.messages, r.offers, r.in10*100, r.in60*100, r.entered*100, r.cost, r.twice, r.late, r.lost, r.states)
}

func (s *simulation) result() result {
	s.t.Helper()
	r := result{people: len(s.people), offers: s.offers, late: s.late, states: map[core.MessageState]int{}}
	for _, p := range s.people {
		after := p.arrived.Sub(p.began)
		if !p.arrived.IsZero() && after <= 10*time.Second {
			r.in10++
		}
		if !p.arrived.IsZero() && after <= time.Minute {
			r.in60++
		}
		if !p.entered.IsZero() {
			r.entered++
		}
		for _, times := range p.got {
			if times > 1 {
				r.twice++
			}
		}
	}
	n := float64(len(s.people))
	r.in10, r.in60, r.entered, r.cost = r.in10/n, r.in60/n, r.entered/n, float64(s.cost)/1000/n
	const page = 1000
	for before := ""; ; {
		found, err := s.store.FindMessages(s.t.Context(), core.MessageQuery{Before: before, Limit: page})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, m := range found {
			r.messages++
			r.states[m.State]++
			before = m.ID
			if m.State == core.MessageQueued {
				r.lost++
			}
		}
		if len(found) < page {
			break
		}
	}
	if len(s.trouble) > 0 {
		s.t.Errorf("%d times in trouble: %v", len(s.trouble), s.trouble[:min(5, len(s.trouble))])
	}
	return r
}

// bestFixed is the order of the list by which most people have their code within
// 60 s, those that begin with the dear and slow echo aside: -update tries all that
// differ in the first two.
var bestFixed = []string{"bravo", "delta", "alpha", "charlie", "echo"}

// No message is lost, none goes out after its end; and what was learnt does better
// than the best fixed order, for less.
func TestDeliverySimulation(t *testing.T) {
	t.Parallel()
	learnt := simulate(t, simulatedPeople, simulatedDay, outbox.Learn, cheapestFirst())
	learnt.check(t)
	if simulatedPeople < 10_000 || *update {
		return
	}
	best := simulate(t, simulatedPeople, simulatedDay, outbox.Fixed, bestFixed)
	best.check(t)
	if learnt.in10 < best.in10 || learnt.in60 < best.in60-0.005 || learnt.cost > best.cost {
		t.Errorf("what was learnt is no better:\n%v\n%v", learnt, best)
	}
}

func (r result) check(t *testing.T) {
	t.Helper()
	t.Log(r)
	if r.late > 0 || r.lost > 0 || r.people < simulatedPeople || r.messages < r.people {
		t.Errorf("of %d messages %d were lost, %d sent after their end", r.messages, r.lost, r.late)
	}
	if limit := r.people / 100; r.twice > limit {
		t.Errorf("%d people had the same code twice", r.twice)
	}
}

func cheapestFirst() (all []string) {
	for _, s := range scripts() {
		all = append(all, s.name)
	}
	return all
}

// inMemory is a folder that syncs fast, where there is one.
func inMemory(t *testing.T) string {
	t.Helper()
	const fast, enough = "/dev/shm", 2 << 30
	var room syscall.Statfs_t
	if err := syscall.Statfs(fast, &room); err != nil || room.Bavail*uint64(room.Bsize) < enough { //nolint:gosec // a size
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(fast, "countersign")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
