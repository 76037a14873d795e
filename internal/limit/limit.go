package limit

import (
	"context"
	"time"
)

// Rule is one limit: any window of length Window holds at most N (CHECKLIST
// C-37). A rule with an N or a Window of zero or less admits nobody.
type Rule struct {
	Name   string
	N      int
	Window time.Duration

	// Reserved: strangers cannot make keys of it. An engine that is bounded keeps
	// room for these that no flood of other keys can take.
	Reserved bool
}

// Count is somebody who is counted under a rule. Each rule's keys are its own.
type Count struct {
	Rule Rule
	Key  string // an address, a network, a keyed hash; never a number in the clear
}

// Decision is the answer to a Take. The zero Decision admits.
type Decision struct {
	Refused    string        // the name of the rule that is full; "" where all admit
	RetryAfter time.Duration // until the fullest of them admits again
}

// Tally is a count that admits and refuses nobody: how often something happened
// lately. It adds Add (zero only reads) to the tally of Key.
type Tally struct {
	Name     string // what is tallied. Each name's keys are its own
	Key      string
	Window   time.Duration // of one name and key always the same
	Add      int64
	Reserved bool // as a Rule's
}

// Tallied is a tally as it stands, with what was just added. Time is cut into
// 24 slots a window. Sum is that of the window and up to a slot more; Settled is
// Sum without the current slot and the one before it.
//
// Shared tells that an engine without room for a counter of the key's own has
// added up several keys of that name: the key's own is Sum at most. Whoever
// refuses or grants by a sum must not by one of these.
type Tallied struct {
	Sum, Settled int64
	Shared       bool
}

// Limiter counts for all instances that share it. The time comes from outside;
// an engine that several instances share may put its own in its place. An error
// means that the engine does not answer: nothing was counted.
type Limiter interface {
	// Take counts one under each of the counts, or, if any of them is full, under
	// none. It is one step: no concurrency lets more than N through.
	Take(ctx context.Context, now time.Time, counts ...Count) (Decision, error)

	// GiveBack takes back what a Take at that time counted, because what it
	// guards did not happen. It never lets more than N of what is kept through.
	// An engine may know times by slots of the window: give back what was taken.
	GiveBack(ctx context.Context, taken time.Time, counts ...Count) error

	// Tally adds and reads several tallies in one step, in their order.
	Tally(ctx context.Context, now time.Time, tallies ...Tally) ([]Tallied, error)
}
