package event

import "time"

// Event is one fact of the security log: what happened, to whom, from where.
// It never carries a code, a password, a token, a key or a whole phone number.
//
// Absent members are zero values and are left out of the encoding.
type Event struct {
	ID             string    // UUIDv7; sinks may see one event twice and tell it by this
	Time           time.Time // UTC, whole milliseconds
	Name           Name
	Outcome        Outcome
	Reason         string // a stable word: "wrong_code", "expired", ...
	Method         string // "sms", "password", "refresh_token", ...
	UserID         string
	SessionID      string
	PhoneNumber    string // masked: country code and last two digits
	PhonePseudonym string // keyed hash by which one number's events are found
	IPAddress      string
	UserAgent      string // at most 256 bytes
	RequestID      string
	Attributes     Attributes
}

// Outcome says how an attempt ended.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
)

// Attributes are the members that only some events have. Keys are constants
// of this package's callers; values are strings, int64s or bools.
type Attributes map[string]any

// With returns the event with one more attribute, leaving the original alone.
func (e Event) With(key string, value any) Event {
	attributes := make(Attributes, len(e.Attributes)+1)
	for k, v := range e.Attributes {
		attributes[k] = v
	}
	attributes[key] = value
	e.Attributes = attributes
	return e
}

// Head is the end of one instance's chained log: which file, how many lines it
// has, and the chain value of the last of them. The store keeps it, so that a
// cut tail shows.
type Head struct {
	File  string // base name
	Count int64  // lines in the file
	Chain string // the last line's chain value
}
