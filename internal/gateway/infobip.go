package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// infobipLongest is the longest life of a message, in minutes.
const infobipLongest = 48 * 60

var infobipBase = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// infobipCodes are the ids of its group REJECTED.
var infobipCodes = map[string]verdict{
	"11": useAnother, "12": mustAct, "13": useAnother, "17": mustAct, "19": useAnother,
	"20": retryLater, "21": retryLater,
	"8": noWay, "14": noWay, "52": noWay,
}

// The groups of Infobip's statuses, and the ids that say more than their group.
const (
	infobipAccepted = iota
	infobipPending
	infobipUndeliverable
	infobipDelivered
	infobipExpired
	infobipRejected
	_
	infobipEnroute

	infobipOnItsWay   = 7  // of infobipPending: the carrier has it
	infobipToOperator = 2  // of infobipDelivered: the carrier has it
	infobipNoReport   = 29 // of infobipExpired: the carrier never said
	infobipRepeated   = 23 // of infobipRejected: it has a message of this id
)

func infobipKind() Kind {
	return Kind{
		Name: "infobip", Doc: "Infobip", Channels: []Channel{SMS}, New: newInfobip,
		Settings: append([]Setting{
			{Name: "base", Required: true, Doc: "the account's own part of the address: of https://abc12.api.infobip.com it is abc12"},
			{Name: "api_key", Secret: true, Required: true, Doc: "an API key"},
		}, receiptTokens()...),
	}
}

// infobip sends by Infobip's SMS API, under ids of our own.
type infobip struct {
	Options
	messages string // the address to post to
}

func newInfobip(o Options) (Sender, error) {
	base := strings.ToLower(o.Value("base"))
	if !infobipBase.MatchString(base) {
		return nil, &SettingError{Setting: "base", Problem: "must be the first word of the account's address: of https://abc12.api.infobip.com it is abc12"}
	}
	if len(o.From) == 0 {
		return nil, &SettingError{Setting: "from", Problem: "must be set for infobip: a number or a name to send as"}
	}
	if err := o.checkSenders(); err != nil {
		return nil, err
	}
	if err := o.checkTokens(); err != nil {
		return nil, err
	}
	return &infobip{o, "https://" + base + ".api.infobip.com/sms/3/messages"}, nil
}

func (i *infobip) Name() string     { return i.Options.Name }
func (i *infobip) Kind() string     { return "infobip" }
func (i *infobip) Channel() Channel { return i.Options.Channel }
func (i *infobip) Close() error     { return nil }

// The body of a sending, in the parts that it is made of.
type (
	infobipBatch struct {
		Messages []infobipMessage `json:"messages"`
	}
	infobipMessage struct {
		Sender       string               `json:"sender"`
		Destinations []infobipDestination `json:"destinations"`
		Content      infobipContent       `json:"content"`
		Options      infobipOptions       `json:"options"`
		Webhooks     *infobipWebhooks     `json:"webhooks,omitempty"`
	}
	infobipDestination struct {
		To        string `json:"to"`
		MessageID string `json:"messageId"`
	}
	infobipContent struct {
		Text string `json:"text"`
	}
	infobipOptions struct {
		Validity infobipPeriod    `json:"validityPeriod"`
		Regional *infobipRegional `json:"regional,omitempty"`
	}
	infobipPeriod struct {
		Amount   int    `json:"amount"`
		TimeUnit string `json:"timeUnit"`
	}
	infobipRegional struct {
		India infobipIndia `json:"indiaDlt"`
	}
	infobipIndia struct {
		Entity   string `json:"principalEntityId"`
		Template string `json:"contentTemplateId"`
	}
	infobipWebhooks struct {
		Delivery     infobipDelivery `json:"delivery"`
		ContentType  string          `json:"contentType"`
		CallbackData string          `json:"callbackData"`
	}
	infobipDelivery struct {
		URL          string `json:"url"`
		Intermediate bool   `json:"intermediateReport"`
	}
)

// Send gives the message our own id: a repeat is not sent twice. Receipts are
// asked for where a token guards their URL.
func (i *infobip) Send(ctx context.Context, m Message) (Sent, error) {
	from := i.Sender(m.Country)
	if from == "" {
		return Sent{}, noSender()
	}
	message := infobipMessage{
		Sender:       from,
		Destinations: []infobipDestination{{To: strings.TrimPrefix(m.To.E164(), "+"), MessageID: m.ID}},
		Content:      infobipContent{Text: m.Body.Reveal()},
		Options: infobipOptions{
			Validity: infobipPeriod{Amount: remaining(m, i.Now(), time.Minute, 1, infobipLongest), TimeUnit: "MINUTES"},
		},
	}
	if dlt := i.DLTOf(m); dlt != (DLT{}) {
		message.Options.Regional = &infobipRegional{infobipIndia(dlt)}
	}
	if to := i.callbackURL(m.ID); to != "" && i.Value("receipt_token") != "" {
		message.Webhooks = &infobipWebhooks{infobipDelivery{URL: to}, "application/json", m.ID}
	}
	a, err := i.post(ctx, infobipBatch{[]infobipMessage{message}})
	if err != nil {
		return Sent{}, err
	}
	return infobipAnswer(a, m.ID)
}

func (i *infobip) post(ctx context.Context, body infobipBatch) (answer, error) {
	header := http.Header{"Authorization": {"App " + i.Value("api_key")}}
	return postJSON(ctx, i.HTTP, i.messages, header, body)
}

// infobipStatus is how far a message has come.
type infobipStatus struct {
	Group *int `json:"groupId"`
	ID    int  `json:"id"`
}

