package redis_test

import (
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between and spoils what the server answers, once it is told how.
type proxy struct {
	t        testing.TB
	listener net.Listener
	to       string

	mu    sync.Mutex
	spoil func(answer []byte) (say []byte, goOn bool) // nil: nothing is spoiled
	conns []net.Conn
	all   sync.WaitGroup
}

func newProxy(t testing.TB, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listener: listener, to: to}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		p.cut()
		p.all.Wait()
	})
	return p
}

func (p *proxy) url() string { return "redis://" + p.listener.Addr().String() }

// does tells how to spoil each answer from now on.
func (p *proxy) does(spoil func([]byte) ([]byte, bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = spoil
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.DialTimeout("tcp", p.to, time.Second)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		p.all.Go(func() { p.pass(server, client, false) })
		p.all.Go(func() { p.pass(client, server, true) })
	}
}

func (p *proxy) pass(to, from net.Conn, answers bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		say, goOn := buf[:n], err == nil
		if answers && n > 0 {
			p.mu.Lock()
			spoil := p.spoil
			p.mu.Unlock()
			if spoil != nil {
				say, goOn = spoil(say)
			}
		}
		if _, err := to.Write(say); err != nil || !goOn {
			return
		}
	}
}
