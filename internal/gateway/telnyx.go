package gateway

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
)

// telnyxCodes are those of its refusals and of its receipts.
var telnyxCodes = map[string]verdict{
	"10007": retryLater, "10011": retryLater, "40006": retryLater, "40011": retryLater,
	"10009": mustAct, "10010": mustAct,
	"40002": useAnother, "40003": useAnother, "40013": useAnother, "40015": useAnother,
	"40001": noWay, "40004": noWay, "40008": noWay, "40009": noWay, "40012": noWay,
	"40005": retryLater, "40014": retryLater, // too late
}

// telnyxTooLate are the codes of messages that lapsed on their way.
var telnyxTooLate = []string{"40005", "40014"}

var telnyxStates = map[string]State{
	"queued": StateAccepted, "sending": StateAccepted, "sent": StateSent, "delivered": StateDelivered,
	"sending_failed": StateFailed, "delivery_failed": StateUndelivered, "expired": StateExpired,
	"delivery_unconfirmed": StateUnknown,
}

func telnyxKind() Kind {
	return Kind{
		Name: "telnyx", Doc: "Telnyx", Channels: []Channel{SMS}, New: newTelnyx,
		Settings: []Setting{
			{Name: "api_key", Secret: true, Required: true, Doc: "an API key"},
			{Name: "messaging_profile_id", Doc: "the messaging profile to send by; needed to send as a name"},
			{Name: "public_key", Doc: "the account's public key (base64, 32 bytes), with which receipts are verified; without it none are asked for"},
			{Name: "public_key_previous", Doc: "the key before, with which receipts may still be signed"},
		},
	}
}

// telnyx sends by Telnyx's message API.
type telnyx struct {
	Options
	keys []ed25519.PublicKey // of receipts
}

func newTelnyx(o Options) (Sender, error) {
	t := &telnyx{Options: o}
	for _, name := range []string{"public_key", "public_key_previous"} {
		if o.Value(name) == "" {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(o.Value(name))
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil, &SettingError{Setting: name, Problem: "must be 32 bytes in base64, as the provider's console shows it"}
		}
		t.keys = append(t.keys, key)
	}
	profile := o.Value("messaging_profile_id")
	if profile != "" && !fitRef(profile) {
		return nil, &SettingError{Setting: "messaging_profile_id", Problem: "must be an id as the provider's console shows it"}
	}
	if len(o.From) == 0 && profile == "" {
		return nil, &SettingError{Setting: "from", Problem: "must be set for telnyx, or messaging_profile_id"}
	}
	if err := o.checkSenders(); err != nil {
		return nil, err
	}
	for _, sender := range o.From {
		if named(sender) && profile == "" {
			return nil, &SettingError{Setting: "messaging_profile_id", Problem: "must be set to send as a name"}
		}
	}
	return t, nil
}

func (t *telnyx) Name() string     { return t.Options.Name }
func (t *telnyx) Kind() string     { return "telnyx" }
func (t *telnyx) Channel() Channel { return t.Options.Channel }
func (t *telnyx) Close() error     { return nil }

// telnyxMessage is the body of a sending.
type telnyxMessage struct {
	From            string `json:"from,omitempty"`
	To              string `json:"to"`
	Text            string `json:"text"`
	Profile         string `json:"messaging_profile_id,omitempty"`
	Webhook         string `json:"webhook_url,omitempty"`
	ProfileWebhooks bool   `json:"use_profile_webhooks"`
	Type            string `json:"type"`
	Encoding        string `json:"encoding"`
}

// Send asks for receipts where a key is set that verifies them. The provider
// knows no end of a message's life.
func (t *telnyx) Send(ctx context.Context, m Message) (Sent, error) {
	body := telnyxMessage{
		From: t.Sender(m.Country), To: m.To.E164(), Text: m.Body.Reveal(),
		Profile: t.Value("messaging_profile_id"), Type: "SMS", Encoding: "auto",
	}
	if body.From == "" && body.Profile == "" {
		return Sent{}, noSender()
	}
	if len(t.keys) > 0 {
		body.Webhook = t.callbackURL(m.ID)
	}
	a, err := t.post(ctx, body)
	if err != nil {
		return Sent{}, err
	}
	return telnyxAnswer(a)
}

