package gateway

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// plivoLongest is the longest life of a message, in seconds: no code lives
// longer.
const plivoLongest = 3 * 24 * 60 * 60

var plivoAccount = regexp.MustCompile(`^[A-Za-z0-9]{8,64}$`)

// plivoCodes are those of its receipts.
var plivoCodes = map[string]verdict{
	"20": retryLater, "80": retryLater, "300": retryLater,
	"30": useAnother, "40": useAnother, "90": useAnother, "100": useAnother, "900": mustAct,
	"10": noWay, "50": noWay, "70": noWay, "110": noWay, "200": noWay,
}

var plivoStates = map[string]State{
	"queued": StateAccepted, "sent": StateSent, "delivered": StateDelivered,
	"undelivered": StateUndelivered, "failed": StateFailed, "rejected": StateFailed,
}

func plivoKind() Kind {
	return Kind{
		Name: "plivo", Doc: "Plivo", Channels: []Channel{SMS}, New: newPlivo,
		Settings: []Setting{
			{Name: "auth_id", Required: true, Doc: "the account, letters and digits"},
			{Name: "auth_token", Secret: true, Required: true, Doc: "the account's token; receipts are signed with it too"},
			{Name: "auth_token_previous", Secret: true, Doc: "the token before, with which receipts may still be signed"},
			{Name: "dlt_template_category", Doc: "India: the category of the templates in the registry"},
		},
	}
}

// plivo sends by Plivo's message API.
type plivo struct{ Options }

func newPlivo(o Options) (Sender, error) {
	if !plivoAccount.MatchString(o.Value("auth_id")) {
		return nil, &SettingError{Setting: "auth_id", Problem: "must be 8 to 64 letters and digits"}
	}
	if len(o.From) == 0 {
		return nil, &SettingError{Setting: "from", Problem: "must be set for plivo: a number or a name to send as"}
	}
	if err := o.checkSenders(); err != nil {
		return nil, err
	}
	return &plivo{o}, nil
}

func (p *plivo) Name() string     { return p.Options.Name }
func (p *plivo) Kind() string     { return "plivo" }
func (p *plivo) Channel() Channel { return p.Options.Channel }
func (p *plivo) Close() error     { return nil }

// plivoMessage is the body of a sending.
type plivoMessage struct {
	From        string `json:"src"`
	To          string `json:"dst"`
	Text        string `json:"text"`
	Type        string `json:"type"`
	URL         string `json:"url,omitempty"`
	Method      string `json:"method,omitempty"`
	Log         string `json:"log"`
	Expiry      int    `json:"message_expiry"`
	DLTEntity   string `json:"dlt_entity_id,omitempty"`
	DLTTemplate string `json:"dlt_template_id,omitempty"`
	DLTCategory string `json:"dlt_template_category,omitempty"`
}

// Send asks for the text to be kept out of the provider's logs.
func (p *plivo) Send(ctx context.Context, m Message) (Sent, error) {
	from := p.Sender(m.Country)
	if from == "" {
		return Sent{}, noSender()
	}
	body := plivoMessage{
		From: from, To: strings.TrimPrefix(m.To.E164(), "+"), Text: m.Body.Reveal(), Type: "sms", Log: "false",
		Expiry: remaining(m, p.Now(), time.Second, 1, plivoLongest),
	}
	if body.URL = p.callbackURL(m.ID); body.URL != "" {
		body.Method = http.MethodPost
	}
	if dlt := p.DLTOf(m); dlt != (DLT{}) {
		body.DLTEntity, body.DLTTemplate, body.DLTCategory = dlt.Entity, dlt.Template, p.Value("dlt_template_category")
	}
	a, err := p.post(ctx, body)
	if err != nil {
		return Sent{}, err
	}
	return plivoAnswer(a)
}

func (p *plivo) post(ctx context.Context, body any) (answer, error) {
	account := p.Value("auth_id")
	basic := base64.StdEncoding.EncodeToString([]byte(account + ":" + p.Value("auth_token")))
	header := http.Header{"Authorization": {"Basic " + basic}}
	return postJSON(ctx, p.HTTP, "https://api.plivo.com/v1/Account/"+account+"/Message/", header, body)
}

// plivoAnswer reads an answer. A refusal holds words and no code.
func plivoAnswer(a answer) (Sent, error) {
	if !a.success() {
		return Sent{}, a.byStatus("")
	}
	var took struct {
		IDs []string `json:"message_uuid"`
	}
	if !a.decode(&took) || len(took.IDs) == 0 || !fitRef(took.IDs[0]) {
		return Sent{}, garbled()
	}
	return Sent{ProviderRef: took.IDs[0]}, nil
}

// Receipts reads one report, signed over its URL and its fields.
func (p *plivo) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if err := posted(c); err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return nil, errReceipt
	}
	if !p.signed(c, form) {
		return nil, ErrForged
	}
	state, code := stateOf(plivoStates, form.Get("Status")), form.Get("ErrorCode")
	r := Receipt{
		MessageID: ourID(queryOf(c).Get("m")), ProviderRef: form.Get("MessageUUID"),
		State: state, Class: classOfReceipt(state, plivoCodes, code), Code: cleanCode(code),
	}
	if !fitRef(r.ProviderRef) {
		return nil, errReceipt
	}
	return []Receipt{r}, nil
}

// signed tells whether one of the signatures in the header (version 3) is the
// account's.
func (p *plivo) signed(c Callback, form url.Values) bool {
	text := plivoSigned(c.URL, form) + "." + c.Header.Get("X-Plivo-Signature-V3-Nonce")
	for signature := range strings.SplitSeq(c.Header.Get("X-Plivo-Signature-V3"), ",") {
		if p.signedBy(strings.TrimSpace(signature), []byte(text), "auth_token", "auth_token_previous") {
			return true
		}
	}
	return false
}

// plivoSigned is what is signed of a POST, without the nonce: the URL up to its
// path, its parameters by name, the fields by name.
func plivoSigned(to string, form url.Values) string {
	u, err := url.Parse(to)
	if err != nil {
		return ""
	}
	var parameters []string
	for _, name := range slices.Sorted(maps.Keys(u.Query())) {
		for _, value := range slices.Sorted(slices.Values(u.Query()[name])) {
			parameters = append(parameters, name+"="+value)
		}
	}
	text := u.Scheme + "://" + u.Host + u.EscapedPath() + "?" + strings.Join(parameters, "&")
	if len(parameters) > 0 {
		text += "."
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range slices.Sorted(slices.Values(form[name])) {
			text += name + value
		}
	}
	return text
}

// Check posts a message without anything in it.
func (p *plivo) Check(ctx context.Context) []Finding {
	a, err := p.post(ctx, struct{}{})
	return append(probed(a, err), p.settled()...)
}
