package e2e

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/store/postgres"
	"github.com/countersign/countersign/internal/store/sqlite"
)

const (
	deliverRounds = 3
	deliverPeople = 12 // in a round
)

// An instance is killed in the middle of sending, again and again. Each message
// that was acknowledged goes out at least once, and exactly once where the service
// drops repeats by their id; and of each repeat the store knows why.
func TestDeliveryThroughKill(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		to := newReceiver(t)
		p := newProgram(t)
		p.more = to.settings()
		d := &delivery{t: t, to: to, all: []*program{p}, open: func() (core.Store, func() error) {
			s, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(p.dir, "countersign.db")})
			if err != nil {
				t.Fatal(err)
			}
			return s, s.Close
		}}
		d.run()
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		to := newReceiver(t)
		f := newFleet(t, 2, to.settings()...)
		d := &delivery{t: t, to: to, all: f.all, open: func() (core.Store, func() error) {
			s, err := postgres.Open(context.Background(), postgres.Options{URL: f.database})
			if err != nil {
				t.Fatal(err)
			}
			return s, s.Close
		}}
		d.run()
	})
}

// delivery is one or several instances that send to a service.
type delivery struct {
	t    *testing.T
	to   *receiver
	all  []*program
	open func() (core.Store, func() error)

	mu      sync.Mutex
	numbers []string // acknowledged
}

func (d *delivery) run() {
	for _, p := range d.all {
		p.start()
	}
	for round := range deliverRounds - 1 {
		d.round(round, d.all[round%len(d.all)])
	}
	d.round(deliverRounds-1, d.all...)
	d.arrived()
	d.settled()
	for _, p := range d.all {
		p.askToStop()
		p.wait()
	}
	d.check()
}

// round has people sign up, and kills instances while the service keeps them
// waiting.
func (d *delivery) round(round int, victims ...*program) {
	d.arrived()
	d.to.holds(true)
	together(deliverPeople, func(i int) {
		n := number(round*deliverPeople + i)
		p := d.all[i%len(d.all)]
		got, err := p.call(http.MethodPost, "/v1/signup", ask{body: members{"phone_number": n}})
		if err != nil || got.status != http.StatusAccepted {
			d.t.Errorf("signing up: %d, %v", got.status, err)
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.numbers = append(d.numbers, n)
	})
	eventually(d.t, "a message that the service has and no instance knows of", func() bool { return d.to.waiting() > 0 })
	for _, p := range victims {
		p.kill()
	}
	d.to.holds(false)
	for _, p := range victims {
		p.start()
	}
}

// arrived waits until each message has come once: what a killed instance had
// claimed is claimed again when its lease is over.
func (d *delivery) arrived() {
	d.t.Helper()
	if !within(func() bool { return d.to.has(d.numbers) }) {
		eventually(d.t, "a message to each number", func() bool { return d.to.has(d.numbers) })
	}
}

// settled waits until nothing is queued.
func (d *delivery) settled() {
	d.t.Helper()
	store, end := d.open()
	defer func() { _ = end() }()
	empty := func() bool {
		found, err := store.FindMessages(context.Background(), core.MessageQuery{State: core.MessageQueued, Limit: 1})
		return err == nil && len(found) == 0
	}
	if !within(empty) {
		eventually(d.t, "an empty queue", empty)
	}
}

func (d *delivery) check() {
	d.t.Helper()
	store, end := d.open()
	defer func() { _ = end() }()
	found, err := store.FindMessages(context.Background(), core.MessageQuery{Limit: 1000})
	if err != nil || len(found) != len(d.numbers) {
		d.t.Fatalf("%d messages for %d numbers, %v", len(found), len(d.numbers), err)
	}
	unclear := map[string]int{} // by message: tries of which nobody saw the end
	lost := 0
	for _, m := range found {
		for _, a := range m.Attempts {
			if a.EndedAt.IsZero() || a.Failure == "ambiguous" {
				unclear[m.ID]++
				lost++
			}
		}
		if m.State != core.MessageSent && unclear[m.ID] < core.MaxSendTries {
			d.t.Errorf("a message is %s: %+v", m.State, m.Attempts)
		}
	}
	repeats := 0
	for n, ids := range d.to.calls {
		repeats += len(ids) - 1
		if id := ids[0]; slices.ContainsFunc(ids, func(other string) bool { return other != id }) || len(ids)-1 > unclear[id] {
			d.t.Errorf("%s got %v, of which %d are known to be unclear", n, ids, unclear[id])
		}
	}
	d.t.Logf("%d messages, %d repeats that the service can drop, %d tries whose end nobody saw", len(found), repeats, lost)
	if told := d.told(); repeats == 0 || told == 0 {
		d.t.Errorf("%d repeats, of which %d were told", repeats, told)
	}
}

// told is how many tries the security logs tell as lost or unclear.
func (d *delivery) told() (n int) {
	d.t.Helper()
	for _, p := range d.all {
		log, err := os.ReadFile(filepath.Join(p.dir, "security.log"))
		if err != nil {
			d.t.Fatal(err)
		}
		for line := range bytes.Lines(log) {
			if bytes.Contains(line, []byte(`"sms_send_failed"`)) && (bytes.Contains(line, []byte(`"reason":"lost"`)) || bytes.Contains(line, []byte(`"reason":"ambiguous"`))) {
				n++
			}
		}
	}
	return n
}
