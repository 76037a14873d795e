package dialect

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

// C-44: the address is the peer's, or the rightmost hop that no configured
// proxy covers. Forged headers buy nothing.
func TestC44ClientAddress(t *testing.T) {
	trusted := Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	type header map[string][]string
	for _, test := range []struct {
		name    string
		proxies Proxies
		peer    string
		header  header
		want    string
	}{
		{"no proxy", nil, "198.51.100.7:1234", nil, "198.51.100.7"},
		{"no proxy is believed by default", nil, "10.0.0.1:1", header{"X-Forwarded-For": {"192.0.2.9"}}, "10.0.0.1"},
		{"a stranger's header", trusted, "198.51.100.7:1", header{"X-Forwarded-For": {"192.0.2.9"}}, "198.51.100.7"},
		{"a stranger's Forwarded", trusted, "198.51.100.7:1", header{"Forwarded": {"for=192.0.2.9"}}, "198.51.100.7"},
		{"one hop", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"192.0.2.9"}}, "192.0.2.9"},
		{"forged to the left", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"203.0.113.5, 192.0.2.9"}}, "192.0.2.9"},
		{"forged in a line of its own", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"203.0.113.5", "192.0.2.9"}}, "192.0.2.9"},
		{"forged as a proxy", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"203.0.113.5, 10.9.9.9, 192.0.2.9"}}, "192.0.2.9"},
		{"two proxies", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"203.0.113.5, 192.0.2.9, 10.0.0.2"}}, "192.0.2.9"},
		{"all are proxies", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"10.0.0.3, 10.0.0.2"}}, "10.0.0.3"},
		{"rubbish to the left", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"<script>, 192.0.2.9"}}, "192.0.2.9"},
		{"rubbish to the right", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"192.0.2.9, unknown"}}, "10.0.0.1"},
		{"empty", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {""}}, "10.0.0.1"},
		{"with a port", trusted, "10.0.0.1:1", header{"X-Forwarded-For": {"192.0.2.9:4711"}}, "192.0.2.9"},
		{"IPv6", trusted, "[fd00::1]:1", header{"X-Forwarded-For": {"2001:db8::7"}}, "2001:db8::7"},
		{"IPv6 in brackets with a port", trusted, "[fd00::1]:1", header{"X-Forwarded-For": {"[2001:db8::7]:99"}}, "2001:db8::7"},
		{"IPv6 with a zone", trusted, "[fe80::1%eth0]:1", nil, "fe80::1"},
		{"mapped peer", nil, "[::ffff:198.51.100.7]:1", nil, "198.51.100.7"},
		{"mapped peer is a proxy", trusted, "[::ffff:10.0.0.1]:1", header{"X-Forwarded-For": {"::ffff:192.0.2.9"}}, "192.0.2.9"},
		{"Forwarded", trusted, "10.0.0.1:1", header{"Forwarded": {`For="[2001:db8:cafe::17]:4711";proto=https;by=10.0.0.1`}}, "2001:db8:cafe::17"},
		{"Forwarded, forged to the left", trusted, "10.0.0.1:1", header{"Forwarded": {"for=203.0.113.5, for=192.0.2.9"}}, "192.0.2.9"},
		{"Forwarded, two proxies", trusted, "10.0.0.1:1", header{"Forwarded": {"for=192.0.2.9;proto=http, for=10.0.0.2"}}, "192.0.2.9"},
		{"Forwarded, a stray quote", trusted, "10.0.0.1:1", header{"Forwarded": {`for=203.0.113.5;x=", for=192.0.2.9`}}, "10.0.0.1"},
		{"Forwarded, quotes turned over", trusted, "10.0.0.1:1", header{"Forwarded": {`for=203.0.113.5;x=", for="[2001:db8::7]:1"`}}, "10.0.0.1"},
		{"Forwarded, hidden", trusted, "10.0.0.1:1", header{"Forwarded": {"for=192.0.2.9, for=_hidden"}}, "10.0.0.1"},
		{"Forwarded, none", trusted, "10.0.0.1:1", header{"Forwarded": {"proto=https"}}, "10.0.0.1"},
		{"both agree", trusted, "10.0.0.1:1", header{"Forwarded": {"for=192.0.2.9"}, "X-Forwarded-For": {"192.0.2.9"}}, "192.0.2.9"},
		{"both disagree: one is forged", trusted, "10.0.0.1:1", header{"Forwarded": {"for=203.0.113.5"}, "X-Forwarded-For": {"192.0.2.9"}}, "10.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.peer
			for name, values := range test.header {
				r.Header[name] = values
			}
			if got := test.proxies.Client(r); got.String() != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add(`for=192.0.2.9, for="[2001:db8::7]:1";proto=https`)
	f.Add(`for=1.2.3.4;x="`)
	proxies := Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, sent string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		// Whatever a client sends, the proxy appends the address that it saw.
		r.Header["Forwarded"] = []string{sent, "for=192.0.2.9"}
		if got := proxies.Client(r).String(); got != "192.0.2.9" && got != "10.0.0.1" {
			t.Errorf("%q bought the address %s", sent, got)
		}
		r.Header.Del("Forwarded")
		r.Header["X-Forwarded-For"] = []string{sent, "192.0.2.9"}
		if got := proxies.Client(r).String(); got != "192.0.2.9" {
			t.Errorf("%q bought the address %s", sent, got)
		}
	})
}
