package sqlite

import (
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

// tell writes an event with the change that it tells of. What its flow could
// not know is filled in: whose it is, and in which session. An event without
// an id is none.
func (tx *tx) tell(e event.Event, of core.User, sessionID string) {
	if e.ID == "" {
		return
	}
	fill(&e.UserID, of.ID)
	fill(&e.SessionID, sessionID)
	fill(&e.PhoneNumber, of.Phone.Masked)
	fill(&e.PhonePseudonym, of.Phone.Key)
	tx.exec(`INSERT INTO events (id, user_id, phone_pseudonym, name, time, addressed, payload) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		e.ID, e.UserID, e.PhonePseudonym, string(e.Name), e.Time, e.IPAddress != "" || e.UserAgent != "", event.Encode(e))
	tx.queuedEvent = true
}

func fill(member *string, with string) {
	if *member == "" {
		*member = with
	}
}

// readEvent decodes a payload; what cannot be decoded fails the whole read.
func (tx *tx) readEvent(r *row) event.Event {
	e, err := event.Decode(r.blob())
	tx.fail(wrap("reading a stored event", err))
	return e
}
