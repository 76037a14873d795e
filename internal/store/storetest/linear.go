package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/countersign/countersign/internal/core"
)

// The size of a history: so many clients, each doing so many things. The time
// that a checker needs grows steeply with what overlaps.
const (
	linearClients   = 6
	linearActs      = 8
	linearHistories = 16
	linearLost      = 2 // commits of a history whose answer is lost, at most
	linearPatience  = time.Minute
)

// Fault is asked before a commit, and after it (committed): what it answers
// becomes the operation's error.
type Fault func(committed bool) error

// Linear holds an engine to linearizability: whatever many do at once, over
// several instances, there is an order of it that explains every answer, and
// what was answered before something else began comes before it in that order.
//
// open gives instances over one fresh database, which ask fault at their
// commits. Some commits fail and must have done nothing; the answers of some are
// lost, and those may have happened or not.
func Linear(t *testing.T, open func(t *testing.T, fault Fault) []core.Store) {
	t.Run("one login", func(t *testing.T) {
		t.Parallel()
		explained(t, open, loginOracle(), loginClients,
			core.Done, core.Repeated, core.KeyConflict, core.Wrong, core.Spent)
	})
	t.Run("signups of one number", func(t *testing.T) {
		t.Parallel()
		explained(t, open, signupOracle(), signupClients, core.Done, core.NotFound, core.Wrong, core.Spent)
	})
	t.Run("one session", func(t *testing.T) {
		t.Parallel()
		explained(t, open, sessionOracle(), sessionClients, core.Done, core.Repeated, core.Reused, core.SessionEnded)
	})
	t.Run("failures of one number", func(t *testing.T) {
		t.Parallel()
		explained(t, open, failureOracle(), failureClients, core.Done, core.Locked, core.Wrong)
	})
}

// oracle is what one thing answers to whoever asks one after another.
type oracle[State, In comparable, Out answered] struct {
	start State
	step  func(State, In) (Out, State)
}

// answered is an answer.
type answered interface {
	comparable
	ended() core.Outcome
}

// act is one call of a client. It is prepared before the run; ask completes the
// question by what is known when its turn comes.
type act[In comparable, Out answered] struct {
	ask func() In
	do  func(core.Store, In) (Out, error)
}

// always is an act whose question is known.
func always[In comparable, Out answered](in In, do func(core.Store, In) (Out, error)) act[In, Out] {
	return act[In, Out]{ask: func() In { return in }, do: do}
}

// explained wants the oracle to explain all histories, and these to have seen
// the outcomes, faults of both kinds, and clients who did overlap.
func explained[State, In comparable, Out answered](
	t *testing.T, open func(*testing.T, Fault) []core.Store,
	o oracle[State, In, Out], clients func(*world, *rand.Rand) [][]act[In, Out], outcomes ...core.Outcome,
) {
	t.Helper()
	got := examine(t, open, o, clients)
	if got.refused != "" {
		t.Fatal(got.refused)
	}
	for _, each := range outcomes {
		if got.outcomes[each] == 0 {
			t.Errorf("no history has a %s: %v", each, got.outcomes)
		}
	}
	if got.failed == 0 || got.lost == 0 {
		t.Errorf("%d commits failed and %d answers were lost; want some of each", got.failed, got.lost)
	}
	if got.overlaps < linearHistories {
		t.Errorf("in %d histories %d calls overlapped others: that shows little", linearHistories, got.overlaps)
	}
}

// verdict is what became of histories.
type verdict struct {
	refused      string // the first that no order explains
	outcomes     map[core.Outcome]int
	overlaps     int
	failed, lost int
}

