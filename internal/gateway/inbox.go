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

// Name is "inbox".
func (b *Inbox) Name() string { return "inbox" }

// Send keeps the message, in place of the oldest where the inbox is full. Its
// reference is the message's own id. It fails only when ctx has ended.
func (b *Inbox) Send(ctx context.Context, m Message) (Sent, error) {
	if err := ctx.Err(); err != nil {
		return Sent{}, &SendError{Retry: true, Cause: err}
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
