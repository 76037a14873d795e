package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"

	"github.com/countersign/countersign/internal/keyring"
)

const birdAPI = "https://api.bird.com/workspaces/"

// birdStates are those of its events.
var birdStates = map[string]State{
	"accepted": StateAccepted, "scheduled": StateAccepted, "processing": StateAccepted,
	"sent": StateSent, "buffered": StateSent, "delivered": StateDelivered, "expired": StateExpired,
	"delivery_failed": StateUndelivered, "sending_failed": StateFailed, "rejected": StateFailed,
}

func birdKind() Kind {
	return Kind{
		Name: "bird", Doc: "Bird, by a channel of SMS of a workspace; its events are subscribed to in Bird's settings", Channels: []Channel{SMS}, New: newBird,
		Settings: append([]Setting{
			{Name: "access_key", Secret: true, Required: true, Doc: "the workspace's key"},
			{Name: "workspace_id", Required: true, Doc: "a UUID"},
			{Name: "channel_id", Required: true, Doc: "a UUID: the channel, which has the sender"},
		}, signingKeys()...),
	}
}

// bird sends by Bird's channels.
type bird struct{ Options }

func newBird(o Options) (Sender, error) {
	for _, name := range []string{"workspace_id", "channel_id"} {
		if !keyring.ValidID(o.Value(name)) {
			return nil, &SettingError{Setting: name, Problem: "must be a UUID in small letters"}
		}
	}
	if len(o.From) > 0 {
		return nil, &SettingError{Setting: "from", Problem: "is not for bird: the channel has the sender"}
	}
	return &bird{o}, nil
}

func (b *bird) Name() string     { return b.Options.Name }
func (b *bird) Kind() string     { return "bird" }
func (b *bird) Channel() Channel { return b.Options.Channel }
func (b *bird) Close() error     { return nil }

// birdText is the body of a sending.
type birdText struct {
	Receiver struct {
		Contacts []birdContact `json:"contacts"`
	} `json:"receiver"`
	Body struct {
		Type string `json:"type"`
		Text struct {
			Text string `json:"text"`
		} `json:"text"`
	} `json:"body"`
	Reference string `json:"reference"`
}

type birdContact struct {
	Key   string `json:"identifierKey"`
	Value string `json:"identifierValue"`
}

// Send tells no life of the message: the channel has none.
func (b *bird) Send(ctx context.Context, m Message) (Sent, error) {
	body := birdText{Reference: m.ID}
	body.Receiver.Contacts = []birdContact{{Key: "phonenumber", Value: m.To.E164()}}
	body.Body.Type, body.Body.Text.Text = "text", m.Body.Reveal()
	a, err := b.post(ctx, body)
	if err != nil {
		return Sent{}, err
	}
	return birdAnswer(a)
}

func (b *bird) post(ctx context.Context, body any) (answer, error) {
	to := birdAPI + b.Value("workspace_id") + "/channels/" + b.Value("channel_id") + "/messages"
	return postJSON(ctx, b.HTTP, to, http.Header{"Authorization": {"AccessKey " + b.Value("access_key")}}, body)
}

// birdAnswer reads an answer. A refusal has no codes that are documented.
func birdAnswer(a answer) (Sent, error) {
	if !a.success() {
		return Sent{}, a.byStatus("")
	}
	var took struct {
		ID string `json:"id"`
	}
	if !a.decode(&took) || !keyring.ValidID(took.ID) {
		return Sent{}, garbled()
	}
	return Sent{ProviderRef: took.ID}, nil
}

// Receipts reads one event. Events of other channels and of messages that came in
// are none of ours, and no error.
func (b *bird) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if b.Value("signing_key") == "" {
		return nil, ErrNoReceipts
	}
	if err := posted(c); err != nil {
		return nil, err
	}
	if !b.signed(c) {
		return nil, ErrForged
	}
	var event struct {
		Event   string `json:"event"`
		Payload struct {
			ID        string `json:"id"`
			Channel   string `json:"channelId"`
			Reference string `json:"reference"`
			Status    string `json:"status"`
		} `json:"payload"`
	}
	if json.Unmarshal(c.Body, &event) != nil {
		return nil, errReceipt
	}
	if event.Event != "sms.outbound" || event.Payload.Channel != b.Value("channel_id") {
		return nil, nil
	}
	if !keyring.ValidID(event.Payload.ID) {
		return nil, errReceipt
	}
	state := stateOf(birdStates, event.Payload.Status)
	return []Receipt{{
		MessageID: ourID(event.Payload.Reference), ProviderRef: event.Payload.ID, State: state, Class: classOfReceipt(state, nil, ""),
	}}, nil
}

// signed tells whether the signature is that of one of the keys over time, URL (with
// its port or without) and body, within the last minutes.
func (b *bird) signed(c Callback) bool {
	at, signature := c.Header.Get("messagebird-request-timestamp"), c.Header.Get("messagebird-signature")
	sum := sha256.Sum256(c.Body)
	for _, to := range bothPorts(c.URL) {
		if b.signedBy(signature, append([]byte(at+"\n"+to+"\n"), sum[:]...), "signing_key", "signing_key_previous") {
			return fresh(at, c.Now)
		}
	}
	return false
}

// Check posts a message without anything in it.
func (b *bird) Check(ctx context.Context) []Finding {
	a, err := b.post(ctx, struct{}{})
	return b.withReceiptKey(append(probed(a, err), b.settled()...), "signing_key")
}
