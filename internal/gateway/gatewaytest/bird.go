package gatewaytest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// NewMessagebird starts MessageBird's older API for an account with the key.
func NewMessagebird(tb testing.TB, key string) *Fake {
	return newFake(tb, "rest.messagebird.com", func(r Request, n int) (Answer, error) {
		switch {
		case r.Method != http.MethodPost || r.Path != "/messages":
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		case r.Header.Get("Authorization") != "AccessKey "+key:
			return messagebirdError(401, 2), nil
		case r.Body == "{}":
			return messagebirdError(422, 9), nil
		}
		return Answer{Status: 201, Body: fmt.Sprintf(`{"id":"%032x","recipients":{"totalSentCount":1,"items":[{"recipient":31612345678,"status":"sent"}]}}`, n)},
			messagebirdText(r)
	})
}

func messagebirdError(status, code int) Answer {
	return Answer{Status: status, Body: fmt.Sprintf(`{"errors":[{"code":%d,"description":"no","parameter":null}]}`, code)}
}

// messagebirdText judges the body of a sending.
func messagebirdText(r Request) error {
	var body struct {
		Originator string   `json:"originator"`
		Body       string   `json:"body"`
		Recipients []string `json:"recipients"`
		Reference  string   `json:"reference"`
		ReportURL  string   `json:"reportUrl"`
		Datacoding string   `json:"datacoding"`
		Validity   int      `json:"validity"`
	}
	if err := strictJSON(r, &body); err != nil {
		return err
	}
	name := isAlphanumeric(body.Originator) && !strings.Contains(body.Originator, " ")
	switch {
	case !name && (!isDigits(body.Originator) || len(body.Originator) > 17):
		return fmt.Errorf("originator is %q", body.Originator)
	case len(body.Recipients) != 1 || !isE164("+"+body.Recipients[0]):
		return errors.New("recipients are no number without a plus")
	case body.Body == "" || body.Validity < 1:
		return errors.New("no body or no validity")
	case body.ReportURL != "" && (!isHTTPS(body.ReportURL) || body.Reference == ""):
		return fmt.Errorf("reportUrl %q, reference %q", body.ReportURL, body.Reference)
	case !oneOf("auto", "plain", "unicode")(body.Datacoding):
		return fmt.Errorf("datacoding is %q", body.Datacoding)
	}
	return nil
}

// NewBird starts Bird's channels for one channel of a workspace.
func NewBird(tb testing.TB, workspace, channel, key string) *Fake {
	return newFake(tb, "api.bird.com", func(r Request, n int) (Answer, error) {
		switch {
		case r.Method != http.MethodPost || r.Path != "/workspaces/"+workspace+"/channels/"+channel+"/messages":
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		case r.Header.Get("Authorization") != "AccessKey "+key:
			return Answer{Status: 401, Body: `{"code":"Unauthorized","message":"no"}`}, nil
		case r.Body == "{}":
			return Answer{Status: 422, Body: `{"code":"InvalidPayload","message":"no"}`}, nil
		}
		return Answer{Status: 202, Body: fmt.Sprintf(`{"id":"aaaaaaaa-bbbb-4ccc-8ddd-%012x","channelId":%q,"status":"accepted"}`, n, channel)}, birdText(r)
	})
}

// birdText judges the body of a sending.
func birdText(r Request) error {
	var body struct {
		Receiver struct {
			Contacts []struct {
				Key   string `json:"identifierKey"`
				Value string `json:"identifierValue"`
			} `json:"contacts"`
		} `json:"receiver"`
		Body struct {
			Type string `json:"type"`
			Text struct {
				Text string `json:"text"`
			} `json:"text"`
		} `json:"body"`
		Reference string `json:"reference"`
	}
	if err := strictJSON(r, &body); err != nil {
		return err
	}
	contacts := body.Receiver.Contacts
	if len(contacts) != 1 || contacts[0].Key != "phonenumber" || !isE164(contacts[0].Value) {
		return errors.New("the receiver is no number")
	}
	if body.Body.Type != "text" || body.Body.Text.Text == "" {
		return errors.New("the body is no text")
	}
	return nil
}
