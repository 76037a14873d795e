package gateway

import (
	"errors"
	"strings"
	"testing"
)

func TestGenericSettings(t *testing.T) {
	good := map[string]string{
		"url": "https://sms.example.com/{{to_digits}}?k={{key}}", "content_type": "application/json", "body": `{"t":"{{text}}"}`, "key": "k",
	}
	receipts := map[string]string{
		"receipt_state_at": "s", "receipt_states": `{"1":"delivered"}`, "receipt_ref_at": "r", "receipt_token": strings.Repeat("t", 32),
	}
	for _, c := range []struct {
		setting string // that is refused; "" for none
		change  map[string]string
	}{
		{"", nil},
		{"", map[string]string{"content_type": "application/json; charset=UTF-8", "method": "PUT", "auth": "header X-Api-Key", "encodings": "0,8", "check_url": "https://sms.example.com/balance"}},
		{"", map[string]string{"content_type": "text/xml", "body": `<?xml version="1.0"?><m to="{{to}}">{{text}}</m>`}},
		{"", map[string]string{"content_type": "application/x-www-form-urlencoded", "body": "to={{to}}&text={{text}}"}},
		{"", map[string]string{"headers": `{"X-To":"{{to}}","X-Sum":"{{id}}-{{key}}"}`, "auth": "basic", "user": "u", "password": "p"}},
		{"", receipts},
		{"url", map[string]string{"url": ""}},
		{"url", map[string]string{"url": "http://sms.example.com/"}},
		{"url", map[string]string{"url": "https://{{country}}.example.com/"}},
		{"url", map[string]string{"url": "https://sms.example.com:{{to_digits}}/"}},
		{"url", map[string]string{"url": "{{from}}://sms.example.com/"}},
		{"url", map[string]string{"url": "https://{{user}}:{{password}}@sms.example.com/"}},
		{"url", map[string]string{"url": "https://sms.example.com/{{text}}"}},
		{"url", map[string]string{"url": "https://sms.example.com/{{from}}/x"}},
		{"url", map[string]string{"url": "https://sms.example.com/?x={{canary}}"}},
		{"url", map[string]string{"url": "https://sms.example.com/?x={{canary-with-spaces and more}}"}},
		{"url", map[string]string{"url": "https://sms.example.com/?x={{to"}},
		{"url", map[string]string{"url": "https://sms.example.com/#{{to}}"}},
		{"url", map[string]string{"url": "https://10.0.0.1/"}},
		{"method", map[string]string{"method": "get"}},
		{"body", map[string]string{"method": "GET"}},
		{"content_type", map[string]string{"content_type": ""}},
		{"content_type", map[string]string{"content_type": "image/png"}},
		{"content_type", map[string]string{"content_type": "application/json; charset=latin1"}},
		{"content_type", map[string]string{"body": ""}},
		{"body", map[string]string{"body": `{"t":"{{text}}"`}},
		{"body", map[string]string{"body": `{"t":"canary"}`}},
		{"body", map[string]string{"body": `{t:"{{text}}"}`}},
		{"body", map[string]string{"body": `{"t":"{{tex}}"}`}},
		{"body", map[string]string{"content_type": "application/xml", "body": `<m><![CDATA[{{text}}]]></m>`}},
		{"body", map[string]string{"content_type": "application/xml", "body": `<m to={{to}}>{{text}}</m>`}},
		{"body", map[string]string{"content_type": "application/xml", "body": `<m>{{text}}`}},
		{"body", map[string]string{"content_type": "application/xml", "body": `<{{from}}>{{text}}</m>`}},
		{"body", map[string]string{"content_type": "application/x-www-form-urlencoded", "body": "to={{to}}\n&text={{text}}"}},
		{"body", map[string]string{"content_type": "application/x-www-form-urlencoded", "body": "to={{to}}&text=%zz{{text}}"}},
		{"body", map[string]string{"url": "https://sms.example.com/"}},
		{"headers", map[string]string{"headers": "X-To: {{to}}"}},
		{"headers", map[string]string{"headers": `{"X To":"1"}`}},
		{"headers", map[string]string{"headers": `{"host":"canary"}`}},
		{"headers", map[string]string{"headers": `{"Content-Length":"7"}`}},
		{"headers", map[string]string{"headers": `{"X-A":"1\r\nX-B: canary"}`}},
		{"headers", map[string]string{"headers": `{"X-A":"{{text}}"}`}},
		{"headers", map[string]string{"headers": `{"X-A":"{{code}}"}`}},
		{"auth", map[string]string{"auth": "basic", "user": "u"}},
		{"auth", map[string]string{"auth": "bearer", "key": ""}},
		{"auth", map[string]string{"auth": "header Host"}},
		{"auth", map[string]string{"auth": "header"}},
		{"auth", map[string]string{"auth": "digest"}},
		{"key", map[string]string{"auth": "bearer", "key": "canary\n"}},
		{"encodings", map[string]string{"encodings": "0"}},
		{"check_url", map[string]string{"check_url": "https://elsewhere.example.com/"}},
		{"check_url", map[string]string{"check_url": "http://sms.example.com/"}},
		{"success_status", map[string]string{"success_status": "200,302"}},
		{"success_at", map[string]string{"success_at": "messages.0"}},
		{"success_at", map[string]string{"success_at": "json:"}},
		{"success_at", map[string]string{"success_at": "json:a..b"}},
		{"success_at", map[string]string{"success_at": "json:a[x]"}},
		{"success_at", map[string]string{"success_at": "json:a[0]b"}},
		{"success_at", map[string]string{"success_at": "re:OK"}},
		{"success_at", map[string]string{"success_at": "re:(OK"}},
		{"success_at", map[string]string{"success_at": "re:(O)(K)"}},
		{"success_at", map[string]string{"success_at": "re:(" + strings.Repeat("a", 600) + ")"}},
		{"success_values", map[string]string{"success_values": "0"}},
		{"cost_currency", map[string]string{"cost_at": "json:cost"}},
		{"cost_currency", map[string]string{"cost_at": "json:cost", "cost_currency": "euro"}},
		{"unknown_setting", map[string]string{"unknown_setting": "canary"}},
		{"receipt_token", with(receipts, "receipt_token", "")},
		{"receipt_token", with(receipts, "receipt_token", "canary")},
		{"receipt_states", with(receipts, "receipt_states", `{"1":"read"}`)},
		{"receipt_states", with(receipts, "receipt_states", "")},
		{"receipt_states", with(receipts, "receipt_states", "1=delivered")},
		{"receipt_format", with(receipts, "receipt_format", "xml")},
		{"receipt_ref_at", with(with(receipts, "receipt_format", "json"), "receipt_ref_at", "a b.[")},
		{"receipt_list_at", with(receipts, "receipt_list_at", "events")},
		{"receipt_list_at", with(with(with(receipts, "receipt_format", "json"), "receipt_list_at", "[]"), "receipt_ref_at", "")},
		{"receipt_auth", with(receipts, "receipt_auth", "none")},
		{"receipt_secret", with(receipts, "receipt_auth", "hmac")},
		{"receipt_secret", with(with(receipts, "receipt_auth", "basic"), "receipt_secret", "canary-of-sixteen-letters")},
		{"receipt_secret", with(with(receipts, "receipt_auth", "hmac"), "receipt_secret", "canary")},
		{"receipt_signature", with(with(receipts, "receipt_auth", "hmac"), "receipt_secret", "canary-of-sixteen-letters")},
		{"receipt_signature", with(with(with(receipts, "receipt_auth", "hmac"), "receipt_secret", "canary-of-sixteen-letters"), "receipt_signature", "md5 hex X-Sig")},
		{"receipt_auth", with(with(with(receipts, "receipt_auth", "hmac"), "receipt_secret", "canary-of-sixteen-letters"), "receipt_format", "query")},
		{"receipt_auth", with(with(with(receipts, "receipt_auth", "hmac"), "receipt_secret", "canary-of-sixteen-letters"), "receipt_ref_at", "")},
		{"receipt_auth", map[string]string{"receipt_auth": "hmac"}},
	} {
		values := good
		for name, value := range c.change {
			values = with(values, name, value)
		}
		_, err := New("http", Options{Channel: SMS, Values: secrets(values), HTTP: NewHTTPClient()})
		var wrong *SettingError
		if !errors.As(err, &wrong) {
			wrong = &SettingError{}
		}
		if wrong.Setting != c.setting || strings.Contains(wrong.Problem, "canary-") || strings.Contains(wrong.Problem, "X-B") {
			t.Errorf("%v: got %v", c.change, err)
		}
	}
	twice := with(with(good, "retry_codes", "1,2"), "final_codes", "2")
	if _, err := New("http", Options{Channel: SMS, Values: secrets(twice), HTTP: NewHTTPClient()}); err == nil {
		t.Error("a code stands in two lists")
	}
}

// with is a copy of values with another one in it.
func with(values map[string]string, name, value string) map[string]string {
	all := map[string]string{name: value}
	for n, v := range values {
		if n != name {
			all[n] = v
		}
	}
	return all
}
