package gatewaytest

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// HookSecret is a key of the fake's: Standard Webhooks' own example.
const HookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// NewWebhook starts a service at hooks.example.com that takes messages by Standard
// Webhooks 1.0. Each call has to be signed with the secret, a whsec_ or a whpk_, at
// the time given.
func NewWebhook(tb testing.TB, secret string, now time.Time) *Fake {
	return newFake(tb, "hooks.example.com", func(r Request, _ int) (Answer, error) {
		if err := judgeSigned(r, secret, now); err != nil {
			return Answer{}, err
		}
		return Answer{Status: http.StatusOK}, judgeHook(r)
	})
}

// HookHeader has the three headers of a call that is signed with a whsec_.
func HookHeader(secret, id string, now time.Time, body []byte) http.Header {
	at := strconv.FormatInt(now.Unix(), 10)
	return http.Header{
		"Webhook-Id": {id}, "Webhook-Timestamp": {at},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(hookMAC(secret, id, at, body))},
	}
}

func hookMAC(secret, id, at string, body []byte) []byte {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic("the secret of a test is no base64")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	return mac.Sum(nil)
}

// hookCall is the body of a call, all of whose members are known.
type hookCall struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		MessageID  string            `json:"message_id"`
		Channel    string            `json:"channel"`
		To         string            `json:"to"`
		Country    string            `json:"country"`
		From       string            `json:"from"`
		Body       string            `json:"body"`
		Code       string            `json:"code"`
		Locale     string            `json:"locale"`
		Purpose    string            `json:"purpose"`
		ExpiresAt  time.Time         `json:"expires_at"`
		DLT        map[string]string `json:"dlt"`
		ReceiptURL string            `json:"receipt_url"`
	} `json:"data"`
}

func judgeHook(r Request) error {
	var call hookCall
	if err := strictJSON(r, &call); err != nil {
		return err
	}
	switch d := call.Data; {
	case call.ID != r.Header.Get("webhook-id"):
		return errors.New("id is not webhook-id")
	case call.Timestamp.IsZero():
		return errors.New("there is no timestamp")
	case !oneOf("sms", "whatsapp", "voice")(d.Channel):
		return fmt.Errorf("the channel is %q", d.Channel)
	case call.Type == "message.ping":
		return nil
	case call.Type != "message.send":
		return fmt.Errorf("the type is %q", call.Type)
	case d.MessageID != call.ID:
		return errors.New("message_id is not id")
	case !isE164(d.To):
		return fmt.Errorf("to is %q", d.To)
	case d.Body == "" || d.Locale == "" || d.Purpose == "" || d.ExpiresAt.IsZero():
		return errors.New("body, locale, purpose or expires_at is not there")
	case d.ReceiptURL != "" && !isHTTPS(d.ReceiptURL):
		return fmt.Errorf("receipt_url is %q", d.ReceiptURL)
	}
	return nil
}

// judgeSigned wants a POST that is signed as Standard Webhooks has it.
func judgeSigned(r Request, secret string, now time.Time) error {
	id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	switch {
	case r.Method != http.MethodPost:
		return fmt.Errorf("the method is %s", r.Method)
	case id == "" || strings.Contains(id, "."):
		return fmt.Errorf("webhook-id is %q", id)
	case at != strconv.FormatInt(now.Unix(), 10):
		return fmt.Errorf("webhook-timestamp is %q", at)
	case len(r.Body) >= 20<<10:
		return errors.New("the body is too long")
	}
	for signature := range strings.SplitSeq(r.Header.Get("webhook-signature"), " ") {
		version, encoded, _ := strings.Cut(signature, ",")
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || version != "v1" && version != "v1a" {
			return fmt.Errorf("webhook-signature is %q", signature)
		}
		if hookSigned(secret, version, raw, id, at, r.Body) {
			return nil
		}
	}
	return errors.New("no signature fits")
}

func hookSigned(secret, version string, signature []byte, id, at, body string) bool {
	if key, ok := strings.CutPrefix(secret, "whpk_"); ok && version == "v1a" {
		public, err := base64.StdEncoding.DecodeString(key)
		return err == nil && ed25519.Verify(public, []byte(id+"."+at+"."+body), signature)
	}
	return version == "v1" && strings.HasPrefix(secret, "whsec_") && hmac.Equal(signature, hookMAC(secret, id, at, []byte(body)))
}
