package gatewaytest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"testing"
)

// plivoMessage has the members of a sending.
type plivoMessage struct {
	Src         string `json:"src"`
	Dst         string `json:"dst"`
	Text        string `json:"text"`
	Type        string `json:"type"`
	URL         string `json:"url"`
	Method      string `json:"method"`
	Log         string `json:"log"`
	Expiry      *int   `json:"message_expiry"`
	DLTEntity   string `json:"dlt_entity_id"`
	DLTTemplate string `json:"dlt_template_id"`
	DLTCategory string `json:"dlt_template_category"`
}

// NewPlivo starts Plivo's message API for an account.
func NewPlivo(tb testing.TB, account, token string) *Fake {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(account+":"+token))
	return newFake(tb, "api.plivo.com", func(r Request, n int) (Answer, error) {
		var m plivoMessage
		if r.Method != http.MethodPost || r.Path != "/v1/Account/"+account+"/Message/" {
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		if err := strictJSON(r, &m); err != nil {
			return Answer{}, err
		}
		switch {
		case r.Header.Get("Authorization") != want:
			return plivoError(401), nil
		case m == plivoMessage{}:
			return plivoError(400), nil
		}
		return Answer{Status: 202, Body: fmt.Sprintf(`{"api_id":"db342550-7e9d-11e1-8ea7-1231380bc196",`+
			`"message":"message(s) queued","message_uuid":["00000000-0000-4000-8000-%012x"]}`, n)}, m.allowed()
	})
}

func plivoError(status int) Answer {
	return Answer{Status: status, Body: `{"api_id":"db342550-7e9d-11e1-8ea7-1231380bc196","error":"no"}`}
}

func (m plivoMessage) allowed() error {
	switch {
	case !isDigits(m.Src) && !isAlphanumeric(m.Src) && !isE164(m.Src):
		return fmt.Errorf("src is %q", m.Src)
	case !isDigits(m.Dst) || len(m.Dst) < 7 || len(m.Dst) > 15:
		return errors.New("dst is not of digits alone")
	case m.Text == "" || m.Type != "sms":
		return errors.New("text or type is not right")
	case m.Log != "false":
		return errors.New("the text would stand in their logs")
	case m.Method != "" && m.Method != "POST", (m.URL != "") != (m.Method != ""), m.URL != "" && !isHTTPS(m.URL):
		return errors.New("url or method is not right")
	case m.Expiry != nil && *m.Expiry < 1:
		return errors.New("message_expiry is not right")
	case (m.DLTEntity == "") != (m.DLTTemplate == ""), m.DLTCategory != "" && m.DLTEntity == "":
		return errors.New("half of what India asks for")
	}
	return nil
}
