package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// errInward is a call that would have stayed inside the operator's own network.
var errInward = errors.New("the address is not a public one; allow_private: true lets it be called")

// NewGuardedClient makes a client for addresses that an operator writes down
// himself: as NewHTTPClient's, and it connects to public addresses alone. What is
// judged is the address that is dialled, after the name was looked up: a name that
// changes its mind opens nothing. No proxy is used, since it would dial in our place.
func NewGuardedClient() *http.Client {
	return guarded(NewHTTPClient(), &net.Dialer{})
}

// guarded is a copy of a client that connects to public addresses alone. What is
// no *http.Transport dials by no address, and is kept.
func guarded(client *http.Client, dialer *net.Dialer) *http.Client {
	own := unled(client)
	transport, ok := cmp.Or(own.Transport, http.DefaultTransport).(*http.Transport)
	if !ok {
		return own
	}
	d := *dialer
	d.Timeout, d.KeepAlive = connectTimeout, 30*time.Second
	d.ControlContext = nil
	d.Control = func(_, address string, _ syscall.RawConn) error { return outward(address) }
	transport = transport.Clone()
	transport.Proxy = nil
	transport.DialContext = d.DialContext
	transport.DialTLSContext = nil
	own.Transport = transport
	return own
}

// unled is a copy of a client that follows no redirect and ends every call.
func unled(client *http.Client) *http.Client {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Timeout = cmp.Or(own.Timeout, callTimeout)
	return &own
}

// outward refuses an address, as a dialer knows it, that is not public.
func outward(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading the address to call: %w", err)
	}
	if !public(to.Addr()) {
		return errInward
	}
	return nil
}

// special are the addresses that lead nowhere, or back inside: of IANA's registries
// of special-purpose addresses those that lie in 0.0.0.0/0 and 2000::/3.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

// global is where IPv6 has its public addresses. Outside of it lie loopback,
// link-local, unique local, multicast, IPv4 in all its mapped forms, and NAT64.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(all ...string) []netip.Prefix {
	var parsed []netip.Prefix
	for _, p := range all {
		parsed = append(parsed, netip.MustParsePrefix(p))
	}
	return parsed
}

// public tells whether an address is one of the internet's.
func public(a netip.Addr) bool {
	if a.Zone() != "" || a.Is6() && !global.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// operatorURL reads an address that an operator wrote down, and makes the client
// to call it with. It has to be https; with private it may also be an inner one,
// and http where it is this machine's own by its number.
func operatorURL(o Options, text string, private bool) (*http.Client, *url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return nil, nil, &SettingError{"url", "is no URL: write https://host/path"}
	}
	if u.User != nil || u.Fragment != "" {
		return nil, nil, &SettingError{"url", "must have neither a user nor a fragment"}
	}
	address, err := netip.ParseAddr(u.Hostname())
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && private && err == nil && address.IsLoopback():
	default:
		return nil, nil, &SettingError{"url", "has to begin with https://: codes travel there; http:// is for 127.0.0.1 and [::1] alone, with allow_private: true"}
	}
	if private {
		return unled(o.HTTP), u, nil
	}
	if err == nil && !public(address) {
		return nil, nil, &SettingError{"url", "names an address that is not public; allow_private: true lets it be called"}
	}
	return guarded(o.HTTP, &net.Dialer{}), u, nil
}

// privately reads the setting that lets inner addresses be called.
func privately(o Options) (bool, error) {
	switch o.Value("allow_private") {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, &SettingError{"allow_private", "is true or false"}
}

// allowPrivate is that setting.
var allowPrivate = Setting{Name: "allow_private", Doc: "true lets an address of an inner network be called, and plain http on 127.0.0.1 and [::1]. By default false: public addresses over https alone, and through no proxy."}
