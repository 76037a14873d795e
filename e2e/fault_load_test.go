package e2e

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	faultWorkers = 6
	forbearance  = 90 * time.Second // for how long a client asks again
	moment       = 10 * time.Millisecond
)

// load is many people at work on all instances at once, and what they were
// answered.
type load struct {
	t    *testing.T
	skew time.Duration // between two instances' clocks

	mu        sync.Mutex
	instances []*instance
	people    []*patron
	intruders []*intruder

	acknowledged atomic.Int64 // answers that say that it is done
	refused      atomic.Int64 // 429 and 503
	doubtful     atomic.Int64 // no answer, or half of one
	numbers      atomic.Int64
	asked        atomic.Int64

	stopping atomic.Bool
	busy     sync.WaitGroup
}

func newLoad(s *scene) *load { return &load{t: s.t, skew: s.skew} }

func (l *load) joins(i *instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.instances = append(l.instances, i)
}

func (l *load) all() []*instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.instances)
}

// begin has everybody begin.
func (l *load) begin() {
	rand := chance(l.t)
	for range faultWorkers {
		mine := mathrand.New(mathrand.NewPCG(rand.Uint64(), 0))
		l.busy.Go(func() {
			for !l.stopping.Load() {
				l.newPatron(mine).live()
			}
		})
	}
	l.intruders = []*intruder{newIntruder(l), newIntruder(l)}
	l.busy.Go(l.intruders[0].guessCodes)
	l.busy.Go(l.intruders[1].guessPasswords)
}

// does waits until so many more requests were acknowledged.
func (l *load) does(n int64) {
	l.t.Helper()
	for done, deadline := l.acknowledged.Load()+n, time.Now().Add(forbearance); l.acknowledged.Load() < done; <-time.After(moment) {
		if time.Now().After(deadline) {
			l.t.Fatal("the load does not go on")
		}
	}
}

// end lets everybody finish what they are at.
func (l *load) end() {
	l.stopping.Store(true)
	l.busy.Wait()
}

// ask asks as a client does behind a load balancer: where an instance does not
// answer or says that it cannot, the next one. doubt is how many earlier tries
// may have been done. Where nobody answers for very long, there is no answer.
func (l *load) ask(method, path string, a ask) (got answer, doubt int) {
	began := time.Now()
	for time.Since(began) < forbearance {
		instances := l.all()
		at := instances[int(l.asked.Add(1))%len(instances)].reach()
		got, err := at.call(method, path, a)
		switch {
		case err != nil:
			l.doubtful.Add(1)
		case got.status == http.StatusServiceUnavailable:
			l.refused.Add(1)
		case got.status == http.StatusTooManyRequests:
			l.refused.Add(1)
			return got, doubt
		default:
			if got.status < 300 {
				l.acknowledged.Add(1)
			}
			return got, doubt
		}
		doubt++
		<-time.After(2 * moment)
	}
	l.t.Errorf("%s %s: nobody answers", method, path)
	return answer{}, doubt
}

func (l *load) post(path string, a ask) (answer, int) { return l.ask(http.MethodPost, path, a) }

// forwarded is an address of its own for each number, where addresses are forwarded.
func forwarded(number string) http.Header {
	n := number[len(number)-6:]
	return http.Header{"X-Forwarded-For": {fmt.Sprintf("10.%s.%s.%s", plain(n[:2]), plain(n[2:4]), plain(n[4:]))}}
}

func plain(digits string) string {
	if digits[0] == '0' {
		return digits[1:]
	}
	return digits
}

// codeFor waits for the message of a challenge, whichever instance sent it. One
// that was sent by an instance which was killed then is lost.
func (l *load) codeFor(challenge, number string) string {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); <-time.After(moment) {
		for _, each := range l.all() {
			messages, err := each.reach().inbox(number)
			if err != nil {
				continue
			}
			for _, m := range messages {
				if m.ChallengeID == challenge {
					return lastCode.FindStringSubmatch(m.Body)[1]
				}
			}
		}
	}
	return ""
}

// writes tells whether one instance acknowledges a write: a decoy's.
func (l *load) writes(i *instance) bool {
	number := number(int(500_000 + l.numbers.Add(1)))
	got, err := i.reach().call(http.MethodPost, "/v1/login/sms", ask{header: forwarded(number), body: members{"phone_number": number}})
	return err == nil && got.status == http.StatusAccepted
}

// begins tells how many of n begins from one address pass, on all instances in
// turn.
func (s *scene) begins(address string, n int) (passed int) {
	s.t.Helper()
	instances := s.load.all()
	header := http.Header{"X-Forwarded-For": {address}}
	for i := range n {
		body := members{"phone_number": number(int(500_000 + s.load.numbers.Add(1)))}
		got, err := instances[i%len(instances)].reach().call(http.MethodPost, "/v1/login/sms", ask{header: header, body: body})
		switch {
		case err != nil:
			s.t.Errorf("a begin: %v", err)
		case got.status == http.StatusAccepted:
			passed++
		case got.status != http.StatusTooManyRequests:
			s.t.Errorf("a begin: %d %s", got.status, got.raw)
		}
	}
	return passed
}
