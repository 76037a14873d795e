package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// mostReceipts is how many one call may bring.
const mostReceipts = 1000

// hookReceipt is a service's word on a message: {"message_id" or "ref", "state",
// "code", "at", "cost"}, and of a failure where it wants "class".
type hookReceipt struct {
	MessageID string    `json:"message_id"`
	Ref       string    `json:"ref"`
	State     State     `json:"state"`
	Class     Class     `json:"class"`
	Code      string    `json:"code"`
	At        time.Time `json:"at"`
	Cost      *hookCost `json:"cost"`
}

// Receipts reads one receipt or a list of them, signed as our own calls are.
func (w *webhook) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if len(w.theirs) == 0 {
		return nil, ErrNoReceipts
	}
	if err := w.theirs.check(c.Header, c.Now, c.Body); err != nil {
		return nil, err
	}
	return hookReceipts(c.Body)
}

func hookReceipts(body []byte) ([]Receipt, error) {
	told := make([]hookReceipt, 1)
	var err error
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		err = json.Unmarshal(body, &told)
	} else {
		err = json.Unmarshal(body, &told[0])
	}
	if err != nil {
		return nil, errors.New("a receipt is a JSON object, or a list of them")
	}
	if len(told) > mostReceipts {
		return nil, fmt.Errorf("more than %d receipts at once", mostReceipts)
	}
	var receipts []Receipt
	for i, t := range told {
		r, err := t.receipt()
		if err != nil {
			return nil, fmt.Errorf("receipt %d: %w", i+1, err)
		}
		receipts = append(receipts, r)
	}
	return receipts, nil
}

func (t hookReceipt) receipt() (Receipt, error) {
	r := Receipt{
		MessageID: ourID(t.MessageID), ProviderRef: ourID(t.Ref), State: t.State,
		Class: classOfReceipt(t.State, nil, ""), Code: cleanCode(t.Code), At: t.At, Cost: t.Cost.price(),
	}
	if r.MessageID == "" && r.ProviderRef == "" {
		return Receipt{}, errors.New("message_id or ref has to be there")
	}
	if !slices.Contains(states(), t.State) {
		return Receipt{}, fmt.Errorf("state is one of %v", states())
	}
	if r.Class != "" && slices.Contains([]Class{Retry, Failover, Final}, t.Class) {
		r.Class = t.Class
	}
	return r, nil
}

func states() []State {
	return []State{StateAccepted, StateSent, StateUnknown, StateDelivered, StateUndelivered, StateFailed, StateExpired}
}

// hookCost is an amount of money, its number written as one or as a text.
type hookCost struct {
	Amount   json.RawMessage `json:"amount"`
	Currency string          `json:"currency"`
}

// price is the amount where it can be one; else nil.
func (c *hookCost) price() *Price {
	if c == nil {
		return nil
	}
	return priceOf(strings.Trim(string(c.Amount), `"`), c.Currency)
}
