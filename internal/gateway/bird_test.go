package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

const (
	birdTestWorkspace = "aaaaaaaa-0000-4000-8000-00000000000a"
	birdTestChannel   = "bbbbbbbb-0000-4000-8000-00000000000b"
	birdTestKey       = canarySecret + "-of-receipts"
	birdTestID        = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001"
)

var birdTestSettings = settings{"access_key": canarySecret, "workspace_id": birdTestWorkspace, "channel_id": birdTestChannel, "signing_key": birdTestKey}

func birdTestOptions(values settings) Options {
	o := kitOptions(SMS, values)
	o.From = nil
	return o
}

func birdTestSender(t *testing.T, o Options) (Sender, *gatewaytest.Fake) {
	fake := gatewaytest.NewBird(t, birdTestWorkspace, birdTestChannel, canarySecret)
	o.HTTP = fake.Toward(o.HTTP)
	return kitSender(t, "bird", o), fake
}

func TestBirdSends(t *testing.T) {
	s, fake := birdTestSender(t, birdTestOptions(birdTestSettings))
	sent, err := s.Send(t.Context(), kitText(t))
	if want := (Sent{ProviderRef: birdTestID}); err != nil || sent != want {
		t.Errorf("Send = %v, %v", sent, err)
	}
	const want = `{"receiver":{"contacts":[{"identifierKey":"phonenumber","identifierValue":"+4915112345678"}]},` +
		`"body":{"type":"text","text":{"text":"918273 is your code canary-text"}},"reference":"` + kitMessage + `"}`
	if got := fake.Last().Body; got != want {
		t.Errorf("asked\n%s, want\n%s", got, want)
	}
}

func TestBirdRefusals(t *testing.T) {
	s, fake := birdTestSender(t, birdTestOptions(birdTestSettings))
	kitRefusals(t, s, fake, append(byStatusAlone(`{"code":"918273","message":"no"}`), refusal{202, `{"id":"4915112345678"}`, Ambiguous, "", false}))
}

func TestBirdHostile(t *testing.T) {
	kitHostile(t, "bird", birdTestOptions(birdTestSettings), 202)
}

func TestBirdSettings(t *testing.T) {
	good := birdTestOptions(birdTestSettings)
	kitRedacts(t, kitSender(t, "bird", good))
	kitSettings(t, "bird", good, []settings{{"access_key": ""}, {"workspace_id": "no workspace"}, {"channel_id": "no channel"}, {"channel_id": ""}})
	kitFrom(t, "bird", good, map[string]string{"*": "ACME"})
}

func TestBirdChecks(t *testing.T) {
	s, fake := birdTestSender(t, birdTestOptions(birdTestSettings))
	if got := findings(s.Check(t.Context())); got != "reachability: fine\ncredentials: fine\nsender: fine\ncallback URL: fine" {
		t.Errorf("found\n%s", got)
	}
	if got := fake.Last().Body; got != "{}" {
		t.Errorf("asked %s", got)
	}
	s, _ = birdTestSender(t, birdTestOptions(birdTestSettings.with("access_key", "wrong", "signing_key", "")))
	got := findings(s.Check(t.Context()))
	if !strings.Contains(got, "credentials: refused") || !strings.Contains(got, "callback URL: no receipts") {
		t.Errorf("of wrong credentials: %s", got)
	}
}

