package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/gateway/smpp"
)

const (
	// smppRemembered is how many ids of the newest parts are remembered. A receipt for
	// one that is forgotten, or was sent before a restart, is told by the id alone: it
	// moves the message if that is its first part's (Sent.ProviderRef), and nothing
	// else. A message in parts then goes by its first part's receipt.
	smppRemembered = 10000
	// smppHold is how long a receipt of an unknown id waits for answers that are
	// underway: one of them may bring the id.
	smppHold = 5 * time.Second
)

// receive tells the receipts among what the message centre delivers. Its error asks
// the centre to repeat them. Messages of people are answered, and not read.
func (p *smppSender) receive(ctx context.Context, delivered []*smpp.Message) error {
	var told []smpp.Receipt
	for _, m := range delivered {
		if r, ok := smpp.ReceiptIn(m); ok && r.ID != "" {
			r.ID = p.s.receiptID(r.ID)
			told = append(told, r)
		}
	}
	if len(told) == 0 {
		return nil
	}
	if p.o.Deliver == nil {
		return errors.New("nobody is here to take receipts")
	}
	p.sent.await(ctx, told)
	var receipts []Receipt
	for _, r := range told {
		receipts = append(receipts, p.sent.receipt(r))
	}
	return p.o.Deliver(ctx, receipts)
}

// smppSent remembers which message the newest ids belong to, so that a receipt is
// told with the message's own id (the provider's may not be stored yet) and a
// message in parts by the receipts of all its parts.
type smppSent struct {
	mu       sync.Mutex
	parts    map[string]smppPart // by id
	ids      []string            // the keys of parts, as a ring: next is the oldest
	next     int
	underway map[chan struct{}]bool // closed when the part was answered, and its id is known
}

// smppParts is a message on its way, and how far each part has come.
type smppParts struct {
	messageID string
	ref       string // the first part's
	states    []smpp.Delivered
}

type smppPart struct {
	of    *smppParts
	index int
}

func newSMPPSent(keep int) *smppSent {
	return &smppSent{parts: map[string]smppPart{}, ids: make([]string, keep), underway: map[chan struct{}]bool{}}
}

func newSMPPParts(messageID string, n int) *smppParts {
	return &smppParts{messageID: messageID, states: make([]smpp.Delivered, n)}
}

// begin notes that a part is about to be sent; what it gives is called when its id
// has been added, or there will be none.
func (t *smppSent) begin() (answered func()) {
	done := make(chan struct{})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underway[done] = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.underway, done)
		close(done)
	}
}

// add remembers the id of a part, in place of the oldest. A part without an id gets
// no receipt: it counts as arrived.
func (t *smppSent) add(id string, whole *smppParts, index int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if index == 0 {
		whole.ref = id
	}
	if id == "" {
		whole.states[index] = smpp.HasArrived
		return
	}
	if _, again := t.parts[id]; !again {
		delete(t.parts, t.ids[t.next])
		t.ids[t.next] = id
		t.next = (t.next + 1) % len(t.ids)
	}
	t.parts[id] = smppPart{whole, index}
}

// await waits, if any of the receipts is for an id that is not known, until all parts
// that are underway now were answered: for smppHold at most.
func (t *smppSent) await(ctx context.Context, told []smpp.Receipt) {
	limit := time.NewTimer(smppHold)
	defer limit.Stop()
	for _, done := range t.mayTell(told) {
		select {
		case <-done:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (t *smppSent) mayTell(told []smpp.Receipt) []chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []chan struct{}
	for _, r := range told {
		if _, known := t.parts[r.ID]; known {
			continue
		}
		for done := range t.underway {
			all = append(all, done)
		}
		break
	}
	return all
}

// receipt makes ours of a centre's.
func (t *smppSent) receipt(told smpp.Receipt) Receipt {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := told.State
	if told.Intermediate {
		state = smpp.Enroute
	}
	r := Receipt{ProviderRef: told.ID}
	if part, known := t.parts[told.ID]; known {
		r.MessageID, r.ProviderRef = part.of.messageID, part.of.ref
		state = part.of.move(part.index, state)
	}
	r.State, r.Class = smppState(state)
	if r.Class != "" {
		r.Code = state.String()
		if told.Error != "" && told.State == state {
			r.Code += "-" + told.Error
		}
	}
	return r
}

// move notes how far a part has come, forward only, and gives how far the message
// has: one failed part fails it, and it has arrived with the last one.
func (w *smppParts) move(index int, state smpp.Delivered) smpp.Delivered {
	if now := w.states[index]; state != smpp.Enroute && state != smpp.Accepted && (now == 0 || now == smpp.Unknown) {
		w.states[index] = state
	}
	all := smpp.HasArrived
	for _, s := range w.states {
		switch {
		case s == 0:
			all = smpp.Enroute
		case s == smpp.Unknown && all == smpp.HasArrived:
			all = smpp.Unknown
		case s != smpp.HasArrived && s != smpp.Unknown:
			return s
		}
	}
	return all
}

// smppState is a centre's state in our words. It does not tell whether another
// provider would do better: of what was refused that is likely, and what waited too
// long may come through later.
func smppState(d smpp.Delivered) (State, Class) {
	switch d {
	case smpp.Enroute, smpp.Accepted:
		return StateSent, ""
	case smpp.HasArrived:
		return StateDelivered, ""
	case smpp.Expired:
		return StateExpired, Retry
	case smpp.Deleted, smpp.Undeliverable:
		return StateUndelivered, Failover
	case smpp.Rejected:
		return StateFailed, Failover
	}
	return StateUnknown, ""
}
