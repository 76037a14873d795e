package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
	"github.com/countersign/countersign/internal/phone"
	"github.com/google/go-cmp/cmp"
)

// The message of the kit as providers are to get it, and where its receipts come in.
const (
	kitBody     = canaryCode + " is your code " + canaryText
	kitReceipts = "https://auth.example.com/receipts/own"
)

// fine is what Check finds where nothing is wrong.
const fine = "reachability: fine\ncredentials: fine\nsender: fine\ncallback URL: fine"

// kitDLT are ids of India's registry, and kitIndian a message to there.
var kitDLT = map[string]DLT{"*": {"1101000000000000001", "1107000000000000002"}}

func kitIndian(t testing.TB) Message {
	t.Helper()
	to, err := phone.FromE164("+919876543210")
	if err != nil {
		t.Fatal(err)
	}
	m := kitText(t)
	m.To, m.Country = to, "IN"
	return m
}

// golden sends a message and compares what the provider was asked and what is told
// of it.
func golden(t *testing.T, fake *gatewaytest.Fake, s Sender, m Message, body string, want Sent) {
	t.Helper()
	sent, err := s.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(body, fake.Last().Body); diff != "" {
		t.Errorf("the request:\n%s", diff)
	}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("what is told of it:\n%s", diff)
	}
}

// withoutSender wants a message refused to a country that has no sender.
func withoutSender(t *testing.T, kind string, o Options) {
	t.Helper()
	o.From = map[string]string{"FR": "ACME"}
	_, err := kitSender(t, kind, o).Send(t.Context(), kitText(t))
	if e := refusalOf(t, err); e.Class != Failover || e.Code != "no_sender" {
		t.Errorf("without a sender for the country: %v", err)
	}
}

// received reads a callback that must be good.
func received(t *testing.T, s Sender, c Callback) []Receipt {
	t.Helper()
	got, err := s.Receipts(t.Context(), c)
	if err != nil {
		t.Fatalf("%s %s: %v", c.URL, c.Body, err)
	}
	return got
}

// forged wants a callback refused as such, as it is and after each of the changes.
func forged(t *testing.T, s Sender, name string, c Callback) {
	t.Helper()
	if got, err := s.Receipts(t.Context(), c); !errors.Is(err, ErrForged) {
		t.Errorf("%s: %v, %v", name, got, err)
	}
}

// altered gives a copy of a callback that is changed.
func altered(c Callback, by func(*Callback)) Callback {
	c.Header, c.Body = c.Header.Clone(), slices.Clone(c.Body)
	by(&c)
	return c
}

// unreadable wants callbacks refused that are the provider's and hold no receipt.
func unreadable(t *testing.T, s Sender, all ...Callback) {
	t.Helper()
	for _, c := range all {
		if got, err := s.Receipts(t.Context(), c); err == nil || errors.Is(err, ErrForged) || errors.Is(err, ErrNoReceipts) {
			t.Errorf("%s %s: %v, %v", c.Method, c.Body, got, err)
		}
	}
}

func hmacBase64(secret string, text ...string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(strings.Join(text, "")))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// sound fails where an answer was read as anything but a message taken or refused
// by the rules.
func sound(t *testing.T, sent Sent, err error) {
	t.Helper()
	if err == nil {
		if !fitRef(sent.ProviderRef) || sent.Segments < 0 {
			t.Fatalf("taken as %+v", sent)
		}
		return
	}
	e := refusalOf(t, err)
	if !slices.Contains([]Class{Retry, Failover, Final, Ambiguous}, e.Class) || e.Code != cleanCode(e.Code) || e.Cause == nil {
		t.Fatalf("refused by %#v", err)
	}
}

// soundReceipts fails where receipts are none by the rules.
func soundReceipts(t *testing.T, all []Receipt, err error) {
	t.Helper()
	if err != nil && len(all) > 0 {
		t.Fatalf("%v, and %v", all, err)
	}
	states := []State{StateAccepted, StateSent, StateUnknown, StateDelivered, StateUndelivered, StateFailed, StateExpired}
	for _, r := range all {
		classes := []Class{""}
		if r.State == StateUndelivered || r.State == StateFailed || r.State == StateExpired {
			classes = []Class{Retry, Failover, Final}
		}
		if !fitRef(r.ProviderRef) || !slices.Contains(states, r.State) || !slices.Contains(classes, r.Class) ||
			r.Code != cleanCode(r.Code) || r.MessageID != ourID(r.MessageID) {
			t.Fatalf("a receipt %+v", r)
		}
	}
}
