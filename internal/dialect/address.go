package dialect

import (
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the address prefixes whose forwarding headers are believed.
type Proxies []netip.Prefix

// Client gives a request's address: the peer's, or, where the peer is a
// trusted proxy, the rightmost hop of X-Forwarded-For or Forwarded (RFC 7239)
// that no trusted prefix covers. What a client writes there stands further to
// the left and buys nothing (C-44). Headers that cannot be read, or that
// disagree, count as none. An IPv4 address mapped into IPv6 is folded back.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer := peerOf(r)
	if !p.cover(peer) {
		return peer
	}
	xff, forwarded := r.Header["X-Forwarded-For"], r.Header["Forwarded"]
	switch {
	case len(xff) > 0 && len(forwarded) > 0:
		a, okA := p.client(splitHops(xff))
		b, okB := p.client(forwardedHops(forwarded))
		if okA && okB && a == b {
			return a
		}
	case len(xff) > 0:
		if a, ok := p.client(splitHops(xff)); ok {
			return a
		}
	case len(forwarded) > 0:
		if a, ok := p.client(forwardedHops(forwarded)); ok {
			return a
		}
	}
	return peer
}

func (p Proxies) cover(a netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// client walks the hops from the right to the first that is no proxy of ours;
// where all are, to the leftmost.
func (p Proxies) client(hops []string) (a netip.Addr, ok bool) {
	for i := len(hops) - 1; i >= 0; i-- {
		if a, ok = parseHop(hops[i]); !ok {
			return netip.Addr{}, false
		}
		if !p.cover(a) {
			return a, true
		}
	}
	return a, ok
}

func peerOf(r *http.Request) netip.Addr {
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return fold(ap.Addr())
	}
	return netip.Addr{}
}

func fold(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// parseHop reads one hop: an address, alone or with a port, IPv6 in brackets
// or bare.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if inner, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inner, "]") {
		s = strings.TrimSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return fold(a), true
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return fold(ap.Addr()), true
	}
	return netip.Addr{}, false
}

func splitHops(lines []string) []string {
	return strings.Split(strings.Join(lines, ","), ",")
}

// forwardedHops gives the "for" of every element of Forwarded, nil where the
// header is not well-formed: a stray quote of a client's must not swallow what
// a proxy wrote after it.
func forwardedHops(lines []string) []string {
	s := forwardedScanner{rest: strings.Join(lines, ",")}
	var hops []string
	for {
		hop, more, ok := s.element()
		if !ok {
			return nil
		}
		hops = append(hops, hop)
		if !more {
			return hops
		}
	}
}

// forwardedScanner reads RFC 7239 4: elements of name=value pairs.
type forwardedScanner struct{ rest string }

// element reads one element and gives its "for"; more tells whether another
// one follows.
func (s *forwardedScanner) element() (hop string, more, ok bool) {
	for {
		name, value, ok := s.pair()
		if !ok {
			return "", false, false
		}
		if strings.EqualFold(name, "for") {
			hop = value
		}
		s.blanks()
		if s.rest == "" {
			return hop, false, true
		}
		separator := s.rest[0]
		s.rest = s.rest[1:]
		switch separator {
		case ',':
			return hop, true, true
		case ';':
		default:
			return "", false, false
		}
	}
}

func (s *forwardedScanner) pair() (name, value string, ok bool) {
	s.blanks()
	name, rest, found := strings.Cut(s.rest, "=")
	if !found || name == "" || strings.ContainsAny(name, " \t,;\"") {
		return "", "", false
	}
	s.rest = rest
	if !strings.HasPrefix(rest, `"`) {
		end := strings.IndexAny(rest, " \t,;\"")
		if end < 0 {
			end = len(rest)
		}
		value, s.rest = rest[:end], rest[end:]
		return name, value, value != ""
	}
	end := strings.IndexByte(rest[1:], '"')
	if end < 0 || strings.Contains(rest[1:1+end], `\`) {
		return "", "", false
	}
	value, s.rest = rest[1:1+end], rest[end+2:]
	return name, value, true
}

func (s *forwardedScanner) blanks() { s.rest = strings.TrimLeft(s.rest, " \t") }
