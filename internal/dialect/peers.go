package dialect

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"

	"github.com/countersign/countersign/internal/config"
)

// manyRequests is how many requests in a row from one peer are no accident.
const manyRequests = 100

// Peers notices that all requests come from one peer although no proxy is
// configured: a proxy that the settings do not name, or a back end that does
// not tell whom it acts for. Limits by address then count everybody as one
// person, and a stranger shuts everybody out.
//
// A nil Peers notices nothing.
type Peers struct {
	elsewhere bool // the public URL is not this machine's
	run       atomic.Pointer[run]
}

// run is an unbroken row of requests from one peer.
type run struct {
	peer      netip.Addr
	requests  atomic.Int64
	forwarded atomic.Bool // one had a header that proxies write
}

// NewPeers watches where requests to the public URL come from. With proxies
// configured there is nothing to notice: it gives nil.
func NewPeers(proxies Proxies, publicURL string) *Peers {
	if len(proxies) > 0 {
		return nil
	}
	u, err := url.Parse(publicURL)
	return &Peers{elsewhere: err == nil && u.Host != "" && !config.LoopbackHost(u.Hostname())}
}

// saw counts a request. One from another peer begins anew. Probes of health
// come from elsewhere than people do, and are not counted.
func (p *Peers) saw(r *http.Request) {
	if p == nil || probes(r) {
		return
	}
	peer := peerOf(r)
	now := p.run.Load()
	if now == nil || now.peer != peer {
		now = &run{peer: peer}
		p.run.Store(now)
	}
	if now.requests.Load() <= manyRequests {
		now.requests.Add(1)
	}
	if !now.forwarded.Load() && fromProxy(r) {
		now.forwarded.Store(true)
	}
}

// probes tells the requests by which others see whether the server lives.
func probes(r *http.Request) bool { return r.URL.Path == "/healthz" || r.URL.Path == "/readyz" }

// fromProxy tells whether a request has a header that proxies write.
func fromProxy(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"} {
		if len(r.Header[name]) > 0 {
			return true
		}
	}
	return false
}

// Warning says what is wrong and what to do while it is suspected, else "".
// It may be asked often; the same peer gets the same words.
func (p *Peers) Warning() string {
	if p == nil {
		return ""
	}
	now := p.run.Load()
	if now == nil || now.requests.Load() < manyRequests || !now.peer.IsValid() {
		return ""
	}
	inside := now.peer.IsPrivate() || now.peer.IsLoopback() || now.peer.IsLinkLocalUnicast()
	if !now.forwarded.Load() && (!p.elsewhere || !inside) {
		return ""
	}
	return fmt.Sprintf("the last %d requests or more all came from %s, and no proxy is configured: limits by address count "+
		"everybody as one. If that is your proxy, list it in COUNTERSIGN_TRUSTED_PROXIES; if it is your back end, have it "+
		"send X-API-Key (scope clients:forward) and Countersign-Client-IP", manyRequests, now.peer)
}
