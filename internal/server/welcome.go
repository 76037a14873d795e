package server

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/config"
)

// NewLog makes the process log in the form that the settings name.
func NewLog(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// welcome tells a person where to go next.
func (s *Server) welcome(w io.Writer) {
	base, operator := s.urlOf(s.Addr()), s.urlOf(s.OperatorAddr())
	if !s.config.InboxServed() {
		fmt.Fprintf(w, `Countersign is ready.

  API           %[1]s/docs
  Operators     %[2]s/readyz
  Security log  %[3]s
  Messages go by %[4]s

`, base, operator, filepath.Join(s.config.DataDir, logFile), strings.Join(providerNames(s.config), ", "))
		return
	}
	fmt.Fprintf(w, `Countersign is ready.

  Front page    %[1]s/
  Inbox         %[1]s/dev/inbox
                %[4]s
  API           %[1]s/docs
  Operators     %[2]s/readyz
  Security log  %[3]s

Sign up, then read the code in the inbox:

  curl -s %[1]s/v1/signup -H 'Content-Type: application/json' -d '{"phone_number":"+14155550100"}'

`, base, operator, filepath.Join(s.config.DataDir, logFile), s.whoSends())
}

// whoSends says in a line what the inbox gets.
func (s *Server) whoSends() string {
	if len(s.config.SMSProviders) == 0 {
		return "No SMS provider is configured: messages land there and nowhere else."
	}
	return "Messages go by " + strings.Join(providerNames(s.config), ", ") + "."
}

// urlOf is how this machine reaches a listener.
func (s *Server) urlOf(address string) string {
	scheme := "http"
	if s.config.TLSCert != "" {
		scheme = "https"
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			address = net.JoinHostPort("127.0.0.1", port)
		}
	}
	return scheme + "://" + address
}

// warn says in the log what an operator must not forget.
func (s *Server) warn() {
	log, c := s.options.Log, s.config
	if s.parts.made {
		log.Warn("a new master key was made: keep a copy of it apart from the data directory, nothing can be opened without it",
			"file", filepath.Join(c.DataDir, masterFile), "key_id", s.parts.ring.KeyID())
	}
	if len(c.TestNumbers) > 0 {
		log.Warn("test numbers are on: whoever knows their codes can sign in as them",
			"count", len(c.TestNumbers), "until", testNumbersUntil(c, s.parts.now()).Format(time.RFC3339))
	}
	if len(c.TrustedProxies) == 0 && config.Loopback(c.Listen) && s.proxied() {
		log.Warn("clients seem to come through a proxy, and none is trusted: limits by address count everybody as one; list it in trusted_proxies",
			"public_url", c.PublicURL)
	}
	if u, err := url.Parse(c.RedisURL.Reveal()); err == nil && u.Scheme == "redis" && !config.LoopbackHost(u.Hostname()) {
		log.Warn("Redis is asked in the clear: where the network between is not yours, say rediss:// in redis_url")
	}
	if c.LimitsDisabled {
		log.Warn("rate limits, delays and locks are off")
	}
	if c.Dev && c.InboxServed() && !config.Loopback(c.Listen) {
		log.Warn("the development inbox is on a listener that is not loopback: everybody who reaches it can read every code")
	}
	if !c.Dev && c.InboxServed() && s.proxied() {
		log.Warn("the development inbox answers on this machine alone, not through a proxy; --dev changes that")
	}
}
