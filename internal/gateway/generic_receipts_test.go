package gateway

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"testing"
)

const acmeEvents = `{"events":[{"reference":"m1","message":{"id":"a-1"},"status":{"name":"Delivered"}},` +
	`{"reference":"m2","message":{"id":77},"status":{"name":"rejected","code":"opted_out"}},` +
	`{"message":{"id":"a-3"},"status":{"name":"lost in space","code":"+4915112345678"}}]}`

// acmeReceipts gives acme's sender a body, signed.
func acmeReceipts(t *testing.T, body, key, prefix string) ([]Receipt, error) {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return documentedSender(t, "acme", NewHTTPClient()).Receipts(t.Context(), Callback{
		Method: http.MethodPost, URL: "https://auth.example.com/receipts/acme?m=another", Body: []byte(body),
		Header: http.Header{"X-Acme-Signature": {prefix + hex.EncodeToString(mac.Sum(nil))}}, Now: hookTime,
	})
}

func TestGenericReceiptsOfJSON(t *testing.T) {
	want := []Receipt{
		{MessageID: "m1", ProviderRef: "a-1", State: StateDelivered},
		{MessageID: "m2", ProviderRef: "77", State: StateUndelivered, Class: Final, Code: "opted_out"},
		{ProviderRef: "a-3", State: StateUnknown},
	}
	for _, prefix := range []string{"", "sha256="} {
		got, err := acmeReceipts(t, acmeEvents, "canary-webhook-secret", prefix)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if got, err := acmeReceipts(t, acmeEvents, "another-webhook-secret", ""); !errors.Is(err, ErrForged) {
		t.Errorf("forged: %+v, %v", got, err)
	}
	for _, body := range []string{
		"", "{}", `{"events":{}}`, `{"events":[{}]}`, `{"events":[7]}`, `[]`, acmeEvents + "x", `{"events":[{"status":{"name":"delivered"}}]}`,
		`{"events":[{"reference":"m1","status":{"name":{}}}]}`,
	} {
		if got, err := acmeReceipts(t, body, "canary-webhook-secret", ""); err == nil || errors.Is(err, ErrForged) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestGenericReceiptsOfAURL(t *testing.T) {
	s := documentedSender(t, "ceylontext", NewHTTPClient())
	const token = "&t=canary-token-of-thirty-two-letters"
	for query, want := range map[string]*Receipt{
		"m=m1&msgid=1001&stat=DELIVRD" + token:     {MessageID: "m1", ProviderRef: "1001", State: StateDelivered},
		"m=m1&stat=undeliv&err=12" + token:         {MessageID: "m1", State: StateUndelivered, Class: Final, Code: "12"},
		"msgid=1001&stat=REJECTD&err=5" + token:    {ProviderRef: "1001", State: StateFailed, Class: Failover, Code: "5"},
		"msgid=1001&stat=EXPIRED" + token:          {ProviderRef: "1001", State: StateExpired, Class: Retry},
		"m=m1&msgid=1001" + token:                  nil,
		"stat=DELIVRD" + token:                     nil,
		"m=a%20b&stat=DELIVRD" + token:             nil,
		"m=m1&stat=DELIVRD":                        nil,
		"m=m1&stat=DELIVRD&t=":                     nil,
		"m=m1&stat=DELIVRD&t=canary-token-of-thir": nil,
	} {
		got, err := s.Receipts(t.Context(), Callback{Method: http.MethodGet, URL: "https://auth.example.com/receipts/ceylontext?" + query, Header: http.Header{}, Now: hookTime})
		switch values, _ := url.ParseQuery(query); {
		case want != nil && (err != nil || !reflect.DeepEqual(got, []Receipt{*want})):
			t.Errorf("%s: got %+v, %v", query, got, err)
		case want == nil && (err == nil || errors.Is(err, ErrForged) != (len(values.Get("t")) < 32)):
			t.Errorf("%s: got %+v, %v", query, got, err)
		}
	}
}

// formSender takes receipts as forms, proven in a way of its own.
func formSender(t *testing.T, values map[string]string) Sender {
	t.Helper()
	all := map[string]string{
		"url": "https://sms.example.com/?to={{to}}&text={{text}}", "method": "GET",
		"receipt_ref_at": "id", "receipt_state_at": "s", "receipt_states": `{"1":"delivered"}`,
	}
	for name, value := range values {
		all[name] = value
	}
	return hookSender(t, "http", NewHTTPClient(), all)
}

func TestGenericReceiptsAreProven(t *testing.T) {
	const body, other = "id=r1&s=1", "another:secret-of-sixteen-letters"
	sha1Of := func(key string) string {
		mac := hmac.New(sha1.New, []byte(key))
		mac.Write([]byte(body))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	signed := formSender(t, map[string]string{"receipt_auth": "hmac", "receipt_signature": "sha1 base64 X-Sig", "receipt_secret": "secret-of-sixteen-letters " + other})
	paired := formSender(t, map[string]string{"receipt_auth": "basic", "receipt_secret": "user:secret-of-16 " + other})
	for _, c := range []struct {
		s             Sender
		header, value string
		fine          bool
	}{
		{signed, "X-Sig", sha1Of("secret-of-sixteen-letters"), true},
		{signed, "X-Sig", "sha1=" + sha1Of(other), true},
		{signed, "X-Sig", sha1Of("secret"), false},
		{signed, "X-Sig", "", false},
		{signed, "X-Sig", "?", false},
		{signed, "Authorization", basic(other), false},
		{paired, "Authorization", basic("user:secret-of-16"), true},
		{paired, "Authorization", basic(other), true},
		{paired, "Authorization", basic("user:secret-of-1"), false},
		{paired, "Authorization", "Basic ", false},
		{paired, "Authorization", "", false},
	} {
		got, err := c.s.Receipts(t.Context(), Callback{
			Method: http.MethodPost, URL: "https://auth.example.com/receipts/acme?m=another", Header: http.Header{c.header: {c.value}}, Body: []byte(body), Now: hookTime,
		})
		if c.fine && (err != nil || len(got) != 1 || got[0].ProviderRef != "r1" || got[0].State != StateDelivered) || !c.fine && !errors.Is(err, ErrForged) {
			t.Errorf("%s %q: %+v, %v", c.header, c.value, got, err)
		}
		// A signature over the body says nothing of the URL.
		if c.fine && (got[0].MessageID == "another") != (c.s == paired) {
			t.Errorf("%s %q: of the message %q", c.header, c.value, got[0].MessageID)
		}
	}
	if _, err := formSender(t, map[string]string{"receipt_state_at": "", "receipt_ref_at": "", "receipt_states": ""}).Receipts(t.Context(), Callback{}); !errors.Is(err, ErrNoReceipts) {
		t.Errorf("without receipts: %v", err)
	}
}

func FuzzGenericReceipts(f *testing.F) {
	f.Add([]byte(acmeEvents))
	f.Add([]byte(`{"events":[[[`))
	path := func(text string) []string {
		steps, err := parsePath(text)
		if err != nil {
			f.Fatal(err)
		}
		return steps
	}
	r := genericReceipts{format: "json", list: path("events"), state: path("status.name"), ref: path("message.id")}
	f.Fuzz(func(t *testing.T, body []byte) {
		finders, err := r.read(Callback{Body: body})
		if err != nil && finders != nil {
			t.Fatal("receipts beside an error")
		}
		for _, find := range finders {
			find(r.state)
			find(r.code)
		}
	})
}
