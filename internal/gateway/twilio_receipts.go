package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio signs with nothing else
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
)

var twilioStates = map[string]State{
	"queued": StateAccepted, "accepted": StateAccepted, "scheduled": StateAccepted, "sending": StateAccepted,
	"sent": StateSent, "delivered": StateDelivered, "read": StateDelivered,
	"undelivered": StateUndelivered, "failed": StateFailed, "canceled": StateFailed,
}

// twilioTooLate is the code of an undelivered message whose life was over.
const twilioTooLate = "30036"

// Receipts reads one status callback. It holds no time, so that an old one can be
// told again: it moves nothing back.
func (t *twilio) Receipts(_ context.Context, c Callback) ([]Receipt, error) {
	if t.Value("auth_token") == "" {
		return nil, ErrNoReceipts
	}
	if err := posted(c); err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(c.Body))
	if err != nil {
		return nil, errReceipt
	}
	if !t.signed(c, form) || form.Get("AccountSid") != t.Value("account_sid") {
		return nil, ErrForged
	}
	ref, code := form.Get("MessageSid"), form.Get("ErrorCode")
	if !twilioMessage.MatchString(ref) {
		return nil, errReceipt
	}
	state := stateOf(twilioStates, form.Get("MessageStatus"))
	if state == StateUndelivered && code == twilioTooLate {
		state = StateExpired
	}
	return []Receipt{{
		MessageID: ourID(queryOf(c).Get("m")), ProviderRef: ref, State: state,
		Class: classOfReceipt(state, twilioCodes, code), Code: cleanCode(code),
	}}, nil
}

// signed tells whether the signature is that of the account's token, or of the one
// before, over the URL and the fields. The URL counts with its port and without: what
// stands between may have added or taken it.
func (t *twilio) signed(c Callback, form url.Values) bool {
	got, err := base64.StdEncoding.DecodeString(c.Header.Get("X-Twilio-Signature"))
	if err != nil {
		return false
	}
	var fields strings.Builder
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range slices.Compact(slices.Sorted(slices.Values(form[name]))) {
			fields.WriteString(name + value)
		}
	}
	for _, secret := range []string{t.Value("auth_token"), t.Value("auth_token_previous")} {
		for _, to := range bothPorts(c.URL) {
			mac := hmac.New(sha1.New, []byte(secret))
			mac.Write([]byte(to + fields.String()))
			if secret != "" && hmac.Equal(mac.Sum(nil), got) {
				return true
			}
		}
	}
	return false
}

// bothPorts gives a URL as it is, and without its port or with the usual one of its
// scheme.
func bothPorts(raw string) []string {
	raw, _, _ = strings.Cut(raw, "#")
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		return []string{raw}
	}
	end := strings.IndexAny(rest+"/", "/?")
	host, path := rest[:end], rest[end:]
	if bare, _, has := cutPort(host); has {
		return []string{raw, scheme + "://" + bare + path}
	}
	port := map[string]string{"https": ":443", "http": ":80"}[scheme]
	return []string{raw, scheme + "://" + host + port + path}
}

// cutPort cuts the port off a host; the colons of an address in brackets are none.
func cutPort(host string) (bare, port string, has bool) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || i < strings.LastIndexByte(host, ']') {
		return host, "", false
	}
	return host[:i], host[i+1:], true
}
