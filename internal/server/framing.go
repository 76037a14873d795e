package server

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"strings"
)

// maxHeader is how many bytes a request line and its headers may have (C-66).
const maxHeader = 16 << 10

// errAmbiguous makes net/http answer 400 and close the connection. It never
// hears of the bytes that two servers might read in two ways.
var errAmbiguous = errors.New("ambiguous framing of a request")

// watched is a listener whose connections refuse ambiguous framing (C-67).
type watched struct{ net.Listener }

// Accept watches the connection from its first byte.
func (l watched) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: conn}, nil
}

// watchedConn reads over net/http's shoulder. net/http forgives a request that
// has both Content-Length and Transfer-Encoding, the same Content-Length twice,
// folded headers and bare line feeds; a proxy before us may forgive the same in
// another way, and then one request smuggles in a second (RFC 9112 11.2).
type watchedConn struct {
	net.Conn
	watch framing
	fault error
}

// Read passes on what came, up to the byte that is at fault.
func (c *watchedConn) Read(p []byte) (int, error) {
	if c.fault != nil {
		return 0, c.fault
	}
	if c.watch.step != tooLarge {
		n, err := c.Conn.Read(p)
		good, ok := c.watch.read(p[:n])
		if !ok {
			c.fault = errAmbiguous
			return good, c.fault
		}
		if good > 0 || n == 0 {
			return good, err
		}
	}
	// Headers without an end, until net/http sees that they are too large (431).
	return copy(p, bytes.Repeat([]byte("x"), len(p))), nil
}

// step is where in a request the next byte stands.
type step int

const (
	requestLine step = iota
	header
	body       // left bytes by Content-Length
	chunkSize  // a line with a chunk's size
	chunk      // left bytes of a chunk
	chunkEnd   // the line end behind a chunk
	trailer    // lines behind the last chunk
	unreadable // net/http refuses this request and closes
	tooLarge   // the same, for its size
)

// framing follows the framing of the requests on one connection, as strictly as
// RFC 9112 lets a server be. Its memory is one line.
type framing struct {
	step step
	line []byte // of the line so far
	size int    // bytes of the headers (or trailers) so far
	left uint64

	old     bool // before HTTP/1.1, which knows no chunks
	length  bool // Content-Length was seen
	coded   bool // Transfer-Encoding was seen
	foreign bool // one that is not chunked
}

// read follows p. It gives how many bytes are good, and whether that is all:
// where the headers are too large, the rest is dropped too.
func (f *framing) read(p []byte) (good int, ok bool) {
	for good < len(p) {
		switch f.step {
		case unreadable:
			return len(p), true
		case tooLarge:
			return good, true
		case body, chunk:
			n := min(f.left, uint64(len(p)-good))
			good += int(n)
			if f.left -= n; f.left == 0 {
				f.next()
			}
		default:
			if f.size == maxHeader {
				if f.step > header {
					return good, false
				}
				f.step = tooLarge
				continue
			}
			if !f.byte(p[good]) {
				return good, false
			}
			good++
		}
	}
	return good, true
}

// next goes on behind a body or a chunk.
func (f *framing) next() {
	if f.step == chunk {
		f.step = chunkEnd
		return
	}
	*f = framing{line: f.line[:0]}
}

// byte takes one byte of a line and, at its end, judges the line.
func (f *framing) byte(b byte) bool {
	f.size++
	if b != '\n' {
		// A carriage return may only end a line.
		if b == 0 || len(f.line) > 0 && f.line[len(f.line)-1] == '\r' {
			return false
		}
		f.line = append(f.line, b)
		return true
	}
	line, ok := bytes.CutSuffix(f.line, []byte("\r"))
	f.line = f.line[:0]
	return ok && f.judge(string(line))
}

func (f *framing) judge(line string) bool {
	switch f.step {
	case requestLine:
		f.step, f.old = header, !strings.HasSuffix(line, " HTTP/1.1")
		return line != ""
	case header:
		if line == "" {
			f.headersEnd()
			return true
		}
		return f.field(line)
	case chunkSize:
		return f.chunkSize(line)
	case chunkEnd:
		f.step, f.size = chunkSize, 0
		return line == ""
	default: // trailer
		if line == "" {
			f.next()
			return true
		}
		_, _, ok := splitField(line)
		return ok
	}
}

// headersEnd decides what follows the headers (RFC 9112 6.3).
func (f *framing) headersEnd() {
	switch {
	case f.foreign:
		f.step = unreadable // net/http answers 501
	case f.coded:
		f.step, f.size = chunkSize, 0
	case f.left > 0:
		f.step = body
	default:
		f.next()
	}
}

// field judges one header line.
func (f *framing) field(line string) bool {
	name, value, ok := splitField(line)
	if !ok {
		return false
	}
	switch strings.ToLower(name) {
	case "content-length":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || strings.Trim(value, "0123456789") != "" || f.length || f.coded {
			return false
		}
		f.length, f.left = true, n
	case "transfer-encoding":
		if f.coded || f.length || f.old {
			return false
		}
		f.coded, f.foreign = true, !strings.EqualFold(value, "chunked")
	}
	return true
}

// splitField cuts a field line (RFC 9112 5). A blank before the name folds it
// onto the line before, one before the colon hides the name from some readers.
func splitField(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	ok = ok && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
	return name, strings.Trim(value, " \t"), ok
}

// chunkSize judges the line before a chunk: hexadecimal digits, and perhaps an
// extension, which nobody reads.
func (f *framing) chunkSize(line string) bool {
	digits, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(digits, 16, 60)
	if err != nil || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
		return false
	}
	if f.size = 0; n == 0 {
		f.step = trailer
		return true
	}
	f.step, f.left = chunk, n
	return true
}
