package core

import (
	"context"
	"time"

	"github.com/countersign/countersign/internal/event"
	"github.com/countersign/countersign/internal/keyring"
)

// ReceiptIn is a provider's word on a message that it took, in our terms. Whoever
// passes it on knows that it is the provider's.
type ReceiptIn struct {
	MessageID string // ours, where the provider repeats it; whatever is no id reads as none
	Ref       string // the provider's; one of the two is set
	State     DeliveryState
	Again     bool // of a failure: another try, or another provider, may do better
	AtOnce    bool // and need not wait
	Code      string
	At        time.Time // zero: not told
	Cost      *Money    // nil: not told
}

// The reasons of sms_send_failed that receipts give.
const (
	reasonUndelivered = "undelivered" // carrier or handset refused it
	reasonRefused     = "refused"     // the provider refused or dropped it
	reasonExpired     = "expired"     // it came too late
)

// The reasons of receipt_refused.
const (
	ReceiptForged     = "forged"
	ReceiptUnreadable = "unreadable"
)

// receiptAgain is how long a message waits for another try, where a receipt says
// that it failed for the moment.
const receiptAgain = 2 * time.Second

// RecordReceipts keeps what a provider says of its messages, forward only: of what
// is told twice, or of nobody's messages, nothing is kept. Its error is a 503, after
// which the provider may say all of it again.
func (c *Core) RecordReceipts(ctx context.Context, provider string, receipts []ReceiptIn) error {
	for _, in := range receipts {
		if err := c.recordReceipt(ctx, provider, in); err != nil {
			return err
		}
	}
	return nil
}

func (c *Core) recordReceipt(ctx context.Context, provider string, in ReceiptIn) error {
	now := c.now()
	if !keyring.ValidID(in.MessageID) {
		in.MessageID = ""
	}
	if in.MessageID == "" && in.Ref == "" {
		return nil
	}
	op := RecordReceipt{
		Provider: provider, MessageID: in.MessageID, ProviderRef: in.Ref, State: in.State, Code: in.Code,
		At: meant(in.At, now), Cost: in.Cost, Again: in.Again, RetryAt: now, Now: now,
		OnDelivered: c.received(now, event.SMSDelivered, event.Success, in),
		OnFailed:    c.received(now, event.SMSSendFailed, event.Failure, in),
	}
	if !in.AtOnce {
		op.RetryAt = now.Add(receiptAgain)
	}
	got, err := c.store.RecordReceipt(ctx, op)
	if err != nil {
		return unavailable("keeping a receipt", err)
	}
	if got.Outcome == Done && in.State.rank() == finalRank && c.routed != nil {
		c.routed(provider, got.Message.Country, in.State.failed())
	}
	return nil
}

// received is what a receipt is told as, but for what the store knows of its message.
func (c *Core) received(now time.Time, name event.Name, outcome event.Outcome, in ReceiptIn) event.Event {
	e := c.event(Caller{}, now, name, outcome)
	e.Attributes = event.Attributes{"state": string(in.State)}
	if in.Code != "" {
		e.Attributes["code"] = in.Code
	}
	switch in.State {
	case DeliveryUndelivered:
		e.Reason = reasonUndelivered
	case DeliveryFailed:
		e.Reason = reasonRefused
	case DeliveryExpired:
		e.Reason = reasonExpired
	}
	return e
}

// meant is a provider's time, where it can be meant: its clock may be off, and what
// is told of tomorrow was told now.
func meant(at, now time.Time) time.Time {
	const oldest = 30 * 24 * time.Hour
	if at.After(now) || at.Before(now.Add(-oldest)) {
		return now
	}
	return at
}

// ReceiptRefused tells that what claims to be a provider's word was not taken for
// it: ReceiptForged or ReceiptUnreadable.
func (c *Core) ReceiptRefused(caller Caller, provider, reason string) {
	e := c.event(caller, c.now(), event.ReceiptRefused, event.Failure)
	e.Reason = reason
	c.traffic(e.With("provider", provider))
}
