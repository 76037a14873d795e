package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
)

// MessageList is the answer of GET /admin/v1/messages.
type MessageList struct {
	Messages   []Message `json:"messages" jsonschema:"the newest first"`
	NextCursor *string   `json:"next_cursor" jsonschema:"of the next page; null where there is none"`
}

// Message is one message and its way. Its text is kept for nobody.
type Message struct {
	ID             string    `json:"id"`
	CreatedAt      time.Time `json:"created_at"`
	ExpiresAt      time.Time `json:"expires_at" jsonschema:"of no use from then on"`
	Purpose        string    `json:"purpose"`
	Channel        string    `json:"channel" jsonschema:"sms, whatsapp or voice"`
	PhoneNumber    string    `json:"phone_number" jsonschema:"masked: country code and last two digits"`
	PhonePseudonym string    `json:"phone_pseudonym" jsonschema:"by which one number's events are found"`
	Country        *string   `json:"country" jsonschema:"ISO 3166-1 alpha-2; null where it is not known"`
	UserID         *string   `json:"user_id"`
	RequestID      *string   `json:"request_id" jsonschema:"of the request that caused it"`
	State          string    `json:"state" jsonschema:"queued, sent, delivered, undelivered, failed, expired or withheld"`
	Why            string    `json:"why" jsonschema:"why it stands so, for people"`
	Provider       *string   `json:"provider" jsonschema:"who took it last or, where none did, was asked last"`
	Tries          int       `json:"tries"`
	Price          string    `json:"price" jsonschema:"what one try is expected to cost"`
	Currency       string    `json:"currency" jsonschema:"ISO 4217"`
	Attempts       []Attempt `json:"attempts" jsonschema:"the tries, in order"`
}

// Attempt is one try at a provider.
type Attempt struct {
	Provider    string         `json:"provider"`
	Why         string         `json:"why" jsonschema:"why this provider"`
	BeganAt     time.Time      `json:"began_at"`
	EndedAt     *time.Time     `json:"ended_at" jsonschema:"null: no answer was seen"`
	ProviderRef *string        `json:"provider_ref" jsonschema:"the provider's name for it"`
	Failure     *string        `json:"failure" jsonschema:"retry, failover, final or ambiguous; null where it was taken"`
	Code        *string        `json:"code" jsonschema:"the provider's own reason"`
	Cost        string         `json:"cost" jsonschema:"what is counted of it as spent"`
	States      []AttemptState `json:"states" jsonschema:"as receipts told them"`
}

// AttemptState is a provider's word on a message.
type AttemptState struct {
	State string    `json:"state" jsonschema:"accepted, sent, unknown, delivered, undelivered, failed or expired"`
	Code  *string   `json:"code"`
	At    time.Time `json:"at"`
}

// MessageSearch asks for the messages to a number, which stands in no URL.
type MessageSearch struct {
	PhoneNumber *string `json:"phone_number" jsonschema:"as people type it"`
	State       string  `json:"state,omitzero"`
	Provider    string  `json:"provider,omitzero"`
	Cursor      string  `json:"cursor,omitzero"`
	Limit       int     `json:"limit,omitzero" jsonschema:"1 to 200; 50 when absent"`
}

func (a api) messageRoutes() []dialect.Route {
	const tag = "Messages"
	list := []dialect.Answer{{Status: http.StatusOK, Body: MessageList{}, Description: "A page of them."}}
	return []dialect.Route{
		act(a, core.ScopeMessagesRead, dialect.Route{
			Method: http.MethodGet, Path: "/admin/v1/messages", Name: "messages", Tag: tag,
			Summary: "Find messages", Description: "The newest first, each with the way it went. Their texts are kept for nobody.",
			Query: []dialect.Param{
				{Name: "request_id", Description: "of the request that caused them"},
				{Name: "user_id", Description: "whose they are"},
				{Name: "provider", Description: "who took them last"},
				{Name: "state", Description: "queued, sent, delivered, undelivered, failed, expired or withheld"},
				{Name: "since", Description: "made then or later (RFC 3339)"},
				{Name: "until", Description: "made before (RFC 3339)"},
				{Name: "cursor", Description: "next_cursor of the page before"},
				{Name: "limit", Description: "1 to 200; 50 when absent", Integer: true},
			},
			Answers: list,
		}, a.messages),
		act(a, core.ScopeMessagesRead, dialect.Route{
			Method: http.MethodPost, Path: "/admin/v1/messages/search", Name: "messages_search", Tag: tag,
			Summary: "Find the messages to a number", Description: "A number never stands in a URL.",
			Answers: list, Refuses: []core.Code{core.CodeInvalidPhoneNumber},
		}, a.searchMessages),
		act(a, core.ScopeMessagesRead, dialect.Route{
			Method: http.MethodGet, Path: "/admin/v1/messages/{id}", Name: "message", Tag: tag,
			Summary: "One message and its way", Description: "Which providers were asked, why, and what they and their receipts said.",
			Answers: []dialect.Answer{{Status: http.StatusOK, Body: Message{}, Description: "The message."}},
			Refuses: []core.Code{core.CodeNotFound},
		}, a.message),
	}
}

