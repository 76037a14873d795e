package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

// webhook hands messages to a service of the operator's own, by Standard
// Webhooks 1.0. The id of a call is the message's: the same at every try.
type webhook struct {
	keyring.Redacted
	options Options
	client  *http.Client
	url     *url.URL
	keys    hookKeys
	theirs  hookKeys // of receipts; none: no receipts
}

func webhookKind() Kind {
	return Kind{
		Name:     "webhook",
		Doc:      "A service of your own: each message is posted to it as JSON, signed by Standard Webhooks 1.0.",
		Channels: []Channel{SMS, WhatsApp, Voice},
		Settings: []Setting{
			{Name: "url", Doc: "where messages are posted to: https://host/path", Required: true},
			{Name: "secret", Doc: "the key that signs: whsec_… with 24 to 64 bytes in base64, or whsk_… for Ed25519. Two, separated by a space, while the one follows the other: both sign", Secret: true, Required: true},
			{Name: "receipt_secret", Doc: "the keys of the service's receipts, whsec_… or whpk_…, as secret. By default secret, where that is whsec_…", Secret: true},
			allowPrivate,
		},
		New: newWebhook,
	}
}

func newWebhook(o Options) (Sender, error) {
	private, err := privately(o)
	if err != nil {
		return nil, err
	}
	w := &webhook{options: o}
	if w.client, w.url, err = operatorURL(o, o.Value("url"), private); err != nil {
		return nil, err
	}
	if w.keys, err = hookKeysOf(o.Value("secret")); err != nil {
		return nil, &SettingError{"secret", err.Error()}
	}
	if !w.keys.canSign() {
		return nil, &SettingError{"secret", "a whpk_ only checks: to sign takes whsec_… or whsk_…"}
	}
	if theirs := o.Value("receipt_secret"); theirs != "" {
		if w.theirs, err = hookKeysOf(theirs); err != nil {
			return nil, &SettingError{"receipt_secret", err.Error()}
		}
		return w, nil
	}
	for _, key := range w.keys {
		if key.shared != nil {
			w.theirs = append(w.theirs, key)
		}
	}
	return w, nil
}

func (w *webhook) Name() string     { return w.options.Name }
func (w *webhook) Kind() string     { return "webhook" }
func (w *webhook) Channel() Channel { return w.options.Channel }

func (w *webhook) Close() error {
	w.client.CloseIdleConnections()
	return nil
}

// hookCall is the body of a call: the same at every try.
type hookCall struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"` // message.send, or message.ping of a check
	Timestamp time.Time `json:"timestamp"`
	Data      hookData  `json:"data"`
}

type hookData struct {
	MessageID  string    `json:"message_id,omitempty"`
	Channel    Channel   `json:"channel"`
	To         string    `json:"to,omitempty"`
	Country    string    `json:"country,omitempty"`
	From       string    `json:"from,omitempty"`
	Body       string    `json:"body,omitempty"`
	Code       string    `json:"code,omitempty"`
	Locale     string    `json:"locale,omitempty"`
	Purpose    string    `json:"purpose,omitempty"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	DLT        *hookDLT  `json:"dlt,omitempty"`
	ReceiptURL string    `json:"receipt_url,omitempty"`
}

type hookDLT struct {
	Entity   string `json:"entity"`
	Template string `json:"template"`
}

// Send posts the message. Any 2xx is a word that it was taken.
func (w *webhook) Send(ctx context.Context, m Message) (Sent, error) {
	data := hookData{
		MessageID: m.ID, Channel: m.Channel, To: m.To.E164(), Country: m.Country, From: w.options.Sender(m.Country),
		Body: m.Body.Reveal(), Code: m.Code.Reveal(), Locale: m.Locale, Purpose: m.Purpose,
		ExpiresAt: m.ExpiresAt.UTC(), ReceiptURL: w.options.ReceiptURL,
	}
	if dlt := w.options.DLTOf(m); dlt != (DLT{}) {
		data.DLT = &hookDLT{dlt.Entity, dlt.Template}
	}
	got, err := w.post(ctx, hookCall{ID: m.ID, Type: "message.send", Timestamp: m.CreatedAt.UTC(), Data: data})
	if err != nil {
		return Sent{}, err
	}
	if !got.success() {
		return Sent{}, hookRefusal(got)
	}
	return hookTaken(got.body), nil
}

// post signs a call and makes it.
func (w *webhook) post(ctx context.Context, call hookCall) (answer, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return answer{}, &SendError{Class: Failover, Cause: errors.New("the message cannot be written as JSON")}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	w.keys.sign(header, call.ID, w.options.Now(), body)
	return callOut(ctx, w.client, http.MethodPost, w.url.String(), header, body)
}

// callOut is call for an address that an operator wrote down: one that may not be
// called is no matter of trying again.
func callOut(ctx context.Context, client *http.Client, method, to string, header http.Header, body []byte) (answer, error) {
	got, err := call(ctx, client, method, to, header, body)
	if errors.Is(err, errInward) {
		return answer{}, &SendError{Class: Failover, Alarm: true, Cause: errInward}
	}
	return got, err
}

// hookRefusal reads what a service answers that did not take a message: its
// status, and where it wants {"class", "code"}, which go before the status's class.
func hookRefusal(got answer) *SendError {
	var told struct {
		Class Class  `json:"class"`
		Code  string `json:"code"`
	}
	// What is no JSON says no more than the status.
	if json.Unmarshal(got.body, &told) != nil {
		told.Code = ""
	}
	e := got.byStatus(told.Code)
	switch told.Class {
	case Retry, Failover, Final:
		e.Class = told.Class
	}
	if got.status == http.StatusGone {
		e.Class, e.Alarm = Failover, true
	}
	return e
}

// hookTaken reads what a service tells of a message that it took: {"ref", "cost":
// {"amount", "currency"}, "segments"}, all of it optional.
func hookTaken(body []byte) Sent {
	var told struct {
		Ref      string    `json:"ref"`
		Cost     *hookCost `json:"cost"`
		Segments int       `json:"segments"`
	}
	if json.Unmarshal(body, &told) != nil {
		return Sent{}
	}
	return Sent{ProviderRef: ourID(told.Ref), Cost: told.Cost.price(), Segments: max(0, min(told.Segments, 255))}
}

// Check pings the service: a call of type message.ping, signed as any other.
func (w *webhook) Check(ctx context.Context) []Finding {
	now := w.options.Now().UTC()
	got, err := w.post(ctx, hookCall{
		ID: fmt.Sprintf("ping_%d", now.UnixMilli()), Type: "message.ping", Timestamp: now,
		Data: hookData{Channel: w.options.Channel},
	})
	if err != nil {
		return probed(got, err)
	}
	taken := Finding{What: "signature", OK: got.success()}
	if !taken.OK {
		taken.Problem = fmt.Sprintf("the service answered a signed call of type message.ping with status %d: it should check the signature and answer 2xx", got.status)
	}
	return append([]Finding{{What: "reachability", OK: true}, taken}, w.receiptFindings()...)
}

// receiptFindings tell whether the service can bring receipts; none is needed.
func (w *webhook) receiptFindings() []Finding {
	if len(w.theirs) == 0 {
		return nil
	}
	problem := callbackProblem(w.options.ReceiptURL)
	return []Finding{{What: "callback URL", OK: problem == "", Problem: problem}}
}
