package e2e

import (
	"bytes"
	"errors"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

const killWorkers = 8

// killRounds is how often the server is killed. Nothing of it runs in this process:
// the race detector only takes its time.
func killRounds() int {
	if raced {
		return 10
	}
	return 50
}

// Invariant 6: what was acknowledged is durable: it survives kill -9. And what
// was not acknowledged is done as a whole or not at all.
//
// Many people sign up, refresh, change passwords and sign out; at a random
// moment the server is killed. Started again, it has to know all that it has
// answered, and nothing by halves.
func TestInvariant06(t *testing.T) {
	t.Parallel()
	c := &crash{program: newProgram(t), rand: chance(t), owed: map[string]string{}}
	for range killRounds() {
		c.round()
		if t.Failed() {
			return
		}
	}
	c.start()
	c.checkAll()
	c.checkLogWhole()
	c.askToStop()
	c.wait()
	t.Logf("acknowledged: %d accounts, %d sessions, %d refreshes, %d sign-outs, %d password changes, %d messages sent after a kill; unanswered: %d",
		c.done.accounts.Load(), c.done.sessions.Load(), c.done.refreshes.Load(), c.done.logouts.Load(),
		c.done.passwords.Load(), c.done.late.Load(), c.done.unanswered.Load())
}

// crash is a server that is killed again and again, and what it has answered.
type crash struct {
	*program
	rand    *mathrand.Rand
	numbers atomic.Int64
	wreck   *wreck // of the kill before
	torn    int    // lines of the security log

	mu       sync.Mutex
	people   []*customer       // of this round
	regulars []*customer       // of earlier ones
	owed     map[string]string // challenge → number, its message not seen

	done struct{ accounts, sessions, refreshes, logouts, passwords, late, unanswered atomic.Int64 }
}

// round checks what the run before has acknowledged, makes more of it, and kills.
func (c *crash) round() {
	c.t.Helper()
	if c.rand.IntN(8) == 0 {
		c.killWhileStarting()
	}
	if c.rand.IntN(5) == 0 {
		c.tearLog()
	}
	c.start()
	c.checkAll()
	c.verifyLog()
	var busy sync.WaitGroup
	for range killWorkers {
		rand := mathrand.New(mathrand.NewPCG(c.rand.Uint64(), 0))
		busy.Go(func() {
			for c.customer(rand).live() {
			}
		})
	}
	<-time.After(time.Duration(30+c.rand.IntN(300)) * time.Millisecond) // the moment is the test's to choose
	c.kill()
	busy.Wait()
	c.wreck = readWreck(c.t, c.dir)
	c.wreck.checkWhole()
}

// killWhileStarting lets a start not come to its end.
func (c *crash) killWhileStarting() {
	c.t.Helper()
	c.begin()
	<-time.After(time.Duration(c.rand.IntN(60)) * time.Millisecond)
	c.kill()
}

// tearLog leaves half a line at the end of the security log, as a machine does
// that loses its power while it writes. A killed process alone tears no line.
func (c *crash) tearLog() {
	c.t.Helper()
	log, err := os.OpenFile(c.logFile(), os.O_APPEND|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return // the first run has yet to come
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := log.WriteString(`{"id":"0192f5a0-0000-7000-8000-000000000000","timest`); err != nil {
		c.t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.torn++
}

func (c *crash) logFile() string { return filepath.Join(c.dir, "security.log") }

// checkAll holds the server to all that it acknowledged in the run before.
func (c *crash) checkAll() {
	c.t.Helper()
	people := c.people
	c.people = nil
	c.checkOwed()
	var all sync.WaitGroup
	queue := make(chan *customer, len(people))
	for _, one := range people {
		queue <- one
	}
	close(queue)
	for range killWorkers {
		all.Go(func() {
			for one := range queue {
				one.check()
			}
		})
	}
	all.Wait()
}

// checkOwed looks for the messages of acknowledged challenges that nobody has
// read: what was not taken before comes now.
func (c *crash) checkOwed() {
	c.t.Helper()
	for challenge, number := range c.owed {
		m, there := c.wreck.messages[challenge]
		switch {
		case !there:
			c.t.Errorf("the acknowledged challenge %s is lost", challenge)
		case m.state == core.MessageSent, m.voided: // taken before, or nobody's any more
		case m.state == core.MessageQueued:
			c.arrives(challenge, number)
			c.done.late.Add(1)
		default:
			c.t.Errorf("the message of challenge %s is %s", challenge, m.state)
		}
	}
	clear(c.owed)
}

func (c *crash) arrives(challenge, number string) {
	c.t.Helper()
	eventually(c.t, "the message of challenge "+challenge, func() bool {
		messages, err := c.inbox(number)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, m := range messages {
			if m.ChallengeID == challenge {
				return true
			}
		}
		return false
	})
}

// checkLogWhole wants every account event in the security log, and the log to
// be whole.
func (c *crash) checkLogWhole() {
	c.t.Helper()
	events := readWreck(c.t, c.dir).events
	var logged map[string]event.Name
	eventually(c.t, "every account event in the security log", func() bool {
		logged = c.logged()
		return !slices.ContainsFunc(events, func(e event.Event) bool { return logged[e.ID] == "" })
	})
	recovered := 0
	for _, name := range logged {
		if name == event.LogRecovered {
			recovered++
		}
	}
	if recovered < c.torn {
		c.t.Errorf("the log was torn %d times and recovered %d times", c.torn, recovered)
	}
	c.verifyLog()
	c.t.Logf("%d events in the log, which was torn %d times", len(logged), c.torn)
}

// logged gives the events of the security log by id. Lines that were torn are
// no events; log verify judges them.
func (c *crash) logged() map[string]event.Name {
	c.t.Helper()
	log, err := os.ReadFile(c.logFile())
	if err != nil {
		c.t.Fatal(err)
	}
	logged := map[string]event.Name{}
	for line := range bytes.Lines(log) {
		if e, err := event.Decode(bytes.TrimSpace(line)); err == nil {
			logged[e.ID] = e.Name
		}
	}
	return logged
}
