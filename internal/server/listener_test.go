package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pipes is a listener whose connections are pipes, so that time stands still
// while everybody waits.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.done)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// slow gives a connection to a server of its own, for use inside a bubble.
func slow(t *testing.T, handler http.HandlerFunc) net.Conn {
	t.Helper()
	listener := pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := newHTTPServer(handler, discardLog())
	go server.Serve(watched{listener})
	t.Cleanup(func() { server.Close() })
	ours, theirs := net.Pipe()
	listener.conns <- theirs
	return ours
}

// send writes, and read gives what comes until the server closes or n answers
// came; both tell how long it took.
func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func untilClosed(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func TestC66SlowHeadersAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := slow(t, func(http.ResponseWriter, *http.Request) { t.Error("a request without an end arrived") })
		send(t, conn, "GET / HTTP/1.1\r\nHost: h\r\n")
		if took := untilClosed(t, conn); took != 5*time.Second {
			t.Errorf("closed after %v, want 5s", took)
		}
	})
}

func TestC66SlowHeadersOfALaterRequestAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := slow(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		send(t, conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := conn.Read(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
		send(t, conn, "GET / HTT")
		if took := untilClosed(t, conn); took != 5*time.Second {
			t.Errorf("closed after %v, want 5s", took)
		}
	})
}

func TestC66SlowBodiesAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := make(chan time.Duration, 1)
		conn := slow(t, func(_ http.ResponseWriter, r *http.Request) {
			began := time.Now()
			if _, err := io.ReadAll(r.Body); err == nil {
				t.Error("a body without an end was read")
			}
			took <- time.Since(began)
		})
		go io.Copy(io.Discard, conn)
		send(t, conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
		if d := <-took; d != 10*time.Second {
			t.Errorf("cut off after %v, want 10s", d)
		}
	})
}

func TestC66IdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := slow(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		send(t, conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if took := untilClosed(t, conn); took != 60*time.Second {
			t.Errorf("closed after %v, want 60s", took)
		}
	})
}
