package redis

import (
	"bytes"
	"errors"
	"net"
	"sync/atomic"
)

// guard watches over what a connection says. The client library trusts its
// server: a length without measure, or an answer that nobody asked for, would
// end the whole process. Here it ends the connection.
type guard struct {
	net.Conn
	out, in  frames
	asked    atomic.Int64
	answered int64
	listens  atomic.Bool // it has subscribed: what comes is no answer
}

var (
	errUnasked  = errors.New("an answer that nobody asked for")
	errLanguage = errors.New("not the language of Redis")
)

func (g *guard) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("SUBSCRIBE")) {
		g.listens.Store(true)
	}
	n, err := g.out.feed(p)
	if err != nil {
		return 0, err
	}
	g.asked.Add(n)
	return g.Conn.Write(p)
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	whole, wrong := g.in.feed(p[:n])
	if wrong != nil {
		return 0, wrong
	}
	g.answered += whole
	if g.answered > g.asked.Load() && !g.listens.Load() {
		return 0, errUnasked
	}
	return n, err
}

// frames follows the framing of RESP2, in which both sides talk: it knows where
// a message ends, and which there cannot be.
type frames struct {
	open []int  // how many values are missing in each array that has begun
	line []byte // the head of a value, as far as it has come
	skip int    // bytes of a text that are still to come
}

// What no answer to what we ask exceeds. Values: of one array; a cluster's table
// of slots is the longest.
const (
	mostLine, mostText, mostValues, mostDepth = 16 << 10, 1 << 20, 1 << 15, 8
)

// feed takes what came next, and tells how many messages it ended.
func (f *frames) feed(p []byte) (whole int64, err error) {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			p, f.skip = p[n:], f.skip-n
			if f.skip == 0 {
				whole += f.end()
			}
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			f.line = append(f.line, p...)
			p = nil
		} else {
			f.line = append(f.line, p[:end+1]...)
			p = p[end+1:]
		}
		if len(f.line) > mostLine {
			return whole, errLanguage
		}
		if end < 0 {
			break
		}
		ended, err := f.head(f.line)
		if err != nil {
			return whole, err
		}
		whole += ended
		f.line = f.line[:0]
	}
	return whole, nil
}

// head reads a line that begins a value, or is one.
func (f *frames) head(line []byte) (ended int64, err error) {
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return 0, errLanguage
	}
	kind, rest := line[0], line[1:len(line)-2]
	switch kind {
	case '+', '-':
		return f.end(), nil
	case ':':
		if _, ok := integer(rest, 1<<62); !ok {
			return 0, errLanguage
		}
		return f.end(), nil
	case '$':
		n, ok := integer(rest, mostText)
		if !ok || n < -1 {
			return 0, errLanguage
		}
		if n == -1 {
			return f.end(), nil
		}
		f.skip = n + len("\r\n")
		return 0, nil
	case '*':
		n, ok := integer(rest, mostValues)
		if !ok || n < -1 || len(f.open) == mostDepth {
			return 0, errLanguage
		}
		if n <= 0 {
			return f.end(), nil
		}
		f.open = append(f.open, n)
		return 0, nil
	}
	return 0, errLanguage
}

// end is the end of a value, and with it of all that it completes. It tells
// whether that is a message.
func (f *frames) end() int64 {
	for top := len(f.open) - 1; top >= 0; top-- {
		if f.open[top]--; f.open[top] > 0 {
			return 0
		}
		f.open = f.open[:top]
	}
	return 1
}

// integer reads a number whose size is at most the given.
func integer(s []byte, most int) (n int, ok bool) {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	if len(s) == 0 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' || n > (most-int(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}
