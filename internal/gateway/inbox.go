package gateway

import (
	"context"
	"sync"

	"github.com/countersign/countersign/internal/phone"
)

// Inbox is a Sender that keeps the newest messages in memory, where whoever
// develops against the server reads them. It is safe for concurrent use.
type Inbox struct {
	mu   sync.Mutex
	ring []Message // grows to its capacity, then next is the oldest
	next int
	keep int
}

// NewInbox makes an inbox that keeps the newest messages, at least one.
func NewInbox(keep int) *Inbox {
	return &Inbox{keep: max(1, keep)}
}

// Entry is the inbox as an entry of the operator's list, under a name and for a
// channel of its own. What it takes is listed with all else.
func (b *Inbox) Entry(name string, channel Channel) Sender {
	return entry{b, name, channel}
}

type entry struct {
	*Inbox
	name    string
	channel Channel
}

func (e entry) Name() string     { return e.name }
func (e entry) Channel() Channel { return e.channel }

// Name is "inbox".
func (b *Inbox) Name() string { return "inbox" }

// Kind is "inbox": one that is made by no other than NewInbox.
func (b *Inbox) Kind() string { return "inbox" }

// Channel is SMS.
func (b *Inbox) Channel() Channel { return SMS }

// Receipts are none: who reads the inbox has the message.
func (b *Inbox) Receipts(context.Context, Callback) ([]Receipt, error) { return nil, ErrNoReceipts }

// Check finds nothing wrong.
func (b *Inbox) Check(context.Context) []Finding {
	return []Finding{{What: "development inbox", OK: true}}
}

// Close does nothing.
func (b *Inbox) Close() error { return nil }

// Send keeps the message, in place of the oldest where the inbox is full. Its
// reference is the message's own id. It fails only when ctx has ended.
func (b *Inbox) Send(ctx context.Context, m Message) (Sent, error) {
	if err := ctx.Err(); err != nil {
		return Sent{}, &SendError{Class: Retry, Cause: err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ring) < b.keep {
		b.ring = append(b.ring, m)
	} else {
		b.ring[b.next] = m
		b.next = (b.next + 1) % b.keep
	}
	return Sent{ProviderRef: m.ID}, nil
}

// List gives copies of the messages to a number, newest first, at most limit.
// The zero Number means all numbers, a limit of zero or less all messages.
func (b *Inbox) List(to phone.Number, limit int) []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Message
	for i := range b.ring {
		m := b.ring[(b.next+len(b.ring)-1-i)%len(b.ring)]
		if !to.IsZero() && m.To.E164() != to.E164() {
			continue
		}
		found = append(found, m)
		if len(found) == limit {
			break
		}
	}
	return found
}
