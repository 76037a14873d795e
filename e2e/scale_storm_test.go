package e2e

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// storm is a crowd of clients before a server that gets so much done a second
// and no more, simulated in ticks. What it shows no formula does: clients who are
// refused or lose patience come again. All of them are on one queue, as they are
// on the instances' queues for a connection. Who is at a hundred times the size
// has a hundred times the queue and waits as long.
type storm struct {
	usual    float64                                 // how much of what the server can do comes anyway
	outage   time.Duration                           // for so long, from the beginning, everybody is refused at once
	opens    float64                                 // so many more come, in seconds of the server's work,
	within   time.Duration                           // most of them within so long (the mean)
	again    func(s *storm, tries int) time.Duration // when a client comes again
	patience time.Duration                           // how long it waits for an answer
	unseen   bool                                    // the work of those who have left is done nevertheless

	chance  *rand.Rand
	clients []comer
	due     [][]int32 // clients by the tick at which they come (again)
	queue   []waiting
	served  int // of the queue: done, or not worth doing
	gone    int // of the queue: so many have been answered or have left
	spare   float64
	answer  []time.Duration
	most    int // attempts in a second
	behind  time.Duration
}

const (
	tick       = 20 * time.Millisecond
	perSecond  = 300 // what the server gets done
	stormLasts = 4 * time.Minute
)

type comer struct{ came, tries int32 }

type waiting struct{ who, since int32 }

// eachSecond comes again as Retry-After says.
func eachSecond(*storm, int) time.Duration { return time.Second }

// spreadOut waits for twice as long each time, up to half a minute, less a
// random part of it.
func spreadOut(s *storm, tries int) time.Duration {
	most := min(30*time.Second, time.Second<<min(tries, 5))
	return time.Duration(s.chance.Float64() * float64(most))
}

// passes lets the storm pass, until nobody waits longer than a second.
func (s *storm) passes() {
	s.chance = rand.New(rand.NewPCG(1, 2))
	ticks := int32(stormLasts / tick)
	s.due = make([][]int32, ticks)
	attempts, second := 0, int32(time.Second/tick)
	for now := range ticks {
		s.arrive(now)
		if attempts += len(s.due[now]); now%second == second-1 {
			s.most, attempts = max(s.most, attempts), 0
		}
		down := time.Duration(now)*tick < s.outage
		for _, who := range s.due[now] {
			if down {
				s.comesAgain(who, now)
			} else {
				s.queue = append(s.queue, waiting{who, now})
			}
		}
		s.due[now] = nil
		s.leave(now)
		if !down {
			s.serve(now)
		}
		if s.over(now) {
			return
		}
	}
	s.behind = stormLasts
}

// arrive has the new ones come.
func (s *storm) arrive(now int32) {
	rate := s.usual * perSecond
	if s.within > 0 {
		rate += s.opens * perSecond / s.within.Seconds() * math.Exp(-float64(now)*tick.Seconds()/s.within.Seconds())
	}
	for at := s.chance.ExpFloat64(); at < rate*tick.Seconds(); at += s.chance.ExpFloat64() {
		s.due[now] = append(s.due[now], int32(len(s.clients)))
		s.clients = append(s.clients, comer{came: now})
	}
}

func (s *storm) comesAgain(who, now int32) {
	c := &s.clients[who]
	c.tries++
	at := now + max(1, int32(s.again(s, int(c.tries)-1)/tick))
	if int(at) < len(s.due) {
		s.due[at] = append(s.due[at], who)
	}
}

// leave has those go who have waited for too long.
func (s *storm) leave(now int32) {
	for s.gone = max(s.gone, s.served); s.gone < len(s.queue); s.gone++ {
		if time.Duration(now-s.queue[s.gone].since)*tick < s.patience {
			break
		}
		s.comesAgain(s.queue[s.gone].who, now)
	}
	if !s.unseen {
		s.served = s.gone
	}
}

// serve does a tick's work.
func (s *storm) serve(now int32) {
	s.spare += perSecond * tick.Seconds()
	for ; s.served < len(s.queue) && s.spare >= 1; s.served++ {
		s.spare--
		if s.served < s.gone {
			continue // nobody reads the answer
		}
		waited := time.Duration(now-s.clients[s.queue[s.served].who].came) * tick
		s.answer = append(s.answer, waited)
		if waited > time.Second {
			s.behind = time.Duration(now)*tick - s.outage
		}
	}
	if s.served == len(s.queue) {
		s.spare = 0
	}
}

// over tells whether the storm has passed: those who have come are answered, but
// for the last few.
func (s *storm) over(now int32) bool {
	since := time.Duration(now)*tick - s.outage
	return since > 3*s.within && len(s.clients)-len(s.answer) < perSecond/10
}

// row is what the page tells of a storm.
func (s *storm) row(name ...string) []string {
	waits := slices.Sorted(slices.Values(s.answer))
	at := func(part float64) string {
		waited := waits[int(part*float64(len(waits)-1))].Seconds()
		return count(waited) + " s"
	}
	behind := count(s.behind.Seconds()) + " s"
	if s.behind == stormLasts {
		behind = "not in 4 min"
	}
	tries := 0
	for _, c := range s.clients {
		tries += int(c.tries) + 1
	}
	return append(name, behind, at(0.5), at(0.99), fmt.Sprintf("%.1f", float64(s.most)/perSecond), fmt.Sprintf("%.1f", float64(tries)/float64(len(s.clients))))
}

// What an outage of half a minute leaves behind, by how busy the database was and
// how clients come again.
func TestScaleAfterAnOutage(t *testing.T) {
	t.Parallel()
	ways := []struct {
		name   string
		again  func(*storm, int) time.Duration
		unseen bool
	}{
		{"each second, as `Retry-After` says", eachSecond, false},
		{"1 s, 2 s, 4 s … 30 s, a random part of it", spreadOut, false},
		{"each second, and the work of those who left is done", eachSecond, true},
	}
	var rows [][]string
	for _, usual := range []float64{0.3, 0.6, 0.8} {
		for _, way := range ways {
			if way.unseen && usual != 0.6 {
				continue
			}
			s := &storm{usual: usual, outage: 30 * time.Second, again: way.again, unseen: way.unseen, patience: 5 * time.Second}
			s.passes()
			rows = append(rows, s.row(fmt.Sprintf("%.0f %%", 100*usual), way.name))
		}
	}
	onPageOf(t, scalePage, "outage", table([]string{
		"busy before", "clients come again", "until nobody waits over 1 s", "half of all waited", "99 % waited less than", "most attempts, of what it can do", "attempts each",
	}, rows))
}

// A message to everybody, upon which many open the app at once.
func TestScaleEverybodyOpensTheApp(t *testing.T) {
	t.Parallel()
	var rows [][]string
	for _, each := range []struct {
		users, shards int
	}{{10_000_000, 1}, {100_000_000, 4}, {100_000_000, 8}} {
		users := float64(each.users) / float64(each.shards)
		capacity := refreshesOfOne()
		s := &storm{
			usual: peakLoad(users) / capacity, opens: opening * users / capacity, within: time.Minute,
			again: spreadOut, patience: 5 * time.Second,
		}
		s.passes()
		first := s.usual + s.opens/s.within.Seconds()
		rows = append(rows, s.row(thousands(each.users), fmt.Sprint(each.shards), fmt.Sprintf("%.0f %%", 100*first)))
	}
	onPageOf(t, scalePage, "push", table([]string{
		"users", "shards", "asked of each at first, of what it can do", "until nobody waits over 1 s", "half of all waited", "99 % waited less than", "most attempts, of what it can do", "attempts each",
	}, rows))
}
