package outbox

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/core"
)

const (
	partMessages = "message queue"
	partTries    = "message tries"
	partSending  = "message provider " // and its name
	partBudget   = "message budget"
)

// messenger sends queued messages, several at a time.
type messenger struct {
	b     *Outbox
	run   string    // the id of this run
	batch int       // counts the claims, each of which is a holder of its own
	asked time.Time // when it was last asked how many messages wait for money
	slots chan struct{}
	again chan struct{} // holds one where the queue is to be looked at
	short atomic.Bool   // more would be claimed if a provider had room
	wg    sync.WaitGroup
}

func newMessenger(b *Outbox, run string) *messenger {
	return &messenger{b: b, run: run, slots: make(chan struct{}, messageSlots), again: make(chan struct{}, 1)}
}

// work claims as many messages as may be sent now, until ctx ends, and then
// waits for those in hand.
func (m *messenger) work(ctx context.Context) {
	defer m.wg.Wait()
	var after time.Duration
	for free := m.take(ctx); free > 0; free = m.take(ctx) {
		if rest := m.rest(); rest > 0 {
			m.give(free)
			pause(ctx, rest)
			continue
		}
		n := min(free, m.room())
		m.give(free - n)
		if n == 0 {
			m.wait(ctx, m.b.o.Poll)
			continue
		}
		now := m.b.o.Now()
		claimed, holder, err := m.claim(ctx, n, now)
		m.give(n - len(claimed))
		if len(claimed) > 0 {
			m.carry(context.WithoutCancel(ctx), claimed, holder, now)
		}
		m.b.note(partMessages, err)
		m.lookAtMoney(ctx)
		switch {
		case err != nil:
			after = longer(after)
			m.wait(ctx, after)
		case len(claimed) < n:
			after = 0
			m.wait(ctx, m.b.o.Poll)
		}
	}
}

// room is how many more messages the providers take at a time. Where it is none,
// the end of one in hand has the queue looked at.
func (m *messenger) room() int {
	n := m.b.router.room()
	if n == 0 {
		m.short.Store(true)
		n = m.b.router.room() // one may have ended meanwhile
	}
	return n
}

// ended notes that a message is in nobody's hand any more.
func (m *messenger) ended() {
	m.give(1)
	if m.short.CompareAndSwap(true, false) {
		m.hurry()
	}
}

// rest is for how long no message need be claimed, since every provider asked to
// be left alone: a claim counts a try of each.
func (m *messenger) rest() time.Duration {
	now := m.b.o.Now()
	if until := m.b.router.rests(now); !until.IsZero() {
		return min(until.Sub(now), maxPause)
	}
	return 0
}

// claim leases due messages. A holder of its own for each claim keeps what is
// being sent from being claimed again by the same run.
func (m *messenger) claim(ctx context.Context, n int, now time.Time) ([]core.Message, string, error) {
	m.batch++
	holder := m.run + "/" + strconv.Itoa(m.batch)
	claimed, err := m.b.o.Store.ClaimMessages(context.WithoutCancel(ctx), core.ClaimMessages{
		Claim: core.Claim{Holder: holder, Limit: n, Lease: messageLease, Now: now}, Budgets: m.b.o.Budgets, HoldFor: budgetPause,
	})
	if err != nil {
		return nil, "", fmt.Errorf("claiming messages: %w", err)
	}
	for _, message := range claimed.GivenUp {
		m.tellGivenUp(message)
	}
	return claimed.Messages, holder, nil
}

// lookAtMoney notes, now and then, whether messages wait because no budget has
// room for them. A claim could not tell: it looks at each of them but every
// budgetPause.
func (m *messenger) lookAtMoney(ctx context.Context) {
	now := m.b.o.Now()
	if !bounded(m.b.o.Budgets) || now.Sub(m.asked) < askEvery {
		return
	}
	m.asked = now
	queues, err := m.b.o.Store.Queues(context.WithoutCancel(ctx), now)
	switch {
	case err != nil:
		err = fmt.Errorf("asking whether messages wait for money: %w", err)
	case queues.Held > 0:
		err = fmt.Errorf("%d messages wait until it has room for them", queues.Held)
	}
	m.b.note(partBudget, err)
}

// bounded tells whether any budget bounds anything.
func bounded(b core.Budgets) bool {
	for _, each := range b.Countries {
		if each != (core.Budget{}) {
			return true
		}
	}
	return b.Total != (core.Budget{}) || b.Country != (core.Budget{})
}

// wait returns when there may be something to claim, also from a store that
// failed: what was queued since says that it is back.
func (m *messenger) wait(ctx context.Context, longest time.Duration) {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-m.b.o.Store.MessagesQueued():
	case <-m.again:
	case <-timer.C:
	}
}

// take waits for a free slot and takes all that are free; 0 when ctx has ended.
func (m *messenger) take(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case m.slots <- struct{}{}:
	}
	if ctx.Err() != nil {
		return 0
	}
	for n := 1; ; n++ {
		select {
		case m.slots <- struct{}{}:
		default:
			return n
		}
	}
}

func (m *messenger) give(n int) {
	for range n {
		<-m.slots
	}
}
