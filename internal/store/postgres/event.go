package postgres

import (
	"fmt"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/event"
)

const (
	eventColumns = "id, nth, user_id, session_id, phone_masked, phone_pseudonym, name, time, addressed, payload"
	insertEvent  = "INSERT INTO events (" + eventColumns + ") "
)

// completed inserts the event that $1 to $10 tell, completed by expressions that
// say whose it is.
func completed(user, session, masked, pseudonym string) string {
	return insertEvent + `SELECT $1, $2::bigint, coalesce(nullif($3, ''), ` + user + `), coalesce(nullif($4, ''), ` + session + `),
		coalesce(nullif($5, ''), ` + masked + `), coalesce(nullif($6, ''), ` + pseudonym + `), $7, $8::bigint, $9::boolean, $10::bytea `
}

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
	tx.exec(insertEvent+"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", tx.eventValues(e)...)
	tx.queuedEvent = true
}

// eventValues are an event's columns. Who writes it by a statement of its own may
// fill in what is still ” there: readers complete the payload by the columns.
func (tx *tx) eventValues(e event.Event) []any {
	tx.told++
	return []any{
		e.ID, tx.told, e.UserID, e.SessionID, e.PhoneNumber, e.PhonePseudonym, string(e.Name), e.Time,
		e.IPAddress != "" || e.UserAgent != "", event.Encode(e),
	}
}

func fill(member *string, with string) {
	if *member == "" {
		*member = with
	}
}

// storedEvent is what intoEvent reads.
const storedEvent = "payload, user_id, session_id, phone_masked, phone_pseudonym"

// readEvent reads storedEvent, behind other columns if there are any. What
// cannot be decoded fails the whole read.
func readEvent(r *row, before ...any) event.Event {
	var payload []byte
	var userID, sessionID, masked, pseudonym string
	r.scan(append(before, &payload, &userID, &sessionID, &masked, &pseudonym)...)
	if r.err != nil {
		return event.Event{}
	}
	e, err := event.Decode(payload)
	if err != nil {
		r.err = fmt.Errorf("reading a stored event: %w", err)
		return event.Event{}
	}
	fill(&e.UserID, userID)
	fill(&e.SessionID, sessionID)
	fill(&e.PhoneNumber, masked)
	fill(&e.PhonePseudonym, pseudonym)
	return e
}
