package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	receiptSkew   = 5 * time.Minute // between a provider's clock and ours
	shortestToken = 32              // characters of receipt_token
)

// errReceipt is a callback that is the provider's and cannot be read.
var errReceipt = errors.New("the receipt cannot be read")

// receiptTokens are the settings of providers that sign nothing: whoever knows
// the token may tell receipts.
func receiptTokens() []Setting {
	return []Setting{
		{Name: "receipt_token", Secret: true, Doc: "32 characters or more, by chance: part of the URL at which receipts come in, since this provider does not sign them; without it none are asked for"},
		{Name: "receipt_token_previous", Secret: true, Doc: "the token before, taken as well while messages sent under it are on their way"},
	}
}

// checkTokens refuses tokens that could be guessed.
func (o Options) checkTokens() error {
	for _, name := range []string{"receipt_token", "receipt_token_previous"} {
		if v := o.Value(name); v != "" && len(v) < shortestToken {
			return &SettingError{Setting: name, Problem: "must have 32 characters or more"}
		}
	}
	return nil
}

// callbackURL is where receipts of a message come in: it names the message, and
// holds the receipt token where one is set. "" where none are asked for.
func (o Options) callbackURL(id string) string {
	if o.ReceiptURL == "" {
		return ""
	}
	query := url.Values{"m": {id}}
	if token := o.Value("receipt_token"); token != "" {
		query.Set("t", token)
	}
	return o.ReceiptURL + "?" + query.Encode()
}

// knowsToken tells whether a callback's URL holds one of the receipt tokens.
func (o Options) knowsToken(c Callback) bool {
	known := 0
	got := queryOf(c).Get("t")
	for _, name := range []string{"receipt_token", "receipt_token_previous"} {
		if token := o.Value(name); token != "" {
			known |= subtle.ConstantTimeCompare([]byte(got), []byte(token))
		}
	}
	return known == 1
}

// queryOf gives the parameters of a callback's URL; none where it cannot be read.
func queryOf(c Callback) url.Values {
	u, err := url.Parse(c.URL)
	if err != nil {
		return url.Values{}
	}
	return u.Query()
}

// fresh tells whether a callback's time, in seconds since 1970, is near now.
func fresh(seconds string, now time.Time) bool {
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return false
	}
	age := now.Sub(time.Unix(at, 0))
	return age <= receiptSkew && age >= -receiptSkew
}

// signedBy tells whether a base64 signature is the HMAC-SHA256 of the text under
// one of the settings named, of which those not set are no key.
func (o Options) signedBy(signature string, text []byte, secrets ...string) bool {
	got, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	for _, name := range secrets {
		secret := o.Value(name)
		if secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(text)
		if hmac.Equal(mac.Sum(nil), got) {
			return true
		}
	}
	return false
}

// posted refuses callbacks of another method.
func posted(c Callback) error {
	if c.Method != http.MethodPost {
		return errReceipt
	}
	return nil
}

// timeOf reads a provider's time; what it cannot read is the zero time.
func timeOf(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// stateOf gives the state that a provider's word stands for; StateUnknown of a
// word that its document does not have.
func stateOf(states map[string]State, word string) State {
	if state, ok := states[word]; ok {
		return state
	}
	return StateUnknown
}

// ourID gives our own id as a provider repeats it; "" for what cannot be one.
func ourID(text string) string {
	if !fitRef(text) {
		return ""
	}
	return text
}
