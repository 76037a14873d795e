package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// lean is a client that costs next to nothing, so that a benchmark in which
// client and server share the processors measures the server: one connection
// kept alive, and no more of HTTP/1.1 than our answers need.
type lean struct {
	conn net.Conn
	from *bufio.Reader
	out  []byte
	body []byte

	agent string // its User-Agent
}

func newLean(address string) (*lean, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &lean{conn: conn, from: bufio.NewReaderSize(conn, 8<<10), agent: "lean/1"}, nil
}

// call sends a request, wants the status given, and reads the answer's body,
// which is good until the next call. bearer and body may be "".
func (l *lean) call(status int, method, path, bearer, body string) ([]byte, error) {
	l.out = fmt.Appendf(l.out[:0], "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: %s\r\n", method, path, l.agent)
	if bearer != "" {
		l.out = fmt.Appendf(l.out, "Authorization: Bearer %s\r\n", bearer)
	}
	if body != "" {
		l.out = fmt.Appendf(l.out, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	l.out = append(append(l.out, "\r\n"...), body...)
	if _, err := l.conn.Write(l.out); err != nil {
		return nil, err
	}
	got, err := l.read()
	if err == nil && got != status {
		err = fmt.Errorf("%s %s: status %d, want %d: %s", method, path, got, status, l.body)
	}
	return l.body, err
}

// asks is a call whose answer is 200, to be made again and again.
func (l *lean) asks(method, path, bearer, body string) func() error {
	return func() error {
		_, err := l.call(http.StatusOK, method, path, bearer, body)
		return err
	}
}

// read reads an answer that says how long it is.
func (l *lean) read() (status int, err error) {
	const version, length = "HTTP/1.1 ", "Content-Length: "
	size := 0
	for {
		line, err := l.from.ReadSlice('\n')
		switch {
		case err != nil:
			return 0, err
		case len(line) == len("\r\n"):
			l.body = append(l.body[:0], make([]byte, size)...)
			_, err := io.ReadFull(l.from, l.body)
			return status, err
		case status == 0:
			status, err = strconv.Atoi(string(line[len(version) : len(version)+3]))
		case bytes.HasPrefix(line, []byte(length)):
			size, err = strconv.Atoi(string(line[len(length) : len(line)-2]))
		}
		if err != nil {
			return 0, err
		}
	}
}

// textIn cuts the first text member of a name out of JSON that escapes nothing.
func textIn(body []byte, name string) string {
	_, rest, _ := bytes.Cut(body, []byte(`"`+name+`":"`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(value)
}
