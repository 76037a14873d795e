package gatewaytest

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
)

// infobipBatch has the members of a sending.
type infobipBatch struct {
	Messages []infobipMessage `json:"messages"`
}

type infobipMessage struct {
	Sender       string `json:"sender"`
	Destinations []struct {
		To        string `json:"to"`
		MessageID string `json:"messageId"`
	} `json:"destinations"`
	Content struct {
		Text            string `json:"text"`
		Transliteration string `json:"transliteration"`
	} `json:"content"`
	Options struct {
		Validity *struct {
			Amount   int    `json:"amount"`
			TimeUnit string `json:"timeUnit"`
		} `json:"validityPeriod"`
		Regional *struct {
			India struct {
				Entity   string `json:"principalEntityId"`
				Template string `json:"contentTemplateId"`
			} `json:"indiaDlt"`
		} `json:"regional"`
	} `json:"options"`
	Webhooks *struct {
		Delivery struct {
			URL          string `json:"url"`
			Intermediate bool   `json:"intermediateReport"`
		} `json:"delivery"`
		ContentType  string `json:"contentType"`
		CallbackData string `json:"callbackData"`
	} `json:"webhooks"`
}

// NewInfobip starts Infobip's SMS API at an account's own address. It knows the ids
// of the messages that it has taken, and rejects repeats.
func NewInfobip(tb testing.TB, base, key string) *Fake {
	taken := map[string]bool{}
	return newFake(tb, base+".api.infobip.com", func(r Request, _ int) (Answer, error) {
		var b infobipBatch
		if r.Method != http.MethodPost || r.Path != "/sms/3/messages" {
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		if err := strictJSON(r, &b); err != nil {
			return Answer{}, err
		}
		switch {
		case r.Header.Get("Authorization") != "App "+key:
			return Answer{Status: 401, Body: `{"requestError":{"serviceException":{"messageId":"UNAUTHORIZED","text":"no"}}}`}, nil
		case len(b.Messages) == 0:
			return Answer{Status: 400, Body: `{"errorCode":"E400","description":"no","action":"no","violations":[]}`}, nil
		case len(b.Messages) != 1 || len(b.Messages[0].Destinations) != 1:
			return Answer{}, errors.New("not one message to one number")
		}
		id := b.Messages[0].Destinations[0].MessageID
		if taken[id] {
			return InfobipStatus(id, 5, 23), nil
		}
		taken[id] = true
		return InfobipStatus(id, 1, 26), b.Messages[0].allowed()
	})
}

// InfobipStatus is an answer for one message.
func InfobipStatus(id string, group, status int) Answer {
	return Answer{Status: 200, Body: fmt.Sprintf(`{"bulkId":"2034072219640523072","messages":[{"messageId":%q,`+
		`"status":{"groupId":%d,"groupName":"G","id":%d,"name":"N","description":"D"},"destination":"0",`+
		`"details":{"messageCount":1}}]}`, id, group, status)}
}

func (m infobipMessage) allowed() error {
	to := m.Destinations[0]
	switch {
	case !isDigits(m.Sender) && !isAlphanumeric(m.Sender) && !isE164(m.Sender):
		return fmt.Errorf("sender is %q", m.Sender)
	case !isDigits(to.To) || len(to.To) < 7 || len(to.To) > 15:
		return errors.New("to is not of digits alone")
	case to.MessageID == "":
		return errors.New("messageId is not ours: a repeat would be sent twice")
	case m.Content.Text == "" || !oneOf("", "NON_UNICODE")(m.Content.Transliteration):
		return errors.New("content is not right")
	case m.Options.Validity != nil && (m.Options.Validity.Amount < 1 || m.Options.Validity.TimeUnit != "MINUTES"):
		return errors.New("validityPeriod is not right")
	}
	if r := m.Options.Regional; r != nil && (r.India.Entity == "" || r.India.Template == "") {
		return errors.New("half of what India asks for")
	}
	if w := m.Webhooks; w != nil && (!isHTTPS(w.Delivery.URL) || w.ContentType != "application/json") {
		return errors.New("webhooks is not right")
	}
	return nil
}
