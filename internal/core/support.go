package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// How many messages a page has.
const (
	DefaultMessages = 50
	MaxMessages     = 200
)

// cursorMessages is the kind of cursors in lists of messages.
const cursorMessages = "messages"

// MessagesIn asks for messages, the newest first. Empty members bound nothing.
type MessagesIn struct {
	RequestID, UserID, Provider string
	PhoneNumber                 string // as typed
	State                       MessageState
	Since, Until                time.Time
	Cursor                      string // of the page before
	Limit                       int    // 0: DefaultMessages; at most MaxMessages
}

// MessagePage is a part of a list of messages, none with its text.
type MessagePage struct {
	Messages []Message
	Next     string // "": there are no more
}

// FindMessages lists messages for who looks after them.
func (c *Core) FindMessages(ctx context.Context, in MessagesIn) (MessagePage, error) {
	q := MessageQuery{
		RequestID: in.RequestID, UserID: in.UserID, Provider: in.Provider, State: in.State, Since: in.Since, Until: in.Until,
		Limit: in.Limit,
	}
	if q.Limit == 0 {
		q.Limit = DefaultMessages
	}
	var fields []Field
	if q.Limit < 1 || q.Limit > MaxMessages {
		fields = append(fields, Field{"limit", fmt.Sprintf("has to be 1 to %d", MaxMessages)})
	}
	if q.State != "" && !slices.Contains(messageStates, q.State) {
		fields = append(fields, Field{"state", "has to be one of " + joined(messageStates)})
	}
	if in.Cursor != "" {
		var err error
		if q.Before, err = c.tokens.ParseCursor(cursorMessages, in.Cursor); err != nil {
			fields = append(fields, Field{"cursor", "is none of ours"})
		}
	}
	if err := refusal(fields); err != nil {
		return MessagePage{}, err
	}
	if in.PhoneNumber != "" {
		number, err := c.number(in.PhoneNumber)
		if err != nil {
			return MessagePage{}, err
		}
		q.PhoneKey = c.ring.Pseudonym(number.E164())
	}
	q.Limit++ // one more tells whether there is another page
	messages, err := c.store.FindMessages(ctx, q)
	if err != nil {
		return MessagePage{}, unavailable("finding messages", err)
	}
	page := MessagePage{Messages: messages}
	if len(messages) == q.Limit {
		page.Messages = messages[:q.Limit-1]
		page.Next = c.tokens.Cursor(cursorMessages, page.Messages[q.Limit-2].ID)
	}
	return page, nil
}

// Message gives one message, without its text.
func (c *Core) Message(ctx context.Context, id string) (Message, error) {
	if !keyring.ValidID(id) {
		return Message{}, &Error{Code: CodeNotFound}
	}
	messages, err := c.store.FindMessages(ctx, MessageQuery{ID: id, Limit: 1})
	if err != nil {
		return Message{}, unavailable("reading a message", err)
	}
	if len(messages) == 0 {
		return Message{}, &Error{Code: CodeNotFound}
	}
	return messages[0], nil
}

var messageStates = []MessageState{
	MessageQueued, MessageSent, MessageDelivered, MessageUndelivered, MessageFailed, MessageExpired, MessageWithheld,
}

func joined(states []MessageState) string {
	words := make([]string, len(states))
	for i, s := range states {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// Explain says why a message stands as it does, in a line for operators.
func (m Message) Explain() string {
	tries := fmt.Sprintf("%d of %d tries", m.Tries, MaxSendTries)
	switch m.State {
	case MessageQueued:
		switch {
		case m.Held:
			return "waits: no budget had room for it when it was last looked at"
		case m.Tries == 0:
			return "waits for its first try"
		}
		return "waits for another try, or is being sent, after " + tries + m.lastFailure()
	case MessageSent:
		return "a provider took it; no receipt has told its end"
	case MessageDelivered:
		return "a receipt says that the handset has it"
	case MessageUndelivered:
		return "a receipt says that it did not arrive, and it is not tried again"
	case MessageFailed:
		return "no provider took it, after " + tries + m.lastFailure()
	case MessageExpired:
		if m.Held {
			return "came too late: no budget had room for it before"
		}
		return "came too late, or its challenge had ended"
	case MessageWithheld:
		return "made and never sent: nobody has the number, or it is a test number"
	}
	return ""
}

func (m Message) lastFailure() string {
	if len(m.Attempts) == 0 {
		return ""
	}
	last := m.Attempts[len(m.Attempts)-1]
	if last.Failure == "" {
		return ""
	}
	return fmt.Sprintf("; %s answered %s", last.Provider, strings.TrimSpace(last.Failure+" "+last.Code))
}

// String writes an amount as people do, without a currency: 0.0075.
func (m Money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	text := fmt.Sprintf("%d.%06d", m/1_000_000, m%1_000_000)
	text = strings.TrimRight(text, "0")
	return sign + strings.TrimSuffix(text, ".")
}

// Currency is that of all amounts (ISO 4217).
func (c *Core) Currency() string { return c.settings.Currency }
