package core

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/event"
)

// This file is what providers' answers and receipts make of a message. Every engine
// asks it: it knows no database.

// rank orders states; those of one rank do not follow each other. 0: no state.
func (s DeliveryState) rank() int {
	switch s {
	case DeliveryAccepted:
		return 1
	case DeliverySent:
		return 2
	case DeliveryUnknown:
		return 3
	case DeliveryDelivered, DeliveryUndelivered, DeliveryFailed, DeliveryExpired:
		return finalRank
	}
	return 0
}

const finalRank = 4

// failed tells whether a state is the end of a message that did not arrive.
func (s DeliveryState) failed() bool { return s.rank() == finalRank && s != DeliveryDelivered }

// State is the last state that receipts told; "": none did.
func (a Attempt) State() DeliveryState {
	if len(a.States) == 0 {
		return ""
	}
	return a.States[len(a.States)-1].State
}

// Taken tells whether the provider took the message, by its answer or by a receipt.
func (a Attempt) Taken() bool {
	return len(a.States) > 0 || !a.EndedAt.IsZero() && a.Failure == ""
}

// Lost tells whether nobody knows what became of it: whoever made it is gone, if
// nobody holds its message. It may have gone out.
func (a Attempt) Lost() bool { return a.EndedAt.IsZero() && !a.State().failed() }

// failed tells whether it is known that the message did not go this way.
func (a Attempt) failed() bool {
	if len(a.States) > 0 {
		return a.State().failed()
	}
	return a.Failure != ""
}

// NewAttempt is an attempt that begins.
func NewAttempt(provider, why string, now time.Time) Attempt {
	return Attempt{Provider: provider, Why: why, BeganAt: stored(now)}
}

// stored is a time as engines keep it.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Route is the provider that took the message last, with its reference, or where
// none did, the one that was asked last.
func (m Message) Route() (provider, ref string) {
	if len(m.Attempts) == 0 {
		return "", ""
	}
	last := m.Attempts[len(m.Attempts)-1]
	for _, a := range slices.Backward(m.Attempts) {
		if a.Taken() {
			last = a
			break
		}
	}
	return last.Provider, last.ProviderRef
}

// delivered tells whether a receipt says so of any attempt.
func (m Message) delivered() bool {
	return slices.ContainsFunc(m.Attempts, func(a Attempt) bool { return a.State() == DeliveryDelivered })
}

// Standing is a message as an engine finds it, with what it keeps beside it.
type Standing struct {
	Message
	Held       bool      // somebody has claimed it, and not settled it yet
	Settled    bool      // it is out of the queue
	Open       bool      // its challenge takes a code, and has its text
	DueAt      time.Time // when it may be claimed
	Reserved   Money     // what its last claim reserved,
	ReservedAt time.Time // and when
}

// Moved is how a message stands after that.
type Moved struct {
	Standing
	Correction Correction
}

// Correction puts an amount in place of another one in what is spent where the
// message goes, at the time at which it was reserved.
type Correction struct {
	From, To Money
	At       time.Time
}

// Settle gives a message as its holder leaves it. Of a withheld one all is done
// that is done of others.
func (s Standing) Settle(in SettleMessage) Moved {
	to := Moved{Standing: s.copied()}
	to.Held = false
	failedBefore := to.end(in)
	switch {
	case in.State == MessageWithheld:
		to.State, to.Settled = MessageWithheld, true
	case to.delivered():
		to.State, to.Settled = MessageDelivered, true
	case failedBefore: // the receipt has ended it, or queued it again
	case in.State == MessageQueued:
		to.Settled, to.DueAt = false, in.RetryAt
	default:
		to.State, to.Settled = in.State, true
	}
	return to
}

// end ends the attempt of a holder, and tells whether a receipt said before that
// it failed.
func (m *Moved) end(in SettleMessage) (failedBefore bool) {
	if in.Provider == "" {
		m.cost(nil, in.Cost)
		return false
	}
	a := m.ofProvider(in.Provider)
	if a == nil || !a.EndedAt.IsZero() {
		m.Attempts = append(m.Attempts, NewAttempt(in.Provider, "", in.Now))
		a = &m.Attempts[len(m.Attempts)-1]
	}
	a.EndedAt, a.Failure, a.Code = stored(in.Now), in.Failure, in.Code
	if in.ProviderRef != "" {
		a.ProviderRef = in.ProviderRef
	}
	cost := in.Cost
	if len(a.States) > 0 && (in.Failure != "" || !a.CostAt.IsZero()) {
		cost = nil // it was taken, whatever the answer was; or its receipt knows better
	}
	m.cost(a, cost)
	return a.State().failed()
}

// ofProvider is the newest attempt by a provider; nil: there is none.
func (m *Moved) ofProvider(provider string) *Attempt {
	for i := range slices.Backward(m.Attempts) {
		if m.Attempts[i].Provider == provider {
			return &m.Attempts[i]
		}
	}
	return nil
}

// cost notes what an attempt (nil: none) costs, of what its claim has reserved; told
// is nil where that stays.
func (m *Moved) cost(a *Attempt, told *Money) {
	if a == nil {
		a = &Attempt{}
	}
	if a.CostAt.IsZero() {
		a.Cost, a.CostAt = m.Reserved, m.ReservedAt
	}
	if told != nil {
		m.Correction = Correction{From: a.Cost, To: *told, At: a.CostAt}
		a.Cost = *told
	}
}

