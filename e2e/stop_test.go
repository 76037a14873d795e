package e2e

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A server that is asked to stop answers every request that it has taken, and
// ends with success. What it has not answered it has not done.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	p := newProgram(t)
	s := &stopping{program: p}
	for round := range 3 {
		p.start()
		s.underLoad(time.Duration(50+100*round) * time.Millisecond)
		w := readWreck(t, p.dir)
		w.checkWhole()
		if answered := int(s.answered.Load()); answered == 0 || answered != w.purposes["signup"] {
			t.Errorf("%d signups were answered, %d begun", answered, w.purposes["signup"])
		}
		p.verifyLog()
	}
}

// stopping is a server with many clients, some of whom come too late.
type stopping struct {
	*program
	numbers, answered atomic.Int64
}

// underLoad signs up from many sides, and asks the server to stop meanwhile.
func (s *stopping) underLoad(after time.Duration) {
	s.t.Helper()
	var busy sync.WaitGroup
	for range 8 {
		busy.Go(func() {
			c := newClient(s.base)
			defer c.close()
			for s.signUp(c) {
			}
		})
	}
	<-time.After(after) // the moment is the test's to choose
	s.askToStop()
	busy.Wait()
	s.wait()
}

// signUp tells whether there was an answer.
func (s *stopping) signUp(c *client) bool {
	got, err := c.call(http.MethodPost, "/v1/signup", ask{body: members{"phone_number": number(int(s.numbers.Add(1)))}})
	if err != nil {
		return false
	}
	if got.status != http.StatusAccepted {
		s.t.Errorf("a signup while the server stops: status %d: %s", got.status, got.raw)
		return false
	}
	s.answered.Add(1)
	return true
}
