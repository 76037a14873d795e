package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/countersign/countersign/internal/config"
)

// How long a client may take (C-66).
const (
	headerTime = 5 * time.Second
	bodyTime   = 10 * time.Second
	answerTime = 30 * time.Second // from the end of the headers to the end of the answer
	idleTime   = 60 * time.Second
)

// newHTTPServer serves one listener. A body's time begins with its request.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           timeBody(handler),
		ReadHeaderTimeout: headerTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		// "OPTIONS *" meets the edge like any other request.
		DisableGeneralOptionsHandler: true,
		// A handler's panic ends at the edge; what arrives here tells of clients.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// timeBody gives the body of a request its time.
func timeBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			// Where the deadline cannot be set the connection is gone already.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
		}
		next.ServeHTTP(w, r)
	})
}

// listen opens a listener: TLS where there is a certificate, and inside it the
// watch over framing.
func listen(ctx context.Context, address string, c config.Config) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	if c.TLSCert == "" {
		return watched{listener}, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	return watched{tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12, // C-92
		NextProtos:   []string{"http/1.1"},
	})}, nil
}
