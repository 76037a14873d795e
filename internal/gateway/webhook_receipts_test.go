package gateway

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

// receive gives a callback, signed by a secret, to a webhook's sender.
func receive(t *testing.T, s Sender, secret, body string) ([]Receipt, error) {
	t.Helper()
	return s.Receipts(t.Context(), Callback{
		Method: http.MethodPost, URL: "https://auth.example.com/receipts/acme",
		Header: gatewaytest.HookHeader(secret, "evt_1", hookTime, []byte(body)), Body: []byte(body), Now: hookTime,
	})
}

func TestWebhookReceipts(t *testing.T) {
	s := hookSender(t, "webhook", NewHTTPClient(), map[string]string{"url": "https://hooks.example.com/", "secret": gatewaytest.HookSecret})
	at := time.Date(2021, 2, 25, 15, 2, 9, 0, time.UTC)
	for body, want := range map[string][]Receipt{
		`{"message_id":"m1","state":"delivered","class":"final"}`: {{MessageID: "m1", State: StateDelivered}},
		` {"ref":"r1","state":"undelivered","class":"final","code":"30005","at":"2021-02-25T15:02:09Z","cost":{"amount":0.01,"currency":"EUR"}}`: {
			{ProviderRef: "r1", State: StateUndelivered, Class: Final, Code: "30005", At: at, Cost: &Price{10_000, "EUR"}}},
		`{"ref":"r1","state":"failed","class":"ambiguous","code":"no such +491511234","extra":{"x":[1]}}`: {{ProviderRef: "r1", State: StateFailed, Class: Failover}},
		"\n[{\"message_id\":\"m1\",\"ref\":\"r1\",\"state\":\"accepted\"},{\"ref\":\"r2\",\"state\":\"expired\"}]": {
			{MessageID: "m1", ProviderRef: "r1", State: StateAccepted}, {ProviderRef: "r2", State: StateExpired, Class: Retry}},
		`[]`: nil,
	} {
		got, err := receive(t, s, gatewaytest.HookSecret, body)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
}

func TestWebhookReceiptsThatAreNone(t *testing.T) {
	s := hookSender(t, "webhook", NewHTTPClient(), map[string]string{"url": "https://hooks.example.com/", "secret": gatewaytest.HookSecret})
	for _, body := range []string{
		"", "null", "{}", "7", "{", `"canary"`, `{"state":"delivered"}`, `{"message_id":"m1"}`, `{"message_id":"m1","state":"read"}`,
		`{"message_id":"m 1","state":"delivered"}`, `{"message_id":"m1","state":"delivered","at":"yesterday"}`,
		`{"message_id":"m1","state":"delivered"},{"message_id":"m2"}`, "[" + strings.Repeat(`{"ref":"r","state":"sent"},`, mostReceipts) + `{"ref":"r","state":"sent"}]`,
		// One of our own calls, sent back to us.
		`{"id":"m1","type":"message.send","timestamp":"2021-02-25T15:02:07Z","data":{"message_id":"m1","channel":"sms"}}`,
	} {
		got, err := receive(t, s, gatewaytest.HookSecret, body)
		if err == nil || errors.Is(err, ErrForged) || errors.Is(err, ErrNoReceipts) {
			t.Errorf("%.80s: %+v, %v", body, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("repeated: %v", err)
		}
	}
}

func TestWebhookReceiptsAreSigned(t *testing.T) {
	private, public := hookPair()
	const body = `{"message_id":"m1","state":"delivered"}`
	for name, c := range map[string]struct {
		secret, receipt, signed string
		want                    error
	}{
		"by the shared secret":      {gatewaytest.HookSecret, "", gatewaytest.HookSecret, nil},
		"by the old shared secret":  {otherSecret + " " + gatewaytest.HookSecret, "", gatewaytest.HookSecret, nil},
		"by another":                {gatewaytest.HookSecret, "", otherSecret, ErrForged},
		"by its own":                {gatewaytest.HookSecret, otherSecret, otherSecret, nil},
		"by ours, having its own":   {gatewaytest.HookSecret, otherSecret, gatewaytest.HookSecret, ErrForged},
		"by a secret, having a key": {private, public, gatewaytest.HookSecret, ErrForged},
		"having none":               {private, "", gatewaytest.HookSecret, ErrNoReceipts},
	} {
		s := hookSender(t, "webhook", NewHTTPClient(), map[string]string{"url": "https://hooks.example.com/", "secret": c.secret, "receipt_secret": c.receipt})
		if _, err := receive(t, s, c.signed, body); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzWebhookReceipts(f *testing.F) {
	f.Add([]byte(`{"message_id":"m1","state":"delivered","at":"2021-02-25T15:02:09Z","cost":{"amount":"1.5","currency":"EUR"}}`))
	f.Add([]byte(`[{"ref":"r"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		receipts, err := hookReceipts(body)
		if err != nil && receipts != nil {
			t.Fatal("receipts beside an error")
		}
		for _, r := range receipts {
			if r.MessageID == "" && r.ProviderRef == "" || len(r.ProviderRef) > 128 || r.Cost != nil && r.Cost.Amount < 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}
