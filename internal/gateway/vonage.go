package gateway

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/keyring"
)

const (
	vonageAPI     = "https://api.nexmo.com/v1/messages"
	vonageLongest = 3 * 24 * 60 * 60 // seconds of a message's life: no code lives longer
	vonageToken   = 5 * time.Minute  // of our JWTs
	vonageKeyBits = 2048
)

// vonageCodes are those of answers and of receipts.
var vonageCodes = map[string]verdict{
	"1000": retryLater, "1030": retryLater, "1100": retryLater, "1180": retryLater, "1220": retryLater, "1230": retryLater,
	"1060": mustAct, "1070": mustAct, "1080": mustAct, "1120": mustAct, "1140": mustAct, "1160": mustAct,
	"1020": noWay, "1040": noWay, "1050": noWay, "1090": noWay, "1170": noWay, "1190": noWay, "1240": noWay,
}

var (
	vonageKey  = regexp.MustCompile(`^[0-9A-Za-z]{4,32}$`)
	vonageCode = regexp.MustCompile(`^[0-9]{3,5}$`)
)

func vonageKind() Kind {
	return Kind{
		Name: "vonage", Doc: "Vonage, by its Messages API", Channels: []Channel{SMS}, New: newVonage,
		Settings: []Setting{
			{Name: "api_key", Doc: "the account's key; beside application_id needed for receipts alone"},
			{Name: "api_secret", Secret: true, Doc: "the account's secret, to send with where there is no application_id"},
			{Name: "application_id", Doc: "a UUID: the application to send as"},
			{Name: "private_key", Secret: true, Doc: "the application's RSA key, in PEM"},
			{Name: "signature_secret", Secret: true, Doc: "the account's signature secret, which receipts are checked with; without it none are asked for"},
			{Name: "signature_secret_previous", Secret: true, Doc: "the signature secret before, with which receipts may still be signed"},
		},
	}
}

// vonage sends by Vonage's Messages API.
type vonage struct {
	keyring.Redacted
	Options
	key *rsa.PrivateKey // of the application; nil: basic authentication
}

func newVonage(o Options) (Sender, error) {
	if v := o.Value("api_key"); v != "" && !vonageKey.MatchString(v) {
		return nil, &SettingError{Setting: "api_key", Problem: "must be 4 to 32 letters and digits"}
	}
	v := &vonage{Options: o}
	application, private := o.Value("application_id"), o.Value("private_key")
	switch {
	case application == "" && private == "":
		if o.Value("api_key") == "" || o.Value("api_secret") == "" {
			return nil, &SettingError{Setting: "api_secret", Problem: "must be set with api_key, or application_id with private_key"}
		}
	case !keyring.ValidID(application):
		return nil, &SettingError{Setting: "application_id", Problem: "must be a UUID in small letters, set with private_key"}
	default:
		if v.key = rsaKey(private); v.key == nil {
			return nil, &SettingError{Setting: "private_key", Problem: "must be an RSA key of 2048 bits and more, in PEM"}
		}
	}
	if o.Value("signature_secret") != "" && o.Value("api_key") == "" {
		return nil, &SettingError{Setting: "api_key", Problem: "must be set with signature_secret: receipts name it"}
	}
	if len(o.From) == 0 {
		return nil, &SettingError{Setting: "from", Problem: "must be set for vonage: a number or a name to send as"}
	}
	if err := o.checkSenders(); err != nil {
		return nil, err
	}
	return v, nil
}

// rsaKey reads a private key; nil where it is none, or too short.
func rsaKey(text string) *rsa.PrivateKey {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		any8, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil
		}
		key, _ = any8.(*rsa.PrivateKey)
	}
	if key == nil || key.N.BitLen() < vonageKeyBits {
		return nil
	}
	return key
}

func (v *vonage) Name() string     { return v.Options.Name }
func (v *vonage) Kind() string     { return "vonage" }
func (v *vonage) Channel() Channel { return v.Options.Channel }
func (v *vonage) Close() error     { return nil }

