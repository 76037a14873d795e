package gatewaytest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// awsMessage has the members of a sending.
type awsMessage struct {
	To         string            `json:"DestinationPhoneNumber"`
	From       string            `json:"OriginationIdentity"`
	Text       string            `json:"MessageBody"`
	Type       string            `json:"MessageType"`
	Set        string            `json:"ConfigurationSetName"`
	Context    map[string]string `json:"Context"`
	TimeToLive *int              `json:"TimeToLive"`
	MaxPrice   string            `json:"MaxPrice"`
	DryRun     bool              `json:"DryRun"`
	Country    map[string]string `json:"DestinationCountryParameters"`
}

// NewAWS starts AWS End User Messaging SMS of a region, for one access key.
func NewAWS(tb testing.TB, region, id, secret string) *Fake {
	host := "sms-voice." + region + ".amazonaws.com"
	return newFake(tb, host, func(r Request, n int) (Answer, error) {
		switch {
		case r.Method != http.MethodPost || r.Path != "/":
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		case r.Header.Get("X-Amz-Target") != "PinpointSMSVoiceV2.SendTextMessage":
			return Answer{}, fmt.Errorf("the target is %q", r.Header.Get("X-Amz-Target"))
		case r.Header.Get("Content-Type") != "application/x-amz-json-1.0":
			return Answer{}, fmt.Errorf("the content type is %q", r.Header.Get("Content-Type"))
		case r.Header.Get("Authorization") != awsAuthorization(r, host, region, id, secret):
			return AWSError(400, "InvalidSignatureException", ""), nil
		}
		plain := r
		plain.Header = http.Header{"Content-Type": {"application/json"}}
		var m awsMessage
		if err := strictJSON(plain, &m); err != nil {
			return Answer{}, err
		}
		return Answer{Status: 200, Body: fmt.Sprintf(`{"MessageId":"00000000-0000-4000-8000-%012x"}`, n)}, m.allowed()
	})
}

// AWSError is a refusal.
func AWSError(status int, kind, reason string) Answer {
	return Answer{Status: status, Body: fmt.Sprintf(`{"__type":"com.amazonaws.pinpointsmsvoicev2#%s","Message":"no","Reason":%q}`, kind, reason)}
}

func (m awsMessage) allowed() error {
	switch {
	case !isE164(m.To):
		return errors.New("DestinationPhoneNumber is no number with its plus")
	case m.Text == "" || m.Type != "TRANSACTIONAL":
		return errors.New("MessageBody or MessageType is not right")
	case m.TimeToLive != nil && (*m.TimeToLive < 1 || *m.TimeToLive > 72*60*60):
		return errors.New("TimeToLive is not right")
	}
	for name, value := range m.Country {
		if !oneOf("IN_ENTITY_ID", "IN_TEMPLATE_ID")(name) || value == "" {
			return fmt.Errorf("DestinationCountryParameters has %q", name)
		}
	}
	return nil
}

// awsAuthorization is the header that a request must have, by what it says was
// signed: the host, the time and the target at least.
func awsAuthorization(r Request, host, region, id, secret string) string {
	_, list, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	list, _, _ = strings.Cut(list, ",")
	names := strings.Split(list, ";")
	canonical := "POST\n/\n\n"
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = host
		}
		canonical += name + ":" + value + "\n"
	}
	body := sha256.Sum256([]byte(r.Body))
	canonical += "\n" + list + "\n" + hex.EncodeToString(body[:])
	needed := []string{"content-type", "host", "x-amz-date", "x-amz-target"}
	if r.Header.Get("X-Amz-Security-Token") != "" {
		needed = append(needed, "x-amz-security-token")
	}
	for _, name := range needed {
		if !slices.Contains(names, name) {
			return "not signed: " + name
		}
	}
	at := r.Header.Get("X-Amz-Date")
	if len(at) != len("20060102T150405Z") || !slices.IsSorted(names) {
		return "no time, or names out of order"
	}
	key := []byte("AWS4" + secret)
	scope := at[:8] + "/" + region + "/sms-voice/aws4_request"
	sum := sha256.Sum256([]byte(canonical))
	for _, part := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n"+at+"\n"+scope+"\n"+hex.EncodeToString(sum[:])) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return "AWS4-HMAC-SHA256 Credential=" + id + "/" + scope + ", SignedHeaders=" + list + ", Signature=" + hex.EncodeToString(key)
}
