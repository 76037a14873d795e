package sqlite

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// gate holds the writer at one step until it is opened. It counts how often
// each step was reached.
type gate struct {
	step    string
	reached chan struct{} // closed when the writer stands at the gate
	opened  chan struct{}
	once    sync.Once
	commits atomic.Int64
}

func newGate(step string) *gate {
	return &gate{step: step, reached: make(chan struct{}), opened: make(chan struct{})}
}

func (g *gate) at(step string) error {
	if step == StepCommit {
		g.commits.Add(1)
	}
	if step == g.step {
		g.once.Do(func() {
			close(g.reached)
			<-g.opened
		})
	}
	return nil
}

// holdWriter runs an operation that stops at the gate, and gives what waits
// for its answer.
func holdWriter(t *testing.T, s *Store, g *gate, m *maker) (wait func()) {
	var held sync.WaitGroup
	in := m.opening(m.challenge(core.PurposeSignup, "held"))
	held.Go(func() {
		if _, err := s.OpenChallenge(context.Background(), in); err != nil {
			t.Errorf("the operation at the gate: %v", err)
		}
	})
	<-g.reached
	return held.Wait
}

// waitForQueue waits until so many operations stand before the writer, who
// stands at the gate.
func waitForQueue(s *Store, operations int) {
	for len(s.writer.queue) < operations {
		runtime.Gosched()
	}
}

func TestWaitingOperationsShareACommit(t *testing.T) {
	g := newGate(StepCommit)
	s := open(t, Options{Faults: g.at})
	m := &maker{prefix: "group"}
	wait := holdWriter(t, s, g, m)

	const callers = 100
	var all sync.WaitGroup
	for range callers {
		in := m.opening(m.challenge(core.PurposeSignup, "grouped"))
		all.Go(func() {
			if _, err := s.OpenChallenge(context.Background(), in); err != nil {
				t.Error(err)
			}
		})
	}
	waitForQueue(s, callers)
	close(g.opened)
	wait()
	all.Wait()
	if commits := g.commits.Load(); commits != 2 {
		t.Errorf("%d operations took %d commits, want 1, and 1 for the one before", callers, commits)
	}
}

// What comes while a batch runs is done in its commit too.
func TestLateOperationsShareTheCommit(t *testing.T) {
	g := newGate(StepOperation)
	s := open(t, Options{Faults: g.at})
	m := &maker{prefix: "late"}
	wait := holdWriter(t, s, g, m)

	in := m.opening(m.challenge(core.PurposeSignup, "late"))
	var late sync.WaitGroup
	late.Go(func() {
		if _, err := s.OpenChallenge(context.Background(), in); err != nil {
			t.Error(err)
		}
	})
	waitForQueue(s, 1)
	close(g.opened)
	late.Wait()
	wait()
	if n := g.commits.Load(); n != 1 {
		t.Errorf("%d commits", n)
	}
}

func TestOneFailureTakesBackOnlyItself(t *testing.T) {
	g := newGate(StepCommit)
	s := open(t, Options{Faults: g.at})
	m := &maker{prefix: "alone"}
	wait := holdWriter(t, s, g, m)

	good, bad := m.opening(m.challenge(core.PurposeSignup, "good")), m.opening(m.challenge(core.PurposeSignup, "bad"))
	bad.Message.ChallengeID = "nobody's" // written after its challenge was
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := s.OpenChallenge(context.Background(), bad); err == nil {
			t.Error("a message of no challenge was taken")
		}
	})
	all.Go(func() {
		if _, err := s.OpenChallenge(context.Background(), good); err != nil {
			t.Error(err)
		}
	})
	waitForQueue(s, 2)
	close(g.opened)
	wait()
	all.Wait()
	if _, err := s.Challenge(t.Context(), good.Challenge.ID); err != nil {
		t.Errorf("the good one: %v", err)
	}
	if _, err := s.Challenge(t.Context(), bad.Challenge.ID); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("the bad one: %v", err)
	}
}

func TestContextEndsBeforeAnOperationIsBegun(t *testing.T) {
	g := newGate(StepCommit)
	s := open(t, Options{Faults: g.at})
	m := &maker{prefix: "left"}
	wait := holdWriter(t, s, g, m)

	in := m.opening(m.challenge(core.PurposeSignup, "left"))
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	go func() {
		_, err := s.OpenChallenge(ctx, in)
		left <- err
	}()
	waitForQueue(s, 1)
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	close(g.opened)
	wait()
	account(t, s, m, "after") // the queue has been worked off by then
	if _, err := s.Challenge(t.Context(), in.Challenge.ID); !errors.Is(err, core.ErrNotFound) {
		t.Errorf("it was done all the same: %v", err)
	}
}

func TestContextEndsAfterAnOperationIsBegun(t *testing.T) {
	g := newGate(StepStatement)
	s := open(t, Options{Faults: g.at})
	m := &maker{prefix: "begun"}
	in := m.opening(m.challenge(core.PurposeSignup, "begun"))
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error)
	go func() {
		_, err := s.OpenChallenge(ctx, in)
		answer <- err
	}()
	<-g.reached
	cancel()
	close(g.opened)
	if err := <-answer; err != nil {
		t.Errorf("it was begun, yet: %v", err)
	}
	if _, err := s.Challenge(t.Context(), in.Challenge.ID); err != nil {
		t.Errorf("it was answered, yet: %v", err)
	}
}

func TestPanicOfAnOperation(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "panic"}
	before := everything(t, s)
	_, err := write(t.Context(), s, "panicking", func(tx *tx) bool {
		tx.tell(m.event(event.Logout), core.User{}, "")
		panic("of a test")
	})
	if err == nil || !strings.Contains(err.Error(), "of a test") {
		t.Errorf("got %v", err)
	}
	if everything(t, s) != before {
		t.Error("the operation that panicked left something")
	}
	account(t, s, m, "after")
}

// The bubble fails where a goroutine outlives the store.
func TestClose(t *testing.T) { synctest.Test(t, closeStore) }

func closeStore(t *testing.T) {
	s, err := Open(t.Context(), Options{Path: t.TempDir() + "/closed.db"})
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{prefix: "close"}
	account(t, s, m, "before")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.OpenChallenge(t.Context(), m.opening(m.challenge(core.PurposeSignup, "after"))); !errors.Is(err, ErrClosed) {
		t.Errorf("writing: %v, want ErrClosed", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("reading: %v, want ErrClosed", err)
	}
}

func TestHints(t *testing.T) {
	s := open(t, Options{})
	m := &maker{prefix: "hint"}
	hinted := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	in := m.opening(m.challenge(core.PurposeLogin, "number"))
	in.Message.State = core.MessageWithheld
	if _, err := s.OpenChallenge(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if !hinted(s.MessagesQueued()) || !hinted(s.EventsQueued()) {
		t.Error("a withheld message and an event: want a hint of both, as of a queued one")
	}
	in = m.opening(m.challenge(core.PurposeLogin, "number"))
	in.Event = event.Event{}
	if _, err := s.OpenChallenge(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if !hinted(s.MessagesQueued()) || hinted(s.EventsQueued()) {
		t.Error("a queued message and no event: want a hint of the message alone")
	}
}