// vonageText is the body of a sending.
type vonageText struct {
	Type           string    `json:"message_type"`
	Channel        string    `json:"channel"`
	To             string    `json:"to"`
	From           string    `json:"from"`
	Text           string    `json:"text"`
	ClientRef      string    `json:"client_ref"`
	WebhookURL     string    `json:"webhook_url,omitempty"`
	WebhookVersion string    `json:"webhook_version,omitempty"`
	TTL            int       `json:"ttl"`
	SMS            vonageSMS `json:"sms"`
}

type vonageSMS struct {
	Encoding string `json:"encoding_type"`
	Entity   string `json:"entity_id,omitempty"`
	Content  string `json:"content_id,omitempty"`
}

// Send tells the encoding: one that does not fit the text turns letters into
// question marks.
func (v *vonage) Send(ctx context.Context, m Message) (Sent, error) {
	from := v.Sender(m.Country)
	if from == "" {
		return Sent{}, noSender()
	}
	dlt := v.DLTOf(m)
	body := vonageText{
		Type: "text", Channel: "sms", To: strings.TrimPrefix(m.To.E164(), "+"), From: strings.TrimPrefix(from, "+"),
		Text: m.Body.Reveal(), ClientRef: m.ID, TTL: remaining(m, v.Now(), time.Second, 1, vonageLongest),
		SMS: vonageSMS{Encoding: "unicode", Entity: dlt.Entity, Content: dlt.Template},
	}
	if gsm7(body.Text) {
		body.SMS.Encoding = "text"
	}
	if to := v.callbackURL(m.ID); to != "" && v.Value("signature_secret") != "" {
		body.WebhookURL, body.WebhookVersion = to, "v1"
	}
	a, err := v.post(ctx, body)
	if err != nil {
		return Sent{}, err
	}
	return vonageAnswer(a)
}

func (v *vonage) post(ctx context.Context, body any) (answer, error) {
	as := "Basic " + base64.StdEncoding.EncodeToString([]byte(v.Value("api_key")+":"+v.Value("api_secret")))
	if v.key != nil {
		token, err := v.token()
		if err != nil {
			return answer{}, &SendError{Class: Retry, Cause: err}
		}
		as = "Bearer " + token
	}
	return postJSON(ctx, v.HTTP, vonageAPI, http.Header{"Authorization": {as}}, body)
}

// token is a JWT of the application's.
func (v *vonage) token() (string, error) {
	now := v.Now()
	id, err := keyring.NewID(now, v.Rand)
	if err != nil {
		return "", err
	}
	return signRS256(v.key, struct {
		Application string `json:"application_id"`
		IssuedAt    int64  `json:"iat"`
		Expires     int64  `json:"exp"`
		ID          string `json:"jti"`
	}{v.Value("application_id"), now.Unix(), now.Add(vonageToken).Unix(), id})
}

func vonageAnswer(a answer) (Sent, error) {
	if !a.success() {
		var problem vonageProblem
		if !a.decode(&problem) {
			return Sent{}, a.byStatus("")
		}
		return Sent{}, a.refused(vonageCodes, problem.code())
	}
	var took struct {
		ID string `json:"message_uuid"`
	}
	if !a.decode(&took) || !keyring.ValidID(took.ID) {
		return Sent{}, garbled()
	}
	return Sent{ProviderRef: took.ID}, nil
}

// vonageProblem is an error, in an answer and in a receipt.
type vonageProblem struct {
	Type  string          `json:"type"`  // a URL, its fragment the code
	Title json.RawMessage `json:"title"` // words, or the code as text or number
}

// code gives the code, which is a number; "" where there is none.
func (p vonageProblem) code() string {
	_, fragment, _ := strings.Cut(p.Type, "#")
	for _, code := range []string{fragment, strings.Trim(string(p.Title), `"`)} {
		if vonageCode.MatchString(code) {
			return code
		}
	}
	return ""
}

// Check posts a message without anything in it.
func (v *vonage) Check(ctx context.Context) []Finding {
	a, err := v.post(ctx, struct{}{})
	return v.withReceiptKey(append(probed(a, err), v.settled()...), "signature_secret")
}
