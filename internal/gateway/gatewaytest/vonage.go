package gatewaytest

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Vonage is an account of Vonage's: entered with key and secret, or with a JWT of
// the application.
type Vonage struct {
	Key, Secret string
	Application string
	Public      *rsa.PublicKey
}

// NewVonage starts Vonage's Messages API.
func NewVonage(tb testing.TB, account Vonage) *Fake {
	return newFake(tb, "api.nexmo.com", func(r Request, n int) (Answer, error) {
		if r.Method != http.MethodPost || r.Path != "/v1/messages" {
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		if err := account.enter(r); err != nil {
			tb.Log(err)
			return vonageError(401, "https://developer.vonage.com/api-errors#unauthorized", "Unauthorized"), nil
		}
		if r.Body == "{}" {
			return vonageError(422, "https://developer.vonage.com/api-errors/messages#1010", "Missing params"), nil
		}
		return Answer{Status: 202, Body: fmt.Sprintf(`{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-%012x"}`, n)}, vonageText(r)
	})
}

func vonageError(status int, kind, title string) Answer {
	return Answer{Status: status, Body: fmt.Sprintf(`{"type":%q,"title":%q,"detail":"no","instance":"bf0ca0bf927b3b52e3cb03217e1a1ddf"}`, kind, title)}
}

// enter judges the credentials.
func (v Vonage) enter(r Request) error {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		if !basic(r, map[string]string{v.Key: v.Secret}) {
			return errors.New("wrong key or secret")
		}
		return nil
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return err
	}
	text, err := signed.Verify(v.Public)
	if err != nil {
		return err
	}
	var claims struct {
		Application string `json:"application_id"`
		IssuedAt    int64  `json:"iat"`
		Expires     int64  `json:"exp"`
		ID          string `json:"jti"`
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return err
	}
	if claims.Application != v.Application || claims.Expires <= claims.IssuedAt || claims.IssuedAt == 0 || claims.ID == "" {
		return fmt.Errorf("the claims are %s", text)
	}
	return nil
}

// vonageText judges the body of a sending.
func vonageText(r Request) error {
	var body struct {
		Type           string `json:"message_type"`
		Channel        string `json:"channel"`
		To             string `json:"to"`
		From           string `json:"from"`
		Text           string `json:"text"`
		ClientRef      string `json:"client_ref"`
		WebhookURL     string `json:"webhook_url"`
		WebhookVersion string `json:"webhook_version"`
		TTL            int    `json:"ttl"`
		SMS            struct {
			Encoding string `json:"encoding_type"`
			Entity   string `json:"entity_id"`
			Content  string `json:"content_id"`
		} `json:"sms"`
	}
	if err := strictJSON(r, &body); err != nil {
		return err
	}
	switch {
	case body.Type != "text" || body.Channel != "sms":
		return fmt.Errorf("a message %q of channel %q", body.Type, body.Channel)
	case !isE164("+" + body.To):
		return errors.New("to is no number without a plus")
	case !isDigits(body.From) && !isAlphanumeric(body.From):
		return fmt.Errorf("from is %q", body.From)
	case body.Text == "" || len(body.ClientRef) > 100 || body.TTL < 1:
		return errors.New("no text, a long client_ref or no ttl")
	case body.WebhookURL != "" && (!isHTTPS(body.WebhookURL) || body.WebhookVersion != "v1"):
		return fmt.Errorf("webhook_url %q, webhook_version %q", body.WebhookURL, body.WebhookVersion)
	case !oneOf("auto", "text", "unicode")(body.SMS.Encoding):
		return fmt.Errorf("encoding_type is %q", body.SMS.Encoding)
	}
	return nil
}
