package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	messagebirdAPI     = "https://rest.messagebird.com/messages"
	messagebirdLongest = 3 * 24 * 60 * 60 // seconds of a message's life: no code lives longer
	messagebirdSkew    = time.Second      // between its clock and ours
)

// messagebirdCodes are those of its answers.
var messagebirdCodes = map[string]verdict{
	"2": mustAct, "25": mustAct, "9": noWay, "10": noWay, "20": noWay, "21": noWay, "99": retryLater,
}

// messagebirdStates are those of its reports.
var messagebirdStates = map[string]State{
	"scheduled": StateAccepted, "sent": StateSent, "buffered": StateSent, "delivered": StateDelivered,
	"expired": StateExpired, "delivery_failed": StateUndelivered,
}

var (
	messagebirdID   = regexp.MustCompile(`^[0-9a-f]{32}$`)
	messagebirdName = regexp.MustCompile(`^[A-Za-z0-9]{1,11}$`)
)

func messagebirdKind() Kind {
	return Kind{
		Name: "messagebird", Doc: "MessageBird, by its older REST API (rest.messagebird.com)", Channels: []Channel{SMS}, New: newMessagebird,
		Settings: append([]Setting{{Name: "access_key", Secret: true, Required: true, Doc: "the account's key"}}, signingKeys()...),
	}
}

// signingKeys are the settings that receipts of both APIs are checked with.
func signingKeys() []Setting {
	return []Setting{
		{Name: "signing_key", Secret: true, Doc: "the key that receipts are checked with; without it none are asked for"},
		{Name: "signing_key_previous", Secret: true, Doc: "the key before, with which receipts may still be signed"},
	}
}

// messagebird sends by MessageBird's older API.
type messagebird struct{ Options }

func newMessagebird(o Options) (Sender, error) {
	if len(o.From) == 0 {
		return nil, &SettingError{Setting: "from", Problem: "must be set for messagebird: a number or a name to send as"}
	}
	if err := o.checkSenders(); err != nil {
		return nil, err
	}
	for country, sender := range o.From {
		if !messagebirdName.MatchString(sender) && strings.Trim(sender, "+0123456789") != "" {
			return nil, &SettingError{Setting: "from", Problem: country + ": a name has letters and digits alone, 11 at most"}
		}
	}
	return &messagebird{o}, nil
}

func (b *messagebird) Name() string     { return b.Options.Name }
func (b *messagebird) Kind() string     { return "messagebird" }
func (b *messagebird) Channel() Channel { return b.Options.Channel }
func (b *messagebird) Close() error     { return nil }

// messagebirdText is the body of a sending. Without a reference there are no reports.
type messagebirdText struct {
	Originator string   `json:"originator"`
	Body       string   `json:"body"`
	Recipients []string `json:"recipients"`
	Reference  string   `json:"reference"`
	ReportURL  string   `json:"reportUrl,omitempty"`
	Datacoding string   `json:"datacoding"`
	Validity   int      `json:"validity"`
}

// Send tells the coding: one that does not fit the text spoils it.
func (b *messagebird) Send(ctx context.Context, m Message) (Sent, error) {
	from := b.Sender(m.Country)
	if from == "" {
		return Sent{}, noSender()
	}
	body := messagebirdText{
		Originator: strings.TrimPrefix(from, "+"), Body: m.Body.Reveal(), Recipients: []string{strings.TrimPrefix(m.To.E164(), "+")},
		Reference: m.ID, Datacoding: "unicode", Validity: remaining(m, b.Now(), time.Second, 1, messagebirdLongest),
	}
	if gsm7(body.Body) {
		body.Datacoding = "plain"
	}
	if b.Value("signing_key") != "" {
		body.ReportURL = b.callbackURL(m.ID)
	}
	a, err := b.post(ctx, body)
	if err != nil {
		return Sent{}, err
	}
	return messagebirdAnswer(a)
}

