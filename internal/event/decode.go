package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Decode reads what Encode wrote. Whole numbers among the attributes come back
// as int64, members it does not know (a later release's, or a log line's
// chain) are passed over. Anything else that Encode cannot have written is an
// error that does not show the input.
func Decode(b []byte) (Event, error) {
	if len(b) == 0 || b[0] != '{' {
		return Event{}, errors.New("decoding an event: not a JSON object")
	}
	var w wire
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	if err := decoder.Decode(&w); err != nil {
		return Event{}, fmt.Errorf("decoding an event: %w", hide(err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Event{}, errors.New("decoding an event: more than one JSON value")
	}
	at, err := decodeTime(w.Timestamp)
	if err != nil {
		return Event{}, err
	}
	attributes, err := decodeAttributes(w.Attributes)
	if err != nil {
		return Event{}, err
	}
	return Event{
		ID: w.ID, Time: at, Name: w.Event, Outcome: w.Outcome, Reason: w.Reason, Method: w.Method,
		UserID: w.UserID, SessionID: w.SessionID,
		PhoneNumber: w.PhoneNumber, PhonePseudonym: w.PhonePseudonym,
		IPAddress: w.IPAddress, UserAgent: cut(w.UserAgent, MaxUserAgent), RequestID: w.RequestID,
		Attributes: attributes,
	}, nil
}

// wire is the event as JSON has it.
type wire struct {
	ID             string         `json:"id"`
	Timestamp      string         `json:"timestamp"`
	Event          Name           `json:"event"`
	Outcome        Outcome        `json:"outcome"`
	Reason         string         `json:"reason"`
	Method         string         `json:"method"`
	UserID         string         `json:"user_id"`
	SessionID      string         `json:"session_id"`
	PhoneNumber    string         `json:"phone_number"`
	PhonePseudonym string         `json:"phone_pseudonym"`
	IPAddress      string         `json:"ip_address"`
	UserAgent      string         `json:"user_agent"`
	RequestID      string         `json:"request_id"`
	Attributes     map[string]any `json:"attributes"`
}

func decodeTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(timestampLayout, s)
	if err != nil {
		return time.Time{}, errors.New("decoding an event: its timestamp is not RFC 3339 in UTC with milliseconds")
	}
	return at, nil
}

func decodeAttributes(from map[string]any) (Attributes, error) {
	if len(from) == 0 {
		return nil, nil
	}
	attributes := make(Attributes, len(from))
	for key, value := range from {
		switch v := value.(type) {
		case string, bool:
			attributes[key] = v
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return nil, errors.New("decoding an event: an attribute is not a whole number of 64 bits")
			}
			attributes[key] = n
		default:
			return nil, errors.New("decoding an event: an attribute is neither text, number nor bool")
		}
	}
	return attributes, nil
}

// hide replaces errors of encoding/json that quote their input.
func hide(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Errorf("member %q is of the wrong type", wrongType.Field)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return errors.New("not JSON")
}
