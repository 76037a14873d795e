package limit

import "time"

// What an engine outside this package needs to count as Memory does.

// TallySlots is how many slots a tally's window is cut into.
const TallySlots = slots

// Counts tells whether the rule admits anybody at all.
func (r Rule) Counts() bool { return r.counts() }

// Slot is how long the slots are in which times are kept; 0: each is kept as it is.
func (r Rule) Slot() time.Duration {
	if r.N <= mostLogged {
		return 0
	}
	return time.Duration(slottedLog{&r}.width())
}

// Slack is how much longer than its window a time is kept.
func (r Rule) Slack() time.Duration { return time.Duration(r.slack()) }