// infobipAnswer reads an answer to the sending of a message. A success may hold
// a refusal.
func infobipAnswer(a answer, id string) (Sent, error) {
	if !a.success() {
		return Sent{}, a.byStatus(infobipRefusal(a))
	}
	var said struct {
		Messages []struct {
			ID      string        `json:"messageId"`
			Status  infobipStatus `json:"status"`
			Details struct {
				Count int `json:"messageCount"`
			} `json:"details"`
		} `json:"messages"`
	}
	if !a.decode(&said) || len(said.Messages) != 1 || !said.Messages[0].Status.told() {
		return Sent{}, garbled()
	}
	took := said.Messages[0]
	sent := Sent{ProviderRef: cmp.Or(took.ID, id), Segments: max(0, took.Details.Count)}
	if !fitRef(sent.ProviderRef) {
		return Sent{}, garbled()
	}
	switch *took.Status.Group {
	case infobipAccepted, infobipPending, infobipDelivered, infobipEnroute:
		return sent, nil
	case infobipRejected:
		if took.Status.ID == infobipRepeated {
			return Sent{ProviderRef: id}, nil
		}
		return Sent{}, infobipRejection(a, took.Status.ID)
	case infobipUndeliverable, infobipExpired:
		return Sent{}, &SendError{Class: Failover, Code: strconv.Itoa(took.Status.ID), Cause: errUndeliverable}
	default:
		return Sent{}, garbled()
	}
}

// infobipRejection classifies a refusal inside a success: one that the table
// does not have is tried elsewhere.
func infobipRejection(a answer, id int) *SendError {
	code := strconv.Itoa(id)
	e := &SendError{Class: Failover, Code: code, RetryAfter: a.retryAfter(), Cause: errRejected}
	if v, ok := infobipCodes[code]; ok {
		e.Class, e.Alarm = v.class, v.alarm
	}
	return e
}

// infobipRefusal finds the word of a refusal, in either of its two forms.
func infobipRefusal(a answer) string {
	var said struct {
		Code    string `json:"errorCode"`
		Request struct {
			Exception struct {
				ID string `json:"messageId"`
			} `json:"serviceException"`
		} `json:"requestError"`
	}
	if !a.decode(&said) {
		return ""
	}
	return cmp.Or(said.Code, said.Request.Exception.ID)
}

// Receipts reads the reports of a call, which may be several.
func (i *infobip) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if i.Value("receipt_token") == "" {
		return nil, ErrNoReceipts
	}
	if !i.knowsToken(c) {
		return nil, ErrForged
	}
	if err := posted(c); err != nil {
		return nil, err
	}
	var call struct {
		Results []infobipReport `json:"results"`
	}
	if json.Unmarshal(c.Body, &call) != nil || len(call.Results) == 0 {
		return nil, errReceipt
	}
	var all []Receipt
	for _, r := range call.Results {
		if !r.Status.told() || !fitRef(r.ID) {
			return nil, errReceipt
		}
		all = append(all, r.receipt())
	}
	return all, nil
}

// infobipReport is one of a call.
type infobipReport struct {
	ID     string        `json:"messageId"`
	DoneAt string        `json:"doneAt"`
	Status infobipStatus `json:"status"`
	Error  struct {
		ID        int   `json:"id"`
		Permanent *bool `json:"permanent"`
	} `json:"error"`
	Data string `json:"callbackData"`
}

func (r infobipReport) receipt() Receipt {
	own := Receipt{MessageID: ourID(cmp.Or(r.Data, r.ID)), ProviderRef: r.ID, At: timeOf(r.DoneAt), State: r.Status.state()}
	switch own.State {
	case StateUndelivered, StateExpired:
		if r.Error.ID != 0 {
			own.Code = cleanCode(strconv.Itoa(r.Error.ID))
		}
	case StateFailed:
		own.Code = cleanCode(strconv.Itoa(r.Status.ID))
	}
	own.Class = classOfReceipt(own.State, r.codes(), own.Code)
	if own.Class != "" && r.Error.Permanent != nil && !*r.Error.Permanent {
		own.Class = Retry
	}
	return own
}

// codes is the table that a report's code is of: only rejections have one, the
// ids of others' errors mean something else.
func (r infobipReport) codes() map[string]verdict {
	if *r.Status.Group == infobipRejected {
		return infobipCodes
	}
	if r.Error.Permanent != nil && *r.Error.Permanent {
		return map[string]verdict{strconv.Itoa(r.Error.ID): noWay}
	}
	return nil
}

// told tells whether there is a status at all: group 0 is one.
func (s infobipStatus) told() bool { return s.Group != nil }

// state maps group and id.
func (s infobipStatus) state() State {
	switch *s.Group {
	case infobipAccepted, infobipPending:
		if s.ID == infobipOnItsWay {
			return StateSent
		}
		return StateAccepted
	case infobipEnroute:
		return StateSent
	case infobipDelivered:
		if s.ID == infobipToOperator {
			return StateSent
		}
		return StateDelivered
	case infobipUndeliverable:
		return StateUndelivered
	case infobipExpired:
		if s.ID == infobipNoReport {
			return StateUnknown
		}
		return StateExpired
	case infobipRejected:
		if s.ID == infobipRepeated {
			return StateAccepted
		}
		return StateFailed
	default:
		return StateUnknown
	}
}

// Check posts a list of no messages.
func (i *infobip) Check(ctx context.Context) []Finding {
	a, err := i.post(ctx, infobipBatch{[]infobipMessage{}})
	found := append(probed(a, err), i.settled()...)
	if i.Value("receipt_token") == "" {
		found = append(found, unguarded("receipt_token"))
	}
	return found
}
