package pgtest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a server and its clients, and does what bad networks do.
// At first it only passes on.
type Proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	way   way
	open  map[*passage]bool
	ended bool
}

// way is how a proxy passes on.
type way struct {
	delay time.Duration // of each piece
	drop  bool          // nothing arrives any more
	cut   int           // one answer of so many is cut off in its middle; 0: none
}

// passage is a client's connection and the one to the server.
type passage struct {
	client, server net.Conn
	lost           atomic.Bool // its network has swallowed something
}

// Between starts a proxy in front of a cluster; it ends with the test.
func Between(t testing.TB, c *Cluster) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	p := &Proxy{listener: listener, to: fmt.Sprintf("127.0.0.1:%d", c.at.port), open: map[*passage]bool{}}
	t.Cleanup(p.end)
	go p.accept()
	return p
}

// URL is a URL of the cluster's by way of the proxy.
func (p *Proxy) URL(direct string) string {
	return strings.Replace(direct, p.to, p.listener.Addr().String(), 1)
}

// Delay has each piece of what is sent wait, both ways.
func (p *Proxy) Delay(by time.Duration) { p.goes(way{delay: by}) }

// Drop swallows all that is sent, both ways. Connections that lost something stay
// silent for ever, also after Heal.
func (p *Proxy) Drop() { p.goes(way{drop: true}) }

// Cut cuts connections in the middle of an answer, one answer of so many: the
// server has done what it was asked for.
func (p *Proxy) Cut(oneOf int) { p.goes(way{cut: oneOf}) }

// Heal has it pass on all again.
func (p *Proxy) Heal() { p.goes(way{}) }

func (p *Proxy) goes(w way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.way = w
}

func (p *Proxy) now() way {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.way
}

func (p *Proxy) end() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for each := range p.open {
		each.close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // it has ended
		}
		if p.now().drop {
			p.keep(&passage{client: client, server: client}) // it reaches nobody
			continue
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = client.Close() // as the server would refuse it
			continue
		}
		each := &passage{client: client, server: server}
		if p.keep(each) {
			go p.pass(each, client, server, false)
			go p.pass(each, server, client, true)
		}
	}
}

// keep notes a passage, so that it can be closed in the end.
func (p *Proxy) keep(each *passage) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		each.close()
		return false
	}
	p.open[each] = true
	return true
}

// pass passes on one way, until that ends.
func (p *Proxy) pass(each *passage, from, to net.Conn, answers bool) {
	defer func() {
		if p.now().drop || each.lost.Load() {
			return // nobody is told that the other one has gone
		}
		each.close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, each)
	}()
	piece := make([]byte, 1<<14)
	for {
		n, err := from.Read(piece)
		if err != nil {
			return
		}
		if !p.forward(each, to, piece[:n], answers) {
			return
		}
	}
}

// forward passes on one piece, and tells whether the connection still stands.
func (p *Proxy) forward(each *passage, to io.Writer, piece []byte, answers bool) bool {
	w := p.now()
	if w.drop {
		each.lost.Store(true)
	}
	if each.lost.Load() {
		return true
	}
	if w.delay > 0 {
		<-time.After(w.delay)
	}
	cut := answers && w.cut > 0 && rand.IntN(w.cut) == 0
	if cut {
		piece = piece[:rand.IntN(len(piece))]
	}
	_, err := to.Write(piece)
	return err == nil && !cut
}

func (c *passage) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}