func (a api) messages(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	in := core.MessagesIn{
		RequestID: call.Query.Get("request_id"), UserID: call.Query.Get("user_id"), Provider: call.Query.Get("provider"),
		State: core.MessageState(call.Query.Get("state")), Cursor: call.Query.Get("cursor"),
	}
	var err error
	if in.Since, err = readTime(call.Query, "since"); err != nil {
		return dialect.Reply{}, err
	}
	if in.Until, err = readTime(call.Query, "until"); err != nil {
		return dialect.Reply{}, err
	}
	if call.Query.Has("limit") {
		if in.Limit, err = strconv.Atoi(call.Query.Get("limit")); err != nil || in.Limit == 0 {
			in.Limit = -1 // the core says which are right
		}
	}
	return a.page(a.core.FindMessages(ctx, in))
}

func (a api) searchMessages(ctx context.Context, call dialect.Call[MessageSearch]) (dialect.Reply, error) {
	return a.page(a.core.FindMessages(ctx, core.MessagesIn{
		PhoneNumber: *call.In.PhoneNumber, State: core.MessageState(call.In.State), Provider: call.In.Provider,
		Cursor: call.In.Cursor, Limit: call.In.Limit,
	}))
}

func (a api) message(ctx context.Context, call dialect.Call[dialect.NoBody]) (dialect.Reply, error) {
	m, err := a.core.Message(ctx, call.ID)
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: MessageOf(m, a.core.Currency())}, nil
}

func (a api) page(page core.MessagePage, err error) (dialect.Reply, error) {
	if err != nil {
		return dialect.Reply{}, err
	}
	return dialect.Reply{Status: http.StatusOK, Body: MessagesOf(page, a.core.Currency())}, nil
}

// MessagesOf is a page as the API tells it.
func MessagesOf(page core.MessagePage, currency string) MessageList {
	list := MessageList{Messages: make([]Message, len(page.Messages)), NextCursor: present(page.Next)}
	for i, m := range page.Messages {
		list.Messages[i] = MessageOf(m, currency)
	}
	return list
}

// MessageOf is a message as the API tells it.
func MessageOf(m core.Message, currency string) Message {
	provider, _ := m.Route()
	out := Message{
		ID: m.ID, CreatedAt: m.CreatedAt.UTC(), ExpiresAt: m.ExpiresAt.UTC(), Purpose: m.Purpose, Channel: string(m.Channel),
		PhoneNumber: m.PhoneMasked, PhonePseudonym: m.PhoneKey, Country: present(m.Country), UserID: present(m.UserID),
		RequestID: present(m.RequestID), State: string(m.State), Why: m.Explain(), Provider: present(provider), Tries: m.Tries,
		Price: m.Price.String(), Currency: currency, Attempts: make([]Attempt, len(m.Attempts)),
	}
	for i, a := range m.Attempts {
		at := Attempt{
			Provider: a.Provider, Why: a.Why, BeganAt: a.BeganAt.UTC(), ProviderRef: present(a.ProviderRef),
			Failure: present(a.Failure), Code: present(a.Code), Cost: a.Cost.String(), States: make([]AttemptState, len(a.States)),
		}
		if ended := a.EndedAt.UTC(); !a.EndedAt.IsZero() {
			at.EndedAt = &ended
		}
		for j, s := range a.States {
			at.States[j] = AttemptState{State: string(s.State), Code: present(s.Code), At: s.At.UTC()}
		}
		out.Attempts[i] = at
	}
	return out
}

// present is a text, or null where there is none.
func present(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// readTime reads a time of the query; an absent one is zero.
func readTime(query url.Values, name string) (time.Time, error) {
	if !query.Has(name) {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, query.Get(name))
	if err != nil {
		return time.Time{}, &dialect.Refusal{Code: core.CodeInvalidRequest, Errors: []dialect.Located{{
			Location: "query." + name, Message: "has to be a time such as 2026-11-24T12:00:00Z",
		}}}
	}
	return at, nil
}
