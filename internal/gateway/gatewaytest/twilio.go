package gatewaytest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// NewTwilio starts Twilio's message API for an account, which is entered with one of
// the secrets by user name (the account or an API key).
func NewTwilio(tb testing.TB, account string, secrets map[string]string) *Fake {
	root := "/2010-04-01/Accounts/" + account
	return newFake(tb, "api.twilio.com", func(r Request, n int) (Answer, error) {
		message, poll := strings.CutPrefix(r.Path, root+"/Messages/")
		switch {
		case r.Method == http.MethodPost && r.Path == root+"/Messages.json":
		case r.Method == http.MethodGet && poll && isID("SM")(strings.TrimSuffix(message, ".json")):
			if !basic(r, secrets) {
				return twilioError(401, 20003), nil
			}
			return twilioError(404, 20404), nil
		default:
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		if err := twilioMessage(r); err != nil {
			return Answer{}, err
		}
		if !basic(r, secrets) {
			return twilioError(401, 20003), nil
		}
		return Answer{Status: 201, Body: fmt.Sprintf(`{"sid":"SM%032x","status":"queued","error_code":null,"error_message":null,`+
			`"num_segments":"1","to":"+","from":"+","date_created":"Thu, 30 Jul 2026 20:12:31 +0000"}`, n)}, nil
	})
}

func twilioError(status, code int) Answer {
	return Answer{Status: status, Body: fmt.Sprintf(
		`{"code":%d,"message":"no","more_info":"https://www.twilio.com/docs/errors/%d","status":%d}`, code, code, status)}
}

// twilioMessage judges the fields of a sending.
func twilioMessage(r Request) error {
	whatsApp := strings.Contains(r.Body, "whatsapp%3A")
	isNumber := func(s string) bool {
		number, prefixed := strings.CutPrefix(s, "whatsapp:")
		return isE164(number) && prefixed == whatsApp
	}
	values, err := form(r, map[string]field{
		"To": must(isNumber),
		"From": may(func(s string) bool {
			return isNumber(s) || !whatsApp && (isAlphanumeric(s) || isDigits(s) && len(s) <= 8)
		}),
		"MessagingServiceSid": may(isID("MG")),
		"Body":                may(func(s string) bool { return s != "" && len([]rune(s)) <= 1600 }),
		"StatusCallback":      may(func(s string) bool { return isHTTPS(s) && !strings.Contains(strings.Split(s, "/")[2], "_") }),
		"ValidityPeriod":      may(isWhole(1, 36000)),
		"SmartEncoded":        may(oneOf("true", "false")),
		"RiskCheck":           may(oneOf("enable", "disable")),
		"ContentSid":          may(isID("HX")),
		"ContentVariables":    may(func(s string) bool { return strings.HasPrefix(s, `{"1":"`) }),
	})
	switch {
	case err != nil:
		return err
	case values.Has("From") == values.Has("MessagingServiceSid"):
		return errors.New("it needs one of From and MessagingServiceSid")
	case values.Has("Body") == values.Has("ContentSid"), whatsApp != values.Has("ContentSid"):
		return errors.New("it needs a Body, or on WhatsApp a ContentSid")
	case values.Has("ContentVariables") && !values.Has("ContentSid"):
		return errors.New("ContentVariables without ContentSid")
	}
	return nil
}

// NewTwilioVerify starts Twilio's Verify for a service.
func NewTwilioVerify(tb testing.TB, service string, secrets map[string]string) *Fake {
	root := "/v2/Services/" + service
	return newFake(tb, "verify.twilio.com", func(r Request, n int) (Answer, error) {
		isCode := func(s string) bool { return len(s) >= 4 && len(s) <= 10 }
		fields := map[string]field{"To": must(isE164), "Code": must(isCode)}
		switch {
		case r.Method == http.MethodPost && r.Path == root+"/VerificationCheck":
		case r.Method == http.MethodPost && r.Path == root+"/Verifications":
			fields = map[string]field{
				"To":         must(isE164),
				"Channel":    must(oneOf("sms", "whatsapp", "call")),
				"CustomCode": must(isCode),
				"Locale":     may(func(s string) bool { return len(s) >= 2 && len(s) <= 5 }),
				"AppHash":    may(func(s string) bool { return len(s) == 11 }),
			}
		default:
			return Answer{}, fmt.Errorf("%s %s", r.Method, r.Path)
		}
		values, err := form(r, fields)
		if err != nil {
			return Answer{}, err
		}
		switch {
		case !basic(r, secrets):
			return twilioError(401, 20003), nil
		case values.Has("Code"):
			return twilioError(404, 20404), nil
		}
		return Answer{Status: 201, Body: fmt.Sprintf(`{"sid":"VE%032x","status":"pending","valid":false}`, n)}, nil
	})
}

// basic tells whether a request has the header of basic authentication, with one of
// the secrets by user name.
func basic(r Request, secrets map[string]string) bool {
	encoded, found := strings.CutPrefix(r.Header.Get("Authorization"), "Basic ")
	plain, err := base64.StdEncoding.DecodeString(encoded)
	user, secret, _ := strings.Cut(string(plain), ":")
	want, known := secrets[user]
	return found && err == nil && known && want == secret
}