// examine records histories and checks each, until one is refused.
func examine[State, In comparable, Out answered](
	t *testing.T, open func(*testing.T, Fault) []core.Store,
	o oracle[State, In, Out], clients func(*world, *rand.Rand) [][]act[In, Out],
) (v verdict) {
	t.Helper()
	luck := &luck{rand: rand.New(rand.NewPCG(1, 2))}
	stores := open(t, luck.at)
	w := newWorld(t, stores[0], seeded())
	v.outcomes = map[core.Outcome]int{}
	for n := 0; n < linearHistories && v.refused == ""; n++ {
		programs := clients(w, rand.New(rand.NewPCG(uint64(n), 3)))
		if n%2 == 1 { // every other history sees failing commits
			luck.turns(linearLost)
		}
		history, err := record(stores, programs)
		luck.holds()
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range history {
			if out, known := op.Output.(Out); known {
				v.outcomes[out.ended()]++
			}
		}
		v.overlaps += overlaps(history)
		if got := o.check(history); got != porcupine.Ok {
			v.refused = fmt.Sprintf("history %d is %s: no order of this explains the answers\n%s", n, got, inWords(history))
		}
	}
	v.failed, v.lost = luck.failed, luck.lost
	return v
}

// overlaps counts the calls that began while another one waited for its answer.
func overlaps(history []porcupine.Operation) (n int) {
	for _, op := range history {
		if slices.ContainsFunc(history, func(other porcupine.Operation) bool {
			return other.Return != math.MaxInt64 && other.Call < op.Call && op.Call < other.Return
		}) {
			n++
		}
	}
	return n
}

// check looks for an order that explains a history.
func (o oracle[State, In, Out]) check(history []porcupine.Operation) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(porcupine.Model{
		Init: func() any { return o.start },
		Step: func(state, in, out any) (bool, any) {
			want, next := o.step(state.(State), in.(In))
			return out == any(lostAnswer{}) || out == any(want), next
		},
	}, history, linearPatience)
}

// lostAnswer is what a client heard whose commit's answer was lost. It may have
// happened at any time since it was asked, or not at all: then nothing later
// tells of it, and an order that has it last explains it.
type lostAnswer struct{}

// record lets each client do its acts one after another, all clients at once,
// over the stores in turns.
func record[In comparable, Out answered](stores []core.Store, programs [][]act[In, Out]) ([]porcupine.Operation, error) {
	var clock atomic.Int64
	var mu sync.Mutex
	var history []porcupine.Operation
	var failure error
	atOnce(len(programs), func(client int) {
		for n, a := range programs[client] {
			in := a.ask()
			called := clock.Add(1)
			out, err := a.do(stores[(client+n)%len(stores)], in)
			did := porcupine.Operation{ClientId: client, Input: in, Output: out, Call: called, Return: clock.Add(1)}
			mu.Lock()
			switch {
			case errors.Is(err, core.ErrUncertain):
				did.Output, did.Return = lostAnswer{}, math.MaxInt64
				history = append(history, did)
			case errors.Is(err, errLuckless): // nothing happened
			case err != nil:
				failure = errors.Join(failure, fmt.Errorf("%+v: %w", in, err))
			default:
				history = append(history, did)
			}
			mu.Unlock()
		}
	})
	return history, failure
}

// inWords tells a history in the order of its calls.
func inWords(history []porcupine.Operation) string {
	var text strings.Builder
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for _, op := range history {
		fmt.Fprintf(&text, "%d at %d to %d: %+v -> %+v\n", op.ClientId, op.Call, op.Return, op.Input, op.Output)
	}
	return text.String()
}

// errLuckless is what luck breaks commits with.
var errLuckless = errors.New("out of luck")

// luck breaks commits, while it turns: the first fails, and one in five of the
// others; as many are committed but the answer is lost, to a given number.
type luck struct {
	mu           sync.Mutex
	rand         *rand.Rand
	turned, due  bool
	left         int
	failed, lost int
}

func (l *luck) turns(lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turned, l.due, l.left = true, true, lost
}

func (l *luck) holds() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turned = false
}

func (l *luck) at(committed bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.turned, !l.due && l.rand.IntN(5) > 0:
		return nil
	case !committed:
		l.due = false
		l.failed++
	case l.left == 0:
		return nil
	default:
		l.left--
		l.lost++
	}
	return errLuckless
}

// shuffled makes a client's program, with acts that end something late in it.
func shuffled[In comparable, Out answered](r *rand.Rand, often, late func() act[In, Out]) []act[In, Out] {
	var program []act[In, Out]
	for n := range linearActs {
		if n >= linearActs*3/4 && r.IntN(6) == 0 {
			program = append(program, late())
		} else {
			program = append(program, often())
		}
	}
	return program
}
