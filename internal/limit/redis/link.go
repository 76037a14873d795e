package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// link holds the client, which is made when it is first needed and anew after
// its connection failed: making one asks Redis, and fails while that is away.
type link struct {
	option rueidis.ClientOption

	mu      sync.Mutex
	client  rueidis.Client
	err     error         // of the last that could not be made
	dialing chan struct{} // closed when the one being made is, or failed
	closed  bool
}

var errClosed = errors.New("closed")

// get gives the client, or waits for it as long as the context lasts. However
// many wait, one is made.
func (l *link) get(ctx context.Context) (rueidis.Client, error) {
	l.mu.Lock()
	if l.closed || l.client != nil {
		defer l.mu.Unlock()
		return l.client, l.closedError()
	}
	if l.dialing == nil {
		l.dialing = make(chan struct{})
		go l.dial(l.dialing)
	}
	dialing := l.dialing
	l.mu.Unlock()

	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-dialing:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		return nil, errors.Join(l.err, l.closedError())
	}
	return l.client, nil
}

func (l *link) closedError() error {
	if l.closed {
		return errClosed
	}
	return nil
}

func (l *link) dial(done chan struct{}) {
	client, err := rueidis.NewClient(l.option)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.closed {
		go client.Close()
		client, err = nil, errClosed
	}
	l.client, l.err, l.dialing = client, err, nil
	close(done)
}

// drop forgets a client that failed. It is closed apart: that waits for the
// calls that are on their way.
func (l *link) drop(failed rueidis.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == failed {
		l.client, l.err = nil, errors.New("the connection was lost")
		go failed.Close()
	}
}

func (l *link) close() {
	l.mu.Lock()
	client := l.client
	l.client, l.closed = nil, true
	l.mu.Unlock()
	if client != nil {
		client.Close()
	}
}

// clientOption reads the URL.
func clientOption(url string, bound time.Duration, roots *x509.CertPool) (rueidis.ClientOption, error) {
	option, err := rueidis.ParseURL(url)
	if err != nil {
		// The library's error may hold the URL, and with it the password.
		return option, errors.New("redis: the URL is none that begins with redis://, rediss:// or unix://, or is not well formed")
	}
	if option.TLSConfig != nil {
		if option.TLSConfig.InsecureSkipVerify {
			return option, errors.New("redis: skip_verify is not supported: a server that nobody checked may be anybody")
		}
		option.TLSConfig.RootCAs = roots
	}
	const dialing, buffer = time.Second, 1 << 16
	option.Dialer.Timeout = max(bound, dialing)
	option.Dialer.KeepAlive = dialing // how often an idle connection is tried
	option.ConnWriteTimeout = max(bound, dialing)
	option.ReadBufferEachConn, option.WriteBufferEachConn = buffer, buffer
	option.DisableRetry = true // a script that may have run counts
	option.DisableCache = true
	option.AlwaysRESP2 = true // a smaller language: guard.go knows all of it
	option.ClusterOption.MaxMovedRedirections = 4
	option.DialCtxFn = guarded(option.DialCtxFn)
	if option.Sentinel.MasterSet != "" {
		option.Sentinel.Username, option.Sentinel.Password = option.Username, option.Password
		option.Sentinel.TLSConfig, option.Sentinel.Dialer = option.TLSConfig, option.Dialer
		option.Sentinel.TopologyRefreshInterval = 5 * time.Second
	}
	return option, nil
}

type dialer func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error)

// guarded makes connections that are watched over.
func guarded(dial dialer) dialer {
	return func(ctx context.Context, address string, d *net.Dialer, config *tls.Config) (net.Conn, error) {
		var conn net.Conn
		var err error
		switch {
		case dial != nil:
			conn, err = dial(ctx, address, d, config)
		case config != nil:
			config = config.Clone()
			config.ServerName = serverName(config, address)
			conn, err = (&tls.Dialer{NetDialer: d, Config: config}).DialContext(ctx, "tcp", address)
		default:
			conn, err = d.DialContext(ctx, "tcp", address)
		}
		if err != nil {
			return nil, fmt.Errorf("dialing: %w", err)
		}
		return &guard{Conn: conn}, nil
	}
}

// serverName is whom the certificate is to name: the host that is dialed, be it
// one that a sentinel or a cluster told of.
func serverName(config *tls.Config, address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return config.ServerName
}
