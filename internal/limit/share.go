package limit

import "time"

// What an engine outside this package needs to count as Memory does.

// TallySlots is how many slots a tally's window is cut into.
const TallySlots = slots

// Counts tells whether the rule admits anybody at all.
func (r Rule) Counts() bool { return r.counts() }

// Logged tells whether every time is kept, so that exactly N pass; else GCRA counts.
func (r Rule) Logged() bool { return r.N <= mostLogged }

// Bucket is what GCRA counts by: how many pass at once, and how long one counts.
func (r Rule) Bucket() (burst int, interval time.Duration) {
	g := gcra{&r}
	return g.burst(), time.Duration(g.interval())
}

// Slack is how much longer than its window a time is kept.
func (r Rule) Slack() time.Duration { return time.Duration(r.slack()) }
