package gateway

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/gateway/gatewaytest"
)

// The example of the standard's own libraries.
const (
	hookID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	hookBody      = `{"test": 2432232314}`
	hookSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

var hookTime = time.Unix(1614265330, 0)

// otherSecret is a second one, as while the one follows the other.
var otherSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte("another key of 32 bytes, or so .."))

// hookPair gives an Ed25519 pair as Standard Webhooks writes it.
func hookPair() (private, public string) {
	key := ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes .....")[:ed25519.SeedSize])
	encode := base64.StdEncoding.EncodeToString
	return "whsk_" + encode(key), "whpk_" + encode(key.Public().(ed25519.PublicKey))
}

func mustKeys(t *testing.T, text string) hookKeys {
	t.Helper()
	keys, err := hookKeysOf(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestSignedAsTheStandardsExample(t *testing.T) {
	header := http.Header{}
	mustKeys(t, gatewaytest.HookSecret).sign(header, hookID, hookTime, []byte(hookBody))
	want := http.Header{"Webhook-Id": {hookID}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {hookSignature}}
	if fmt.Sprint(header) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", header, want)
	}
	if err := mustKeys(t, gatewaytest.HookSecret).check(want, hookTime, []byte(hookBody)); err != nil {
		t.Errorf("the example: %v", err)
	}
}

func TestSignaturesAreChecked(t *testing.T) {
	private, public := hookPair()
	both := gatewaytest.HookSecret + " " + otherSecret
	for name, c := range map[string]struct {
		sign, check string
		change      func(http.Header)
		later       time.Duration
		body        string
		fine        bool
	}{
		"one secret":             {sign: gatewaytest.HookSecret, check: gatewaytest.HookSecret, fine: true},
		"the new of two":         {sign: both, check: otherSecret, fine: true},
		"the old of two":         {sign: both, check: gatewaytest.HookSecret, fine: true},
		"two known":              {sign: otherSecret, check: both, fine: true},
		"a pair":                 {sign: private, check: public, fine: true},
		"a pair's seed":          {sign: seedOf(private), check: public, fine: true},
		"a pair and a secret":    {sign: private + "," + otherSecret, check: otherSecret, fine: true},
		"as Supabase writes it":  {sign: "v1," + otherSecret, check: "v1," + gatewaytest.HookSecret + "|v1," + otherSecret, fine: true},
		"another secret":         {sign: otherSecret, check: gatewaytest.HookSecret},
		"a secret for a pair":    {sign: gatewaytest.HookSecret, check: public},
		"another body":           {sign: otherSecret, check: otherSecret, body: hookBody + " "},
		"5 minutes late":         {sign: otherSecret, check: otherSecret, later: 5 * time.Minute, fine: true},
		"5 minutes early":        {sign: otherSecret, check: otherSecret, later: -5 * time.Minute, fine: true},
		"too late":               {sign: otherSecret, check: otherSecret, later: 301 * time.Second},
		"too early":              {sign: otherSecret, check: otherSecret, later: -301 * time.Second},
		"another id":             {sign: otherSecret, check: otherSecret, change: set("webhook-id", "x")},
		"no id":                  {sign: otherSecret, check: otherSecret, change: set("webhook-id", "")},
		"another time":           {sign: otherSecret, check: otherSecret, change: set("webhook-timestamp", "1614265331")},
		"no time":                {sign: otherSecret, check: otherSecret, change: set("webhook-timestamp", "")},
		"no signature":           {sign: otherSecret, check: otherSecret, change: set("webhook-signature", "")},
		"no base64":              {sign: otherSecret, check: otherSecret, change: set("webhook-signature", "v1,?")},
		"a version of the other": {sign: otherSecret, check: otherSecret, change: reversion},
		"far down a long list":   {sign: otherSecret, check: otherSecret, change: bury},
	} {
		header := http.Header{}
		mustKeys(t, c.sign).sign(header, hookID, hookTime, []byte(hookBody))
		if c.change != nil {
			c.change(header)
		}
		body := hookBody
		if c.body != "" {
			body = c.body
		}
		err := mustKeys(t, c.check).check(header, hookTime.Add(c.later), []byte(body))
		if c.fine != (err == nil) || err != nil && !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func set(name, value string) func(http.Header) {
	return func(h http.Header) { h.Set(name, value) }
}

func reversion(h http.Header) {
	h.Set("webhook-signature", strings.Replace(h.Get("webhook-signature"), "v1,", "v1a,", 1))
}

func bury(h http.Header) {
	h.Set("webhook-signature", strings.Repeat("v1,AAAA ", mostSignatures)+h.Get("webhook-signature"))
}

func seedOf(private string) string {
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(private, "whsk_"))
	return "whsk_" + base64.StdEncoding.EncodeToString(raw[:ed25519.SeedSize])
}

func TestKeysThatAreNone(t *testing.T) {
	private, public := hookPair()
	for _, text := range []string{
		"", " ", "v1", "whsec_", "whsec_canary", "whsec_" + strings.Repeat("A", 28), "whsec_" + strings.Repeat("A", 88),
		"canary-not-a-key-but-a-password-by-mistake", "whsk_AAAA", "whpk_AAAA", private[:len(private)-8] + "AAAAAAA=",
		strings.Repeat(otherSecret+" ", 5), public + " canary",
	} {
		keys, err := hookKeysOf(text)
		if err == nil {
			t.Errorf("%q made %d keys", text, len(keys))
			continue
		}
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("%q is repeated: %v", text, err)
		}
	}
	if mustKeys(t, public).canSign() {
		t.Error("a public key signs")
	}
}

func FuzzHookKeys(f *testing.F) {
	private, public := hookPair()
	f.Add(private)
	f.Add(public + "|v1," + gatewaytest.HookSecret)
	f.Add("whsec_")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := hookKeysOf(text)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		if err != nil || !keys.canSign() {
			return
		}
		header := http.Header{}
		keys.sign(header, "id", hookTime, []byte(text))
		if err := keys.check(header, hookTime, []byte(text)); err != nil {
			t.Fatalf("what was signed is forged: %v", err)
		}
	})
}