func (t *telnyx) post(ctx context.Context, body any) (answer, error) {
	header := http.Header{"Authorization": {"Bearer " + t.Value("api_key")}}
	return postJSON(ctx, t.HTTP, "https://api.telnyx.com/v2/messages", header, body)
}

// telnyxError is one of a list, in answers and receipts.
type telnyxError struct {
	Code string `json:"code"`
}

// telnyxAnswer reads an answer. 408 and 409 are passing, as the provider's own
// clients have it.
func telnyxAnswer(a answer) (Sent, error) {
	var said struct {
		Data struct {
			ID    string `json:"id"`
			Parts int    `json:"parts"`
		} `json:"data"`
		Errors []telnyxError `json:"errors"`
	}
	fine := a.decode(&said)
	if a.success() {
		if !fine || !fitRef(said.Data.ID) {
			return Sent{}, garbled()
		}
		return Sent{ProviderRef: said.Data.ID, Segments: max(0, said.Data.Parts)}, nil
	}
	e := a.refused(telnyxCodes, firstCode(said.Errors))
	if _, known := telnyxCodes[e.Code]; !known && (a.status == 408 || a.status == 409) {
		e.Class = Retry
	}
	return Sent{}, e
}

func firstCode(errors []telnyxError) string {
	if len(errors) == 0 {
		return ""
	}
	return errors[0].Code
}

// Receipts reads one event. Those that tell of no sending say nothing.
func (t *telnyx) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if len(t.keys) == 0 {
		return nil, ErrNoReceipts
	}
	if !t.signed(c) {
		return nil, ErrForged
	}
	if err := posted(c); err != nil {
		return nil, err
	}
	var event struct {
		Data struct {
			Type    string `json:"event_type"`
			At      string `json:"occurred_at"`
			Payload struct {
				ID string `json:"id"`
				To []struct {
					Status string `json:"status"`
				} `json:"to"`
				Errors []telnyxError `json:"errors"`
			} `json:"payload"`
		} `json:"data"`
	}
	if json.Unmarshal(c.Body, &event) != nil {
		return nil, errReceipt
	}
	if event.Data.Type != "message.sent" && event.Data.Type != "message.finalized" {
		return nil, nil
	}
	p := event.Data.Payload
	if !fitRef(p.ID) || len(p.To) != 1 {
		return nil, errReceipt
	}
	state, code := stateOf(telnyxStates, p.To[0].Status), firstCode(p.Errors)
	if slices.Contains(telnyxTooLate, code) && (state == StateUndelivered || state == StateFailed) {
		state = StateExpired
	}
	return []Receipt{{
		MessageID: ourID(queryOf(c).Get("m")), ProviderRef: p.ID, At: timeOf(event.Data.At),
		State: state, Class: classOfReceipt(state, telnyxCodes, code), Code: cleanCode(code),
	}}, nil
}

// signed tells whether an event is signed with one of the keys, of late.
func (t *telnyx) signed(c Callback) bool {
	at := c.Header.Get("Telnyx-Timestamp")
	signature, err := base64.StdEncoding.DecodeString(c.Header.Get("Telnyx-Signature-Ed25519"))
	if err != nil || !fresh(at, c.Now) {
		return false
	}
	text := slices.Concat([]byte(at+"|"), c.Body)
	return slices.ContainsFunc(t.keys, func(key ed25519.PublicKey) bool { return ed25519.Verify(key, text, signature) })
}

// Check posts a message without anything in it.
func (t *telnyx) Check(ctx context.Context) []Finding {
	a, err := t.post(ctx, struct{}{})
	found := append(probed(a, err), t.settled()...)
	if len(t.keys) == 0 {
		found = append(found, unguarded("public_key"))
	}
	return found
}
