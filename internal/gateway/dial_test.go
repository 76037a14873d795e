package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
)

func TestC86OnlyPublicAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34": true, "1.1.1.1": true, "172.15.0.1": true, "172.32.0.1": true, "100.63.255.255": true, "223.255.255.255": true,
		"2606:4700::1111": true, "2a00:1450:4001:80b::200e": true,
		"0.0.0.0": false, "0.1.2.3": false, "127.0.0.1": false, "127.255.0.3": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.127.255.254": false, "192.0.0.8": false, "192.0.2.1": false,
		"198.18.0.1": false, "198.51.100.7": false, "203.0.113.9": false, "224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12:3456::1": false, "ff02::1": false, "fec0::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:93.184.216.34": false, "::127.0.0.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::5db8:d822": false, "64:ff9b:1::a00:1": false,
		"2001:0:7f00:1::1": false, "2001:db8::1": false, "2002:7f00:1::1": false, "3fff::1": false, "2606:4700::1%lo": false,
	} {
		a := netip.MustParseAddr(address)
		if public(a) != want {
			t.Errorf("public(%s) is not %v", address, want)
		}
		if err := outward(netip.AddrPortFrom(a, 443).String()); (err == nil) != want {
			t.Errorf("outward(%s): %v", address, err)
		}
	}
	if outward("hooks.example.com:443") == nil {
		t.Error("a name was dialled")
	}
}

// A name is public while somebody looks, and this machine once it is called.
func TestC86NameThatChangesItsMind(t *testing.T) {
	service, called := inner(t)
	target, err := url.Parse(service.URL)
	if err != nil {
		t.Fatal(err)
	}
	names := newRebinding(t, "93.184.216.34", "127.0.0.1")
	resolver := &net.Resolver{PreferGo: true, Dial: names.dial}
	if seen, err := resolver.LookupNetIP(t.Context(), "ip4", "example.com."); err != nil || len(seen) != 1 || !public(seen[0]) {
		t.Fatalf("the first look: %v, %v", seen, err)
	}

	client := guarded(service.Client(), &net.Dialer{Resolver: resolver})
	to := "https://" + net.JoinHostPort("example.com.", target.Port()) + "/"
	_, err = callOut(t.Context(), client, http.MethodPost, to, http.Header{}, nil)
	var refused *SendError
	if !errors.As(err, &refused) || !errors.Is(err, errInward) || refused.Class != Failover || !refused.Alarm {
		t.Errorf("got %v", err)
	}
	if names.asked.Load() < 2 {
		t.Error("the name was not looked up again: this test shows nothing")
	}

	// Without the guard the same name leads inside: only the dial could tell.
	open := unled(service.Client())
	open.Transport = service.Client().Transport.(*http.Transport).Clone()
	open.Transport.(*http.Transport).DialContext = (&net.Dialer{Resolver: resolver}).DialContext
	if _, err := callOut(t.Context(), open, http.MethodPost, to, http.Header{}, nil); err != nil || called.Load() != 1 {
		t.Errorf("unguarded: %v", err)
	}
}

func TestC86GuardedClient(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	service, called := inner(t)
	client := NewGuardedClient()
	if client.Timeout != callTimeout || client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a guarded client waits for ever, or asks a proxy")
	}
	if _, err := callOut(t.Context(), client, http.MethodGet, service.URL, http.Header{}, nil); !errors.Is(err, errInward) {
		t.Errorf("this machine: %v", err)
	}
	inner, _, err := operatorURL(Options{HTTP: service.Client()}, service.URL, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, client := range map[string]*http.Client{"guarded": client, "private": inner} {
		if err := client.CheckRedirect(nil, nil); !errors.Is(err, http.ErrUseLastResponse) {
			t.Errorf("%s: redirects are followed: %v", name, err)
		}
	}
	if called.Load() != 0 {
		t.Error("this machine was called")
	}
}

// inner is a service on this machine that counts its calls.
func inner(t *testing.T) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	called := new(atomic.Int32)
	service := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	t.Cleanup(service.Close)
	return service, called
}

// rebinding is a name server whose answers change: the first address once, then
// the second for ever.
type rebinding struct {
	address       string
	first, second netip.Addr
	asked         atomic.Int32 // for IPv4
}

func newRebinding(t *testing.T, first, second string) *rebinding {
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	r := &rebinding{address: socket.LocalAddr().String(), first: netip.MustParseAddr(first), second: netip.MustParseAddr(second)}
	go r.serve(socket)
	return r
}

func (r *rebinding) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "udp4", r.address)
}

func (r *rebinding) serve(socket net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		if reply := r.reply(buffer[:n]); reply != nil {
			_, _ = socket.WriteTo(reply, from) // who lost it asks again
		}
	}
}

// reply answers one question (RFC 1035, section 4): with an address where it asks
// for one of IPv4, with none where it asks for anything else.
func (r *rebinding) reply(question []byte) []byte {
	const head = 12
	end := head
	for end < len(question) && question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root, the type, the class
	if end > len(question) {
		return nil
	}
	reply := append([]byte(nil), question[:end]...)
	binary.BigEndian.PutUint16(reply[2:], 0x8180) // an answer, without an error
	clear(reply[6:head])
	if binary.BigEndian.Uint16(question[end-4:]) != 1 {
		return reply
	}
	address := r.first
	if r.asked.Add(1) > 1 {
		address = r.second
	}
	reply[7] = 1
	reply = append(reply, 0xc0, head, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(reply, address.AsSlice()...)
}