// copied gives a standing whose attempts may be changed.
func (s Standing) copied() Standing {
	s.Attempts = slices.Clone(s.Attempts)
	for i := range s.Attempts {
		s.Attempts[i].States = slices.Clone(s.Attempts[i].States)
	}
	return s
}

// Received is what a receipt makes of a message.
type Received struct {
	Moved
	Outcome  Outcome
	Requeued bool
	try      int // of the attempt
}

// Receive gives a message as a receipt leaves it.
func (s Standing) Receive(in RecordReceipt) Received {
	to := Received{Moved: Moved{Standing: s.copied()}, Outcome: NotFound}
	n := s.attemptOf(in)
	if n < 0 || s.State == MessageWithheld {
		return to
	}
	a, was := &to.Attempts[n], s.Attempts[n]
	to.Outcome, to.try = Repeated, n+1
	if in.State.rank() <= was.State().rank() {
		return to
	}
	to.Outcome = Done
	a.States = append(a.States, AttemptState{State: in.State, Code: in.Code, At: stored(cmp.Or(in.At, in.Now))})
	if in.ProviderRef != "" {
		a.ProviderRef = in.ProviderRef
	}
	newest := n == len(s.Attempts)-1
	flying := newest && s.Held && was.EndedAt.IsZero() // its answer is waited for
	if in.Cost != nil && (flying || !a.CostAt.IsZero()) {
		to.cost(a, in.Cost)
	}
	switch {
	case in.State == DeliveryDelivered:
		to.State, to.Settled = MessageDelivered, true
	case in.State.failed() && newest && (flying || !s.Held):
		to.fail(in)
	}
	return to
}

// attemptOf finds the attempt that a receipt tells of; -1: none. Where the provider's
// reference is told, it is the attempt that has it, else the newest whose is not known.
func (s Standing) attemptOf(in RecordReceipt) int {
	found := -1
	for i, a := range s.Attempts {
		switch {
		case a.Provider != in.Provider:
		case in.ProviderRef != "" && a.ProviderRef == in.ProviderRef:
			return i
		case in.ProviderRef == "" || a.ProviderRef == "":
			found = i
		}
	}
	return found
}

// fail moves a message whose newest attempt failed: to its end, or into the queue.
func (r *Received) fail(in RecordReceipt) {
	switch r.State {
	case MessageQueued, MessageSent, MessageUndelivered:
	default:
		return
	}
	again := in.Again && r.ChallengeID != "" && r.Open && r.Tries < MaxSendTries &&
		in.Now.Before(r.ExpiresAt) && in.RetryAt.Before(r.ExpiresAt)
	if !again {
		r.State, r.Settled = MessageUndelivered, true
		return
	}
	r.State, r.Settled, r.DueAt, r.Requeued = MessageQueued, false, in.RetryAt, true
}

// Event is what is told of a receipt; one without an ID: nothing. What is there
// stays as it is.
func (r Received) Event(in RecordReceipt) event.Event {
	e := event.Event{}
	switch {
	case r.Outcome != Done:
	case in.State == DeliveryDelivered:
		e = in.OnDelivered
	case in.State.failed():
		e = in.OnFailed
	}
	if e.ID == "" {
		return e
	}
	e.Method, e.RequestID = cmp.Or(e.Method, string(r.Channel)), cmp.Or(e.RequestID, r.RequestID)
	told := event.Attributes{"message_id": r.ID, "purpose": r.Purpose, "provider": in.Provider, "try": int64(r.try)}
	if r.Country != "" {
		told["country"] = r.Country
	}
	if in.State.failed() {
		told["will_retry"] = r.State == MessageQueued
	}
	if in.State == DeliveryDelivered {
		a := r.Attempts[r.try-1]
		told["took_ms"] = max(0, a.States[len(a.States)-1].At.Sub(a.BeganAt).Milliseconds())
	}
	maps.Copy(told, e.Attributes)
	e.Attributes = told
	return e
}

// Routed is a message of a challenge, and whether its code was entered.
type Routed struct {
	Message
	Redeemed bool
}

// RouteStats adds up how messages went, of the newest first. One that was asked for
// again is one whose code was not entered, though that came by a later one.
func RouteStats(newestFirst []Routed) []RouteStat {
	type key struct {
		provider  string
		channel   Channel
		country   string
		prefixKey string
	}
	stats := map[key]*RouteStat{}
	sent := map[string]bool{} // challenges whose newest was seen
	for _, m := range newestFirst {
		of := func(provider string) *RouteStat {
			k := key{provider, m.Channel, m.Country, m.PrefixKey}
			if stats[k] == nil {
				stats[k] = &RouteStat{Provider: provider, Channel: m.Channel, Country: m.Country, PrefixKey: m.PrefixKey}
			}
			return stats[k]
		}
		var by *Attempt
		for i, a := range m.Attempts {
			if a.failed() {
				of(a.Provider).Failed++
			}
			if a.Taken() {
				by = &m.Attempts[i]
			}
		}
		if by == nil {
			continue
		}
		askedAgain := sent[m.ChallengeID]
		sent[m.ChallengeID] = true
		stat := of(by.Provider)
		stat.Sent++
		if m.Redeemed && !askedAgain {
			stat.Redeemed++
		}
		if by.State() == DeliveryDelivered {
			stat.Delivered++
		}
	}
	all := make([]RouteStat, 0, len(stats))
	for _, stat := range stats {
		all = append(all, *stat)
	}
	slices.SortFunc(all, func(a, b RouteStat) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Channel, b.Channel),
			cmp.Compare(a.Country, b.Country), cmp.Compare(a.PrefixKey, b.PrefixKey))
	})
	return all
}
