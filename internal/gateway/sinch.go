package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	sinchRegions = []string{"us", "eu", "au", "br", "ca"}
	sinchPlan    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// sinchCodes are those of its reports.
var sinchCodes = map[string]verdict{
	"403": retryLater, "404": retryLater, "410": useAnother, "412": useAnother,
	"402": noWay, "405": noWay, "408": noWay, "411": noWay,
}

// sinchTooLate is the code of a message that lapsed at the provider.
const sinchTooLate = "406"

var sinchStates = map[string]State{
	"queued": StateAccepted, "dispatched": StateSent, "delivered": StateDelivered,
	"failed": StateUndelivered, "deleted": StateUndelivered,
	"rejected": StateFailed, "aborted": StateFailed, "cancelled": StateFailed,
	"expired": StateExpired, "unknown": StateUnknown,
}

func sinchKind() Kind {
	return Kind{
		Name: "sinch", Doc: "Sinch SMS", Channels: []Channel{SMS}, New: newSinch,
		Settings: append([]Setting{
			{Name: "region", Doc: "where the service plan is: us (default), eu, au, br or ca"},
			{Name: "service_plan_id", Required: true, Doc: "the service plan to send by"},
			{Name: "api_token", Secret: true, Required: true, Doc: "the plan's API token"},
			{Name: "webhook_secret", Secret: true, Doc: "the secret that reports are signed with, where the provider has enabled that for the account"},
			{Name: "webhook_secret_previous", Secret: true, Doc: "the secret before, with which reports may still be signed"},
		}, receiptTokens()...),
	}
}

// sinch sends by Sinch's batches, one number each.
type sinch struct {
	Options
	batches string // the address to post to
}

func newSinch(o Options) (Sender, error) {
	region := strings.ToLower(o.Value("region"))
	if region == "" {
		region = "us"
	}
	if !slices.Contains(sinchRegions, region) {
		return nil, &SettingError{Setting: "region", Problem: "must be one of " + strings.Join(sinchRegions, ", ")}
	}
	plan := o.Value("service_plan_id")
	if !sinchPlan.MatchString(plan) {
		return nil, &SettingError{Setting: "service_plan_id", Problem: "must be 1 to 64 letters, digits, _ and -"}
	}
	if len(o.From) == 0 {
		return nil, &SettingError{Setting: "from", Problem: "must be set for sinch: a number or a name to send as"}
	}
	if err := o.checkSenders(); err != nil {
		return nil, err
	}
	if err := o.checkTokens(); err != nil {
		return nil, err
	}
	return &sinch{o, "https://" + region + ".sms.api.sinch.com/xms/v1/" + plan + "/batches"}, nil
}

func (s *sinch) Name() string     { return s.Options.Name }
func (s *sinch) Kind() string     { return "sinch" }
func (s *sinch) Channel() Channel { return s.Options.Channel }
func (s *sinch) Close() error     { return nil }

// guarded tells whether anything proves that a report is the provider's.
func (s *sinch) guarded() bool {
	return s.Value("webhook_secret") != "" || s.Value("receipt_token") != ""
}

// sinchBatch is the body of a sending.
type sinchBatch struct {
	From      string   `json:"from"`
	To        []string `json:"to"`
	Body      string   `json:"body"`
	Type      string   `json:"type"`
	Report    string   `json:"delivery_report,omitempty"`
	Callback  string   `json:"callback_url,omitempty"`
	Reference string   `json:"client_reference"`
	ExpireAt  string   `json:"expire_at"`
}

// Send asks for a report where something proves reports to be the provider's.
func (s *sinch) Send(ctx context.Context, m Message) (Sent, error) {
	from := s.Sender(m.Country)
	if from == "" {
		return Sent{}, noSender()
	}
	body := sinchBatch{
		From: from, To: []string{m.To.E164()}, Body: m.Body.Reveal(), Type: "mt_text",
		Reference: m.ID, ExpireAt: m.ExpiresAt.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if to := s.callbackURL(m.ID); to != "" && s.guarded() {
		body.Callback, body.Report = to, "per_recipient"
	}
	a, err := s.post(ctx, body)
	if err != nil {
		return Sent{}, err
	}
	return sinchAnswer(a)
}

func (s *sinch) post(ctx context.Context, body any) (answer, error) {
	header := http.Header{"Authorization": {"Bearer " + s.Value("api_token")}}
	return postJSON(ctx, s.HTTP, s.batches, header, body)
}

// sinchAnswer reads an answer. The words of its refusals ("syntax_…") are in no
// table: the status decides.
func sinchAnswer(a answer) (Sent, error) {
	var said struct {
		ID   string `json:"id"`
		Code string `json:"code"`
	}
	if fine := a.decode(&said); !a.success() {
		return Sent{}, a.byStatus(said.Code)
	} else if !fine || !fitRef(said.ID) {
		return Sent{}, garbled()
	}
	return Sent{ProviderRef: said.ID}, nil
}

// Receipts reads the report on one recipient. It must be signed where a secret is
// set, and come to the URL with the token where that is set.
func (s *sinch) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if !s.guarded() {
		return nil, ErrNoReceipts
	}
	if s.Value("webhook_secret") != "" && !s.signed(c) || s.Value("receipt_token") != "" && !s.knowsToken(c) {
		return nil, ErrForged
	}
	if err := posted(c); err != nil {
		return nil, err
	}
	var report struct {
		Type      string `json:"type"`
		Batch     string `json:"batch_id"`
		Code      int    `json:"code"`
		Status    string `json:"status"`
		At        string `json:"at"`
		Reference string `json:"client_reference"`
	}
	if json.Unmarshal(c.Body, &report) != nil || report.Type != "recipient_delivery_report_sms" || !fitRef(report.Batch) {
		return nil, errReceipt
	}
	state, code := stateOf(sinchStates, strings.ToLower(report.Status)), ""
	if report.Code != 0 {
		code = strconv.Itoa(report.Code)
	}
	if code == sinchTooLate && (state == StateUndelivered || state == StateFailed) {
		state = StateExpired
	}
	return []Receipt{{
		MessageID: ourID(report.Reference), ProviderRef: report.Batch, At: timeOf(report.At),
		State: state, Class: classOfReceipt(state, sinchCodes, code), Code: cleanCode(code),
	}}, nil
}

// signed tells whether a report is signed with the account's secret, of late.
func (s *sinch) signed(c Callback) bool {
	const header = "X-Sinch-Webhook-Signature"
	at := c.Header.Get(header + "-Timestamp")
	text := slices.Concat(c.Body, []byte("."+c.Header.Get(header+"-Nonce")+"."+at))
	return fresh(at, c.Now) && s.signedBy(c.Header.Get(header), text, "webhook_secret", "webhook_secret_previous")
}

// Check posts a batch without anything in it.
func (s *sinch) Check(ctx context.Context) []Finding {
	a, err := s.post(ctx, struct{}{})
	found := append(probed(a, err), s.settled()...)
	if !s.guarded() {
		found = append(found, unguarded("webhook_secret or receipt_token"))
	}
	return found
}
