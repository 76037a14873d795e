package gateway

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// awsStates are the types of its events, without TEXT_.
var awsStates = map[string]State{
	"QUEUED": StateAccepted, "PENDING": StateAccepted, "SENT": StateSent, "SUCCESSFUL": StateSent,
	"DELIVERED": StateDelivered, "TTL_EXPIRED": StateExpired,
	"BLOCKED": StateUndelivered, "CARRIER_BLOCKED": StateUndelivered, "UNREACHABLE": StateUndelivered,
	"CARRIER_UNREACHABLE": StateUndelivered, "SPAM": StateUndelivered, "INVALID": StateUndelivered,
	"INVALID_MESSAGE": StateFailed, "PROTECT_BLOCKED": StateFailed, "UNKNOWN": StateUnknown,
}

// awsReceiptCodes judge the events of failure. Those not here are tried elsewhere.
var awsReceiptCodes = map[string]verdict{
	"CARRIER_UNREACHABLE": retryLater, "INVALID": noWay, "INVALID_MESSAGE": noWay,
}

// Receipts reads an event of the topic. Callbacks about the subscription, and
// events of other things than texts, say nothing of a message.
func (s *aws) Receipts(ctx context.Context, c Callback) ([]Receipt, error) {
	if s.sns.topic == "" {
		return nil, ErrNoReceipts
	}
	text, err := s.sns.receive(ctx, c)
	if err != nil || text == "" {
		return nil, err
	}
	var event struct {
		Type    string            `json:"eventType"`
		At      int64             `json:"eventTimestamp"`
		Final   bool              `json:"isFinal"`
		ID      string            `json:"messageId"`
		Context map[string]string `json:"context"`
	}
	if json.Unmarshal([]byte(text), &event) != nil {
		return nil, errReceipt
	}
	word, isText := strings.CutPrefix(event.Type, "TEXT_")
	if !isText {
		return nil, nil
	}
	if !fitRef(event.ID) {
		return nil, errReceipt
	}
	r := Receipt{MessageID: ourID(event.Context["m"]), ProviderRef: event.ID, State: stateOf(awsStates, word)}
	if word == "SUCCESSFUL" && event.Final {
		r.State = StateDelivered
	}
	if r.Class = classOfReceipt(r.State, awsReceiptCodes, word); r.Class != "" {
		r.Code = cleanCode(word)
	}
	if event.At > 0 {
		r.At = time.UnixMilli(event.At).UTC()
	}
	return []Receipt{r}, nil
}
