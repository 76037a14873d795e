package storetest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
	"github.com/countersign/countersign/internal/password"
)

// The sink and the claimer by which the suite itself reads events.
const (
	ownSink   = "suite"
	ownHolder = "suite"
)

// tb is what a world needs of a test; *testing.T and *rapid.T have it.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// world is a store with a clock that only the test moves, and a source of ids.
type world struct {
	t      tb
	ctx    context.Context
	store  core.Store
	now    time.Time
	chance io.Reader
}

// newWorld begins at the same time with every store. Worlds that share a store
// share chance, so that no id comes twice.
func newWorld(t tb, store core.Store, chance io.Reader) *world {
	w := &world{
		t:      t,
		ctx:    context.Background(),
		store:  store,
		now:    time.Date(2026, 11, 24, 7, 20, 31, int(123*time.Millisecond), time.UTC),
		chance: chance,
	}
	w.events() // from here on the store knows the suite's sink
	return w
}

// advance moves the clock.
func (w *world) advance(d time.Duration) { w.now = w.now.Add(d) }

// setClock moves the clock to a time.
func (w *world) setClock(to time.Time) { w.now = to }

// id makes the next id. Not for goroutines: inputs are made before a race.
func (w *world) id() string {
	w.t.Helper()
	id, err := keyring.NewID(w.now, w.chance)
	if err != nil {
		w.t.Fatalf("making an id: %v", err)
	}
	return id
}

// do calls an operation that must not fail.
func do[In, Out any](w *world, operation func(context.Context, In) (Out, error), in In) Out {
	w.t.Helper()
	out, err := operation(w.ctx, in)
	if err != nil {
		w.t.Fatalf("%T: %v", in, err)
	}
	return out
}

// doAtOnce calls an operation with all inputs at the same time, and gives the
// results in the order of the inputs.
func doAtOnce[In, Out any](w *world, operation func(context.Context, In) (Out, error), ins []In) []Out {
	w.t.Helper()
	outs := make([]Out, len(ins))
	atOnce(len(ins), func(i int) {
		out, err := operation(w.ctx, ins[i])
		if err != nil {
			w.t.Errorf("%T: %v", ins[i], err)
		}
		outs[i] = out
	})
	return outs
}

// atOnce runs f n times in goroutines that wait for one another to start.
func atOnce(n int, f func(i int)) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	all.Wait()
}

// equal fails the test where got is not want. No bytes and nil bytes are one.
func equal[T any](w *world, what string, got, want T) {
	w.t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// outcome fails the test where an operation ended in another way.
func (w *world) outcome(got, want core.Outcome) {
	w.t.Helper()
	if got != want {
		w.t.Fatalf("outcome %q, want %q", got, want)
	}
}

// holds fails the test where what should be so is not.
func (w *world) holds(what string, so bool) {
	w.t.Helper()
	if !so {
		w.t.Fatalf("not so: %s", what)
	}
}

// missing fails the test where a read found a row.
func (w *world) missing(what string, err error) {
	w.t.Helper()
	if !errors.Is(err, core.ErrNotFound) {
		w.t.Fatalf("%s: got %v, want ErrNotFound", what, err)
	}
}

// seeded is a source of chance that is the same in every run.
func seeded() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// events takes what was written since the last call, in order.
func (w *world) events() []event.Event {
	w.t.Helper()
	claim := core.Claim{Holder: ownHolder, Limit: 1000, Lease: time.Minute, Now: w.now}
	claimed, err := w.store.ClaimEvents(w.ctx, ownSink, claim)
	if err != nil {
		w.t.Fatalf("claiming events: %v", err)
	}
	if len(claimed) == 0 {
		return nil
	}
	settle := core.SettleEvents{Sink: ownSink, Holder: ownHolder, Through: claimed[len(claimed)-1].ID, Now: w.now}
	w.outcome(do(w, w.store.SettleEvents, settle), core.Done)
	return claimed
}

// wrote fails the test unless exactly these events were written since the last
// look, in whatever order, and gives them by name.
func (w *world) wrote(names ...event.Name) map[event.Name]event.Event {
	w.t.Helper()
	got := map[event.Name]event.Event{}
	var gotNames []event.Name
	for _, each := range w.events() {
		got[each.Name] = each
		gotNames = append(gotNames, each.Name)
	}
	slices.Sort(gotNames)
	slices.Sort(names)
	equal(w, "events written", gotNames, names)
	return got
}

// watched names what must not change.
type watched struct {
	user       string
	phone      string
	challenges []string
	sessions   []string
}

// picture is everything that reads tell of what is watched.
type picture struct {
	User       core.User
	History    []password.Hash
	Number     core.NumberState
	Messages   []core.Message
	Challenges []core.Challenge
	Sessions   []core.Session
}

// watch gives a function that fails the test if anything watched has changed
// meanwhile, or an event was written.
func (w *world) watch(what watched) (unchanged func()) {
	w.t.Helper()
	w.events()
	before := w.look(what)
	return func() {
		w.t.Helper()
		equal(w, "what must not change", w.look(what), before)
		w.wrote()
	}
}

func (w *world) look(what watched) picture {
	w.t.Helper()
	var p picture
	if what.user != "" {
		p.User = w.user(what.user)
		p.History = do(w, w.store.PasswordHistory, what.user)
	}
	if what.phone != "" {
		p.Number = w.number(what.phone)
		p.Messages = w.messagesOf(what.phone)
	}
	for _, id := range what.challenges {
		p.Challenges = append(p.Challenges, do(w, w.store.Challenge, id))
	}
	for _, id := range what.sessions {
		p.Sessions = append(p.Sessions, w.session(id))
	}
	return p
}

// The reads, of rows that must be there.

func (w *world) user(id string) core.User {
	w.t.Helper()
	return do(w, w.store.User, id)
}

func (w *world) session(id string) core.Session {
	w.t.Helper()
	session, _, err := w.store.Session(w.ctx, id)
	if err != nil {
		w.t.Fatalf("reading a session: %v", err)
	}
	return session
}

// living gives the ids of a user's living sessions, sorted.
func (w *world) living(userID string) []string {
	w.t.Helper()
	sessions, err := w.store.Sessions(w.ctx, userID, w.now)
	if err != nil {
		w.t.Fatalf("reading sessions: %v", err)
	}
	return sessionIDs(sessions...)
}

func sessionIDs(sessions ...core.Session) []string {
	var ids []string
	for _, each := range sessions {
		ids = append(ids, each.ID)
	}
	slices.Sort(ids)
	return ids
}

func (w *world) number(phoneKey string) core.NumberState {
	w.t.Helper()
	return w.numberSeenBy(phoneKey, "")
}

func (w *world) numberSeenBy(phoneKey, deviceID string) core.NumberState {
	w.t.Helper()
	state, err := w.store.Number(w.ctx, phoneKey, deviceID)
	if err != nil {
		w.t.Fatalf("reading a number: %v", err)
	}
	return state
}

// messagesOf gives a number's messages, sorted by id.
func (w *world) messagesOf(phoneKey string) []core.Message {
	w.t.Helper()
	messages, err := w.store.Messages(w.ctx, phoneKey, 1000)
	if err != nil {
		w.t.Fatalf("reading messages: %v", err)
	}
	slices.SortFunc(messages, func(a, b core.Message) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return messages
}