func (b *messagebird) post(ctx context.Context, body any) (answer, error) {
	return postJSON(ctx, b.HTTP, messagebirdAPI, http.Header{"Authorization": {"AccessKey " + b.Value("access_key")}}, body)
}

// messagebirdAnswer reads an answer. One that took the message can tell all the same
// that nothing was sent.
func messagebirdAnswer(a answer) (Sent, error) {
	if !a.success() {
		return Sent{}, a.refused(messagebirdCodes, messagebirdCode(a))
	}
	var took struct {
		ID         string `json:"id"`
		Recipients struct {
			Items []struct {
				Status string `json:"status"`
			} `json:"items"`
		} `json:"recipients"`
	}
	if !a.decode(&took) || !messagebirdID.MatchString(took.ID) || len(took.Recipients.Items) != 1 {
		return Sent{}, garbled()
	}
	if took.Recipients.Items[0].Status == "delivery_failed" {
		e := a.byStatus("delivery_failed")
		e.Class = Failover
		return Sent{}, e
	}
	return Sent{ProviderRef: took.ID}, nil
}

// messagebirdCode gives the first code of a refusal; "" where there is none.
func messagebirdCode(a answer) string {
	var refusal struct {
		Errors []struct {
			Code json.Number `json:"code"`
		} `json:"errors"`
	}
	if !a.decode(&refusal) || len(refusal.Errors) == 0 {
		return ""
	}
	return refusal.Errors[0].Code.String()
}

// Receipts reads one report, which a JWT vouches for.
func (b *messagebird) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if b.Value("signing_key") == "" {
		return nil, ErrNoReceipts
	}
	if c.Method != http.MethodGet {
		return nil, errReceipt
	}
	if !b.signed(c) {
		return nil, ErrForged
	}
	query := queryOf(c)
	if !messagebirdID.MatchString(query.Get("id")) {
		return nil, errReceipt
	}
	state := stateOf(messagebirdStates, query.Get("status"))
	return []Receipt{{
		MessageID: ourID(query.Get("reference")), ProviderRef: query.Get("id"), State: state,
		Class: classOfReceipt(state, nil, ""), Code: cleanCode(query.Get("statusErrorCode")),
		At: timeOf(strings.ReplaceAll(query.Get("statusDatetime"), " ", "+")), // a plus that was not escaped
	}}, nil
}

// signed tells whether the account vouches for the URL, with its port or without,
// and for the body where there is one, at this time.
func (b *messagebird) signed(c Callback) bool {
	var claims struct {
		Issuer    string  `json:"iss"`
		NotBefore int64   `json:"nbf"`
		Expires   int64   `json:"exp"`
		ID        string  `json:"jti"`
		URL       string  `json:"url_hash"`
		Body      *string `json:"payload_hash"`
	}
	token := c.Header.Get("MessageBird-Signature-JWT")
	if !b.hmacClaims(token, &claims, []string{"HS256", "HS384", "HS512"}, "signing_key", "signing_key_previous") {
		return false
	}
	url := false
	for _, to := range bothPorts(c.URL) {
		url = url || isHash(claims.URL, []byte(to))
	}
	body := claims.Body == nil && len(c.Body) == 0 || claims.Body != nil && len(c.Body) > 0 && isHash(*claims.Body, c.Body)
	early, late := time.Unix(claims.NotBefore, 0).Add(-messagebirdSkew), time.Unix(claims.Expires, 0).Add(messagebirdSkew)
	return claims.Issuer == "MessageBird" && claims.ID != "" && url && body && claims.NotBefore != 0 && !c.Now.Before(early) && !c.Now.After(late)
}

// Check posts a message without anything in it. The code that says of whom it was
// goes before the HTTP status.
func (b *messagebird) Check(ctx context.Context) []Finding {
	a, err := b.post(ctx, struct{}{})
	if messagebirdCode(a) == "2" {
		a.status = http.StatusUnauthorized
	}
	return b.withReceiptKey(append(probed(a, err), b.settled()...), "signing_key")
}
