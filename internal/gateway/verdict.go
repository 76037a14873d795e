package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// verdict is what a provider's own code says of a message. The table of a
// provider holds those that its document names.
type verdict struct {
	class Class
	alarm bool // as SendError.Alarm
}

// The verdicts of the tables.
var (
	retryLater = verdict{class: Retry}
	useAnother = verdict{class: Failover}
	mustAct    = verdict{class: Failover, alarm: true}
	noWay      = verdict{class: Final}
)

// refused classifies an answer by the provider's code, and where the table does
// not have that, by its HTTP status.
func (a answer) refused(table map[string]verdict, code string) *SendError {
	e := a.byStatus(code)
	if v, ok := table[code]; ok {
		e.Class, e.Alarm = v.class, v.alarm
	}
	return e
}

// The causes of refusals that stand in an answer of success.
var (
	errRejected      = errors.New("rejected in an answer of success")
	errUndeliverable = errors.New("given up in an answer of success")
)

// success tells whether the provider says that it took the message.
func (a answer) success() bool { return a.status >= 200 && a.status < 300 }

// garbled is a success whose answer does not tell what became of the message.
func garbled() *SendError {
	return &SendError{Class: Ambiguous, Cause: errors.New("the provider says that it took the message, in an answer that makes no sense")}
}

// noSender is a message to a country for which the settings have no sender.
func noSender() *SendError {
	return &SendError{Class: Failover, Code: "no_sender", Cause: errors.New("no sender is set for the country")}
}

// postJSON posts a value as JSON, with the headers given.
func postJSON(ctx context.Context, client *http.Client, to string, header http.Header, body any) (answer, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return answer{}, &SendError{Class: Final, Cause: errors.New("the message cannot be written as JSON")}
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	header.Set("Accept", "application/json")
	return call(ctx, client, http.MethodPost, to, header, text)
}

// classOfReceipt gives the class of a receipt: none of what is no failure, the
// table's where it has the code, Retry of what came too late (the phone was off),
// Failover of all else.
func classOfReceipt(state State, table map[string]verdict, code string) Class {
	switch state {
	case StateUndelivered, StateFailed:
		if v, ok := table[code]; ok {
			return v.class
		}
		return Failover
	case StateExpired:
		return Retry
	default:
		return ""
	}
}

// remaining gives how long a message is of use, in whole units, within bounds.
func remaining(m Message, now time.Time, unit time.Duration, least, most int) int {
	return min(max(int(m.ExpiresAt.Sub(now)/unit), least), most)
}

// decode reads an answer's JSON; false for what is none, or not of this form.
func (a answer) decode(into any) bool { return json.Unmarshal(a.body, into) == nil }

// fitRef tells whether a provider's name for a message can stand in the store:
// 1 to 128 printable ASCII characters.
func fitRef(ref string) bool {
	for _, c := range []byte(ref) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return ref != "" && len(ref) <= 128
}
