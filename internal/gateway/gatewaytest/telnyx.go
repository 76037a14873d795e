package gatewaytest

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
)

// telnyxMessage has the members of a sending.
type telnyxMessage struct {
	From            string `json:"from"`
	To              string `json:"to"`
	Text            string `json:"text"`
	Profile         string `json:"messaging_profile_id"`
	Webhook         string `json:"webhook_url"`
	Failover        string `json:"webhook_failover_url"`
	ProfileWebhooks *bool  `json:"use_profile_webhooks"`
	Type            string `json:"type"`
	Encoding        string `json:"encoding"`
}

// NewTelnyx starts Telnyx's message API.
func NewTelnyx(tb testing.TB, key string) *Fake {
	return newFake(tb, "api.telnyx.com", func(r Request, n int) (Answer, error) {
		var m telnyxMessage
		if r.Method != http.MethodPost || r.Path != "/v2/messages" {
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		if err := strictJSON(r, &m); err != nil {
			return Answer{}, err
		}
		switch {
		case r.Header.Get("Authorization") != "Bearer "+key:
			return TelnyxError(401, "10009"), nil
		case m == telnyxMessage{}:
			return TelnyxError(422, "10015"), nil
		}
		return Answer{Status: 200, Body: fmt.Sprintf(`{"data":{"id":"00000000-0000-4000-8000-%012x",`+
			`"to":[{"phone_number":%q,"status":"queued","line_type":"Wireless"}],"parts":1,"type":"SMS"}}`, n, m.To)}, m.allowed()
	})
}

// TelnyxError is a refusal.
func TelnyxError(status int, code string) Answer {
	return Answer{Status: status, Body: fmt.Sprintf(`{"errors":[{"code":%q,"title":"no","detail":"no","source":{"pointer":"/to"}}]}`, code)}
}

func (m telnyxMessage) allowed() error {
	switch {
	case m.From != "" && !isDigits(m.From) && !isAlphanumeric(m.From) && !isE164(m.From):
		return fmt.Errorf("from is %q", m.From)
	case m.Profile == "" && (m.From == "" || isAlphanumeric(m.From)):
		return errors.New("a name, or no sender, needs messaging_profile_id")
	case !isE164(m.To):
		return errors.New("to is no number with its plus")
	case m.Text == "" || m.Type != "" && m.Type != "SMS":
		return errors.New("text or type is not right")
	case !oneOf("", "auto", "gsm7", "ucs2")(m.Encoding):
		return fmt.Errorf("encoding is %q", m.Encoding)
	case m.Webhook != "" && !isHTTPS(m.Webhook), m.Failover != "" && !isHTTPS(m.Failover):
		return errors.New("a webhook's URL is not right")
	}
	return nil
}
