package server

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/core"
	"github.com/countersign/countersign/internal/dialect"
)

// onlyHosts refuses requests for hosts that are not ours. On a loopback
// listener no name but those of this machine leads here honestly: a page whose
// own name was made to resolve to 127.0.0.1 would otherwise read what is meant
// for this machine alone (DNS rebinding, C-83). Any port will do.
func onlyHosts(hosts map[string]bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hosts[hostOf(r)] {
			dialect.WriteJSON(w, http.StatusMisdirectedRequest, "application/problem+json", dialect.Problem{
				Type:   "urn:countersign:error:misdirected_request",
				Title:  "Misdirected request",
				Status: http.StatusMisdirectedRequest,
				Detail: "This listener does not answer for the host that the request names.",
				Code:   "misdirected_request",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// loopbackHosts are the hosts that a loopback listener answers for.
func loopbackHosts(listenAddress string) map[string]bool {
	hosts := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	if host, _, err := net.SplitHostPort(listenAddress); err == nil {
		hosts[host] = true
	}
	return hosts
}

// urlHost is a URL's host without its port, in lower case.
func urlHost(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// hostOf is the host that a request names, without its port, in lower case.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	return strings.ToLower(host)
}

// fromHere lets only this machine see a handler: by a name of this machine, and
// through no proxy, which would lend its own address to the whole world.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied := false
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Via"} {
			proxied = proxied || r.Header.Get(name) != ""
		}
		if proxied || !config.LoopbackHost(hostOf(r)) {
			dialect.Fail(w, r, &core.Error{Code: core.CodeNotFound})
			return
		}
		next.ServeHTTP(w, r)
	})
}
