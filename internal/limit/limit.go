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
	Key    string
	Window time.Duration // of one key always the same
	Add    int64
}

// Tallied is a tally as it stands, with what was just added. Time is cut into
// 24 slots a window. Sum is that of the window and up to a slot more; Settled is
// Sum without the current slot and the one before it.
type Tallied struct {
	Sum, Settled int64
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
	GiveBack(ctx context.Context, taken time.Time, counts ...Count) error

	// Tally adds and reads several tallies in one step, in their order.
	Tally(ctx context.Context, now time.Time, tallies ...Tally) ([]Tallied, error)
}
