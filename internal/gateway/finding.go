package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// probed tells what the answer to a call that no provider can send, since it
// holds no message, says of the way to the provider and of the credentials.
func probed(a answer, err error) []Finding {
	var e *SendError
	if errors.As(err, &e) {
		return []Finding{{What: "reachability", Problem: fmt.Sprintf("no answer (%v); look at the network and the name service", e.Cause)}}
	}
	credentials := Finding{What: "credentials"}
	switch {
	case a.status == 401 || a.status == 403:
		credentials.Problem = fmt.Sprintf("refused with HTTP status %d; look at the account and its key", a.status)
	case a.success(), a.status == 400, a.status == 422:
		credentials.OK = true
	default:
		credentials.Problem = fmt.Sprintf("not told: HTTP status %d; look at the account and its address, and try again", a.status)
	}
	return []Finding{{What: "reachability", OK: true}, credentials}
}

// settled tells of the senders and the callback URL, as the settings have them.
func (o Options) settled() []Finding {
	sender, callback := Finding{What: "sender"}, Finding{What: "callback URL"}
	if err := o.checkSenders(); err != nil {
		sender.Problem = err.Error()
	}
	callback.Problem = callbackProblem(o.ReceiptURL)
	sender.OK, callback.OK = sender.Problem == "", callback.Problem == ""
	return []Finding{sender, callback}
}

// callbackProblem tells why nobody outside could call a URL; "" where they may.
func callbackProblem(receipts string) string {
	if receipts == "" {
		return "none: no receipts are asked for; set the public address of this server"
	}
	u, err := url.Parse(receipts)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return "must be an https address"
	}
	host := strings.ToLower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return "names this machine, which no provider can call"
	}
	ip, err := netip.ParseAddr(host)
	if err == nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()) {
		return "is an address of this machine or network, which no provider can call"
	}
	return ""
}

// unguarded is the finding that nothing proves receipts to be the provider's.
func unguarded(setting string) Finding {
	return Finding{What: "receipts", Problem: "none are asked for, since nothing would prove them to be the provider's; set " + setting}
}

// noNames are countries whose networks carry no senders of letters.
var noNames = []string{"US", "CA", "CN"}

// checkSenders refuses senders of a form that no network carries.
func (o Options) checkSenders() error {
	for _, country := range slices.Sorted(maps.Keys(o.From)) {
		if problem := senderProblem(country, o.From[country]); problem != "" {
			return &SettingError{Setting: "from", Problem: country + ": " + problem}
		}
	}
	return nil
}

// senderProblem tells what is wrong with a sender for a country ("*": any); ""
// where nothing is.
func senderProblem(country, sender string) string {
	if numeric(sender) {
		if n := len(strings.TrimPrefix(sender, "+")); n < 3 || n > 15 {
			return "a number has 3 to 15 digits"
		}
		return ""
	}
	if !named(sender) {
		return "must be a number, or 1 to 11 letters, digits and spaces with a letter among them"
	}
	if slices.Contains(noNames, country) {
		return "senders of letters are not carried in US, CA and CN; set a number"
	}
	return ""
}

// numeric tells whether a sender is a number.
func numeric(sender string) bool {
	digits := strings.TrimPrefix(sender, "+")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// named tells whether a sender is a name: 1 to 11 characters, a letter among them.
func named(sender string) bool {
	letters := 0
	for _, c := range []byte(sender) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters++
		case c >= '0' && c <= '9', strings.IndexByte(" -_.&", c) >= 0:
		default:
			return false
		}
	}
	return letters > 0 && len(sender) <= 11
}

// withReceiptKey replaces what was found of the callback URL where the setting that
// receipts are checked with is absent: none are asked for then.
func (o Options) withReceiptKey(found []Finding, setting string) []Finding {
	for i, f := range found {
		if f.What == "callback URL" && f.OK && o.Value(setting) == "" {
			found[i] = Finding{What: f.What, Problem: "no receipts are asked for: they are checked with " + setting + ", which is not set"}
		}
	}
	return found
}
