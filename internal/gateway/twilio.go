package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	twilioAPI     = "https://api.twilio.com/2010-04-01/Accounts/"
	twilioLongest = 36000 // seconds of a message's life
	twilioText    = 1600  // characters of a text
	twilioShort   = 8     // digits of a short code, at most
)

// twilioCodes are those of answers and of receipts. What is not here goes by the
// HTTP status: 500 is Ambiguous, for the message may have gone out.
var twilioCodes = map[string]verdict{
	"20429": retryLater, "21611": retryLater, "30001": retryLater, "30008": retryLater,
	"20003": mustAct, "20005": mustAct, "30002": mustAct, "21212": mustAct, "21606": mustAct, "21603": mustAct,
	"21408": mustAct, "30034": mustAct, "21612": useAnother, "30007": useAnother, "30450": useAnother, "30453": useAnother,
	"21211": noWay, "21614": noWay, "21635": noWay, "21610": noWay, "21617": noWay,
	"30003": noWay, "30004": noWay, "30005": noWay, "30006": noWay,
}

var (
	twilioAccountSID = regexp.MustCompile(`^AC[0-9a-f]{32}$`)
	twilioKeySID     = regexp.MustCompile(`^SK[0-9a-f]{32}$`)
	twilioService    = regexp.MustCompile(`^MG[0-9a-f]{32}$`)
	twilioMessage    = regexp.MustCompile(`^(SM|MM)[0-9a-f]{32}$`)
)

func twilioKind() Kind {
	return Kind{
		Name: "twilio", Doc: "Twilio: SMS, and WhatsApp by approved templates", Channels: []Channel{SMS, WhatsApp}, New: newTwilio,
		Settings: append(twilioAccountSettings(),
			Setting{Name: "messaging_service_sid", Doc: "MG and 32 hexadecimal digits: the Messaging Service that sends where from has no sender"},
			Setting{Name: "content_sids", Doc: "WhatsApp: the approved templates (HX and 32 hexadecimal digits) by purpose and locale, as login=HX…,login/de=HX…,*/fr=HX…,*=HX…; the code is the template's variable 1"},
			Setting{Name: "smart_encoded", Doc: "true: Twilio replaces characters that look alike, so that a text fits into fewer segments; false by default"},
			Setting{Name: "risk_check", Doc: "enable or disable: Twilio's own guard against pumping; as the account has it by default"},
		),
	}
}

// twilioAccountSettings are those of both kinds.
func twilioAccountSettings() []Setting {
	return []Setting{
		{Name: "account_sid", Required: true, Doc: "AC and 32 hexadecimal digits"},
		{Name: "auth_token", Secret: true, Doc: "the account's token; receipts are signed with it, so that it is needed for them even beside an API key"},
		{Name: "auth_token_previous", Secret: true, Doc: "the token before, with which receipts may still be signed"},
		{Name: "api_key", Doc: "SK and 32 hexadecimal digits: an API key to send with in place of the token"},
		{Name: "api_secret", Secret: true, Doc: "the API key's secret"},
	}
}

// twilio sends by Twilio's message API.
type twilio struct {
	Options
	content map[string]string // templates by purpose, purpose/locale, */locale and *
}

func newTwilio(o Options) (Sender, error) {
	if err := o.checkTwilioAccount(); err != nil {
		return nil, err
	}
	service := o.Value("messaging_service_sid")
	if service != "" && !twilioService.MatchString(service) {
		return nil, &SettingError{Setting: "messaging_service_sid", Problem: "must be MG and 32 hexadecimal digits"}
	}
	if service == "" && len(o.From) == 0 {
		return nil, &SettingError{Setting: "from", Problem: "must be set for twilio, or messaging_service_sid: a number or a name to send as"}
	}
	if err := o.checkTwilioSenders(); err != nil {
		return nil, err
	}
	if v := o.Value("smart_encoded"); !slices.Contains([]string{"", "true", "false"}, v) {
		return nil, &SettingError{Setting: "smart_encoded", Problem: "must be true or false"}
	}
	if v := o.Value("risk_check"); !slices.Contains([]string{"", "enable", "disable"}, v) {
		return nil, &SettingError{Setting: "risk_check", Problem: "must be enable or disable"}
	}
	content, err := o.twilioContent()
	if err != nil {
		return nil, err
	}
	return &twilio{Options: o, content: content}, nil
}

// checkTwilioAccount refuses an account that cannot be called.
func (o Options) checkTwilioAccount() error {
	if !twilioAccountSID.MatchString(o.Value("account_sid")) {
		return &SettingError{Setting: "account_sid", Problem: "must be AC and 32 hexadecimal digits in small letters"}
	}
	key, secret := o.Value("api_key"), o.Value("api_secret")
	if key != "" && !twilioKeySID.MatchString(key) {
		return &SettingError{Setting: "api_key", Problem: "must be SK and 32 hexadecimal digits in small letters"}
	}
	if (key == "") != (secret == "") {
		return &SettingError{Setting: "api_secret", Problem: "belongs to api_key: set both or none"}
	}
	if key == "" && o.Value("auth_token") == "" {
		return &SettingError{Setting: "auth_token", Problem: "must be set, or api_key and api_secret"}
	}
	return nil
}

