package event

import "time"

// Series is what events are counted by for operators: only values of closed
// sets, so that their number is bounded. An absent member is "".
type Series struct {
	Name     Name
	Method   string
	Outcome  Outcome
	Reason   string // OtherReason where it is no word of the house
	Country  string
	Provider string
}

// OtherReason stands for every reason that is free text.
const OtherReason = "other"

// Rollup is how often a series was seen in one minute.
type Rollup struct {
	Minute time.Time // its beginning, UTC
	Series Series
	N      int64
}