// birdEvent is an event as Bird signs it.
func birdEvent(key string, at time.Time, body string) Callback {
	const to = "https://auth.example.com/receipts/own"
	sum := sha256.Sum256([]byte(body))
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%d\n%s\n%s", at.Unix(), to, sum[:])
	return Callback{
		Method: http.MethodPost, URL: to, Body: []byte(body), Now: kitNow,
		Header: http.Header{
			"Messagebird-Signature":         {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
			"Messagebird-Request-Timestamp": {fmt.Sprint(at.Unix())},
		},
	}
}

func birdStatus(status string) string {
	return `{"service":"channels","event":"sms.outbound","payload":{"id":"` + birdTestID + `","channelId":"` + birdTestChannel +
		`","reference":"` + kitMessage + `","status":"` + status + `"}}`
}

func TestBirdReceiptsAreSigned(t *testing.T) {
	good := func() Callback { return birdEvent(birdTestKey, kitNow, birdStatus("delivered")) }
	altered, later, elsewhere, port, unsigned := good(), good(), good(), good(), good()
	altered.Body = []byte(birdStatus("rejected"))
	later.Header.Set("messagebird-request-timestamp", fmt.Sprint(kitNow.Unix()+1))
	elsewhere.URL += "?m=1"
	port.URL = strings.Replace(port.URL, ".com/", ".com:443/", 1)
	unsigned.Header = http.Header{}
	for name, c := range map[string]struct {
		callback Callback
		fine     bool
	}{
		"as it is":          {good(), true},
		"with its port":     {port, true},
		"by the key before": {birdEvent("the one before", kitNow, birdStatus("delivered")), true},
		"five minutes old":  {birdEvent(birdTestKey, kitNow.Add(-5*time.Minute), birdStatus("delivered")), true},
		"older":             {birdEvent(birdTestKey, kitNow.Add(-301*time.Second), birdStatus("delivered")), false},
		"of the future":     {birdEvent(birdTestKey, kitNow.Add(301*time.Second), birdStatus("delivered")), false},
		"by another key":    {birdEvent("another", kitNow, birdStatus("delivered")), false},
		"of another body":   {altered, false},
		"of another time":   {later, false},
		"of another URL":    {elsewhere, false},
		"unsigned":          {unsigned, false},
	} {
		s := kitSender(t, "bird", birdTestOptions(birdTestSettings.with("signing_key_previous", "the one before")))
		got, err := s.Receipts(t.Context(), c.callback)
		if c.fine != (err == nil) || !c.fine && err != ErrForged {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if want := (Receipt{MessageID: kitMessage, ProviderRef: birdTestID, State: StateDelivered}); c.fine && got[0] != want {
			t.Errorf("%s: %+v, want %+v", name, got[0], want)
		}
	}
}

func TestBirdReceiptStates(t *testing.T) {
	s := kitSender(t, "bird", birdTestOptions(birdTestSettings))
	for status, want := range map[string]Receipt{
		"accepted": {State: StateAccepted}, "scheduled": {State: StateAccepted}, "processing": {State: StateAccepted}, "sent": {State: StateSent},
		"buffered": {State: StateSent}, "delivered": {State: StateDelivered}, "expired": {State: StateExpired, Class: Retry},
		"delivery_failed": {State: StateUndelivered, Class: Failover}, "sending_failed": {State: StateFailed, Class: Failover},
		"rejected": {State: StateFailed, Class: Failover}, "else": {State: StateUnknown},
	} {
		got, err := s.Receipts(t.Context(), birdEvent(birdTestKey, kitNow, birdStatus(status)))
		if err != nil || got[0].State != want.State || got[0].Class != want.Class {
			t.Errorf("%s: %+v, %v", status, got, err)
		}
	}
	for name, body := range map[string]string{
		"of another channel": strings.Replace(birdStatus("sent"), birdTestChannel, birdTestWorkspace, 1),
		"that came in":       strings.Replace(birdStatus("sent"), "outbound", "inbound", 1),
	} {
		if got, err := s.Receipts(t.Context(), birdEvent(birdTestKey, kitNow, body)); err != nil || len(got) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, body := range map[string]string{"no JSON": "<html>", "without a reference": strings.Replace(birdStatus("sent"), birdTestID, "4915112345678", 1)} {
		if got, err := s.Receipts(t.Context(), birdEvent(birdTestKey, kitNow, body)); err != errReceipt {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	got := birdEvent(birdTestKey, kitNow, birdStatus("sent"))
	got.Method = http.MethodGet
	if told, err := s.Receipts(t.Context(), got); err != errReceipt {
		t.Errorf("by GET: %+v, %v", told, err)
	}
	s = kitSender(t, "bird", birdTestOptions(birdTestSettings.with("signing_key", "")))
	if _, err := s.Receipts(t.Context(), birdEvent(birdTestKey, kitNow, "")); err != ErrNoReceipts {
		t.Errorf("without a key: %v", err)
	}
}

func FuzzBird(f *testing.F) {
	f.Add(202, `{"id":"`+birdTestID+`"}`)
	f.Add(200, birdStatus("delivered"))
	s := kitSender(f, "bird", birdTestOptions(birdTestSettings))
	f.Fuzz(func(t *testing.T, status int, body string) {
		sent, err := birdAnswer(answer{status: status, body: []byte(body)})
		if err != nil {
			refusalOf(t, err)
		} else if len(sent.ProviderRef) != 36 {
			t.Errorf("taken as %+v", sent)
		}
		receipts, err := s.Receipts(t.Context(), birdEvent(birdTestKey, kitNow, body))
		if err == ErrForged || err == nil && len(receipts) > 0 && len(receipts[0].ProviderRef) != 36 {
			t.Errorf("%v, %v", receipts, err)
		}
	})
}