// checkTwilioSenders refuses what is no sender of the channel: a name or a short
// code on WhatsApp, a number without its plus.
func (o Options) checkTwilioSenders() error {
	if err := o.checkSenders(); err != nil {
		return err
	}
	for country, sender := range o.From {
		digits := strings.Trim(sender, "0123456789") == ""
		if digits && (len(sender) > twilioShort || o.Channel == WhatsApp) || named(sender) && !digits && o.Channel == WhatsApp {
			return &SettingError{Setting: "from", Problem: country + ": must be a whole number with its plus and country code"}
		}
	}
	return nil
}

func (t *twilio) Name() string     { return t.Options.Name }
func (t *twilio) Kind() string     { return "twilio" }
func (t *twilio) Channel() Channel { return t.Options.Channel }
func (t *twilio) Close() error     { return nil }

// Send cannot be told twice: Twilio drops no repeats.
func (t *twilio) Send(ctx context.Context, m Message) (Sent, error) {
	form, err := t.form(m)
	if err != nil {
		return Sent{}, err
	}
	a, err := t.twilioCall(ctx, http.MethodPost, twilioAPI+t.Value("account_sid")+"/Messages.json", form)
	if err != nil {
		return Sent{}, err
	}
	return twilioAnswer(a)
}

func (t *twilio) form(m Message) (url.Values, error) {
	form := url.Values{
		"To":             {m.To.E164()},
		"ValidityPeriod": {strconv.Itoa(remaining(m, t.Now(), time.Second, 1, twilioLongest))},
	}
	from := t.Sender(m.Country)
	switch {
	case from != "":
		form.Set("From", from)
	case t.Value("messaging_service_sid") != "":
		form.Set("MessagingServiceSid", t.Value("messaging_service_sid"))
	default:
		return nil, noSender()
	}
	if v := t.Value("risk_check"); v != "" {
		form.Set("RiskCheck", v)
	}
	if to := t.callbackURL(m.ID); to != "" && t.Value("auth_token") != "" {
		form.Set("StatusCallback", to)
	}
	if t.Options.Channel == WhatsApp {
		return form, t.fillTemplate(form, m)
	}
	if len([]rune(m.Body.Reveal())) > twilioText {
		return nil, tooLong()
	}
	form.Set("Body", m.Body.Reveal())
	if t.Value("smart_encoded") == "true" {
		form.Set("SmartEncoded", "true")
	}
	return form, nil
}

// twilioCall calls Twilio with the API key, or else with the token.
func (o Options) twilioCall(ctx context.Context, method, to string, form url.Values) (answer, error) {
	user, secret := o.Value("api_key"), o.Value("api_secret")
	if user == "" {
		user, secret = o.Value("account_sid"), o.Value("auth_token")
	}
	header := http.Header{
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))},
		"Accept":        {"application/json"},
	}
	if form != nil {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return call(ctx, o.HTTP, method, to, header, []byte(form.Encode()))
}

// twilioAnswer reads an answer. One that took the message can tell all the same
// that it failed.
func twilioAnswer(a answer) (Sent, error) {
	if !a.success() {
		return Sent{}, twilioRefusal(a, twilioCodes)
	}
	var took struct {
		SID       string      `json:"sid"`
		Status    string      `json:"status"`
		ErrorCode json.Number `json:"error_code"`
		Segments  string      `json:"num_segments"`
	}
	if !a.decode(&took) || !twilioMessage.MatchString(took.SID) {
		return Sent{}, garbled()
	}
	if slices.Contains([]string{"failed", "undelivered", "canceled"}, took.Status) {
		e := a.refused(twilioCodes, took.ErrorCode.String())
		if e.Class == Ambiguous {
			e.Class = Failover
		}
		return Sent{}, e
	}
	segments, err := strconv.Atoi(took.Segments)
	if err != nil || segments < 0 || segments > twilioText {
		segments = 0
	}
	return Sent{ProviderRef: took.SID, Segments: segments}, nil
}

// twilioRefusal classifies an answer that is none of a success.
func twilioRefusal(a answer, codes map[string]verdict) *SendError {
	var e struct {
		Code json.Number `json:"code"`
	}
	if !a.decode(&e) {
		return a.byStatus("")
	}
	return a.refused(codes, e.Code.String())
}

// Check asks for a message that cannot be.
func (t *twilio) Check(ctx context.Context) []Finding {
	a, err := t.twilioCall(ctx, http.MethodGet, twilioAPI+t.Value("account_sid")+"/Messages/SM"+strings.Repeat("0", 32)+".json", nil)
	if a.status == http.StatusNotFound {
		a.status = http.StatusOK // whoever is told that it is not there was let in
	}
	found := t.withReceiptKey(append(probed(a, err), t.settled()...), "auth_token")
	for i, f := range found {
		if u, err := url.Parse(t.ReceiptURL); f.What == "callback URL" && f.OK && (err != nil || strings.Contains(u.Hostname(), "_")) {
			found[i] = Finding{What: f.What, Problem: "Twilio calls no host with an underscore in its name"}
		}
	}
	return found
}
