package dialect

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// visitors sends requests from peers through an edge, in order.
func visitors(p *Peers, n int, peer string, header ...string) {
	e := edge(new(bytes.Buffer))
	e.Peers = p
	h := e.Wrap(http.NotFoundHandler())
	for range n {
		r := httptest.NewRequest("GET", "/v1/me", nil)
		r.RemoteAddr = peer
		for _, name := range header {
			r.Header.Set(name, "203.0.113.9")
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestC44AnUnnamedProxyIsNoticed(t *testing.T) {
	const far, here = "https://id.example.com", "http://localhost:8420"
	for _, test := range []struct {
		name, url, peer string
		header          []string
		noticed         bool
	}{
		{"proxy on this machine", far, "127.0.0.1:1", nil, true},
		{"proxy on this machine, mapped", far, "[::ffff:127.0.0.1]:1", nil, true},
		{"proxy nearby", far, "10.0.0.7:1", nil, true},
		{"proxy nearby, IPv6", far, "[fd00::7]:1", nil, true},
		{"proxy that says so", far, "198.51.100.7:1", []string{"X-Forwarded-For"}, true},
		{"proxy before a loopback URL", here, "127.0.0.1:1", []string{"Forwarded"}, true},
		{"another header", here, "127.0.0.1:1", []string{"X-Real-IP"}, true},
		{"a busy person", far, "198.51.100.7:1", nil, false},
		{"a developer", here, "127.0.0.1:1", nil, false},
		{"a developer, by number", "http://127.0.0.1:8420", "127.0.0.1:1", nil, false},
		{"a developer, IPv6", "http://[::1]:8420", "[::1]:1", nil, false},
		{"a socket", far, "@", []string{"X-Forwarded-For"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := NewPeers(nil, test.url)
			visitors(p, manyRequests-1, test.peer, test.header...)
			if p.Warning() != "" {
				t.Errorf("after 99: %s", p.Warning())
			}
			visitors(p, 1, test.peer, test.header...)
			said := p.Warning()
			if (said != "") != test.noticed || said != p.Warning() {
				t.Errorf("after 100: %q", said)
			}
			if test.noticed && (!strings.Contains(said, "COUNTERSIGN_TRUSTED_PROXIES") || !strings.Contains(said, "clients:forward")) {
				t.Errorf("no advice: %s", said)
			}
			// One other peer clears it, and a hundred bring it back.
			visitors(p, 1, "198.51.100.99:1")
			if p.Warning() != "" {
				t.Errorf("after another peer: %s", p.Warning())
			}
			visitors(p, manyRequests, test.peer, test.header...)
			if p.Warning() != said {
				t.Errorf("after a hundred more: %q", p.Warning())
			}
		})
	}
}

// Probes of health come from elsewhere than people do.
func TestProbesAreNoPeers(t *testing.T) {
	p := NewPeers(nil, "https://id.example.com")
	visitors(p, manyRequests, "10.0.0.7:1")
	for _, path := range []string{"/healthz", "/readyz"} {
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = "10.0.0.1:1"
		p.saw(r)
	}
	if p.Warning() == "" {
		t.Error("a probe cleared the suspicion")
	}
}

func TestConfiguredProxiesAreNotWatched(t *testing.T) {
	p := NewPeers(Proxies{netip.MustParsePrefix("10.0.0.0/8")}, "https://id.example.com")
	visitors(p, 2*manyRequests, "10.0.0.7:1", "X-Forwarded-For")
	if p.Warning() != "" {
		t.Errorf("noticed: %s", p.Warning())
	}
}

// A back end that names whom it acts for is not what is looked for.
func TestForwardersAreNoPeers(t *testing.T) {
	e := edge(new(bytes.Buffer))
	e.Peers, e.Forward = NewPeers(nil, "https://id.example.com"), backEnd
	h := e.Wrap(http.NotFoundHandler())
	for range 2 * manyRequests {
		r := httptest.NewRequest("GET", "/v1/me", nil)
		r.RemoteAddr = "10.0.0.7:1"
		r.Header.Set("X-API-Key", "forwards")
		r.Header.Set("Countersign-Client-IP", "203.0.113.9")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if w := e.Peers.Warning(); w != "" {
		t.Errorf("noticed: %s", w)
	}
}

func BenchmarkPeers(b *testing.B) {
	p := NewPeers(nil, "https://id.example.com")
	r := httptest.NewRequest("GET", "/v1/me", nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.saw(r)
		}
	})
}
