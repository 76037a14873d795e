package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// attacks are requests that two servers might read in two ways. Each is
// followed by one that must not be answered.
var attacks = map[string]string{
	"length and chunked":        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunked and length":        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
	"the same length twice":     "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
	"two lengths":               "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
	"lengths in a list":         "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0, 0\r\n\r\n",
	"a signed length":           "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +0\r\n\r\n",
	"chunked twice":             "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"chunked in HTTP/1.0":       "POST / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"a folded header":           "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n c\r\n\r\n",
	"a folded first header":     "GET / HTTP/1.1\r\n Host: localhost\r\nHost: localhost\r\n\r\n",
	"a blank before the colon":  "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length : 0\r\n\r\n",
	"a tab before the colon":    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length\t: 0\r\n\r\n",
	"a line without a colon":    "GET / HTTP/1.1\r\nHost: localhost\r\nnonsense\r\n\r\n",
	"bare line feeds":           "GET / HTTP/1.1\nHost: localhost\n\n",
	"one bare line feed":        "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\nX-B: c\r\n\r\n",
	"a carriage return inside":  "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b\rc\r\n\r\n",
	"a zero byte":               "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: \x00\r\n\r\n",
	"a chunk without a size":    "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
	"a chunk size in 0x":        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
	"a chunk ended by a feed":   "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n",
	"a chunk longer than told":  "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
	"an extension with a feed":  "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n",
	"a folded trailer":          "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: b\r\n c\r\n\r\n",
	"an empty line before":      "\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"length behind its request": "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nContent-Length: 0\r\n\r\n",
}

func TestC67AmbiguousFramingIsRefusedAndClosed(t *testing.T) {
	address := serveBodies(t)
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			statuses := talk(t, address, attack+"GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n")
			// One was good before the bytes that cannot be read; it was answered.
			if name == "length behind its request" && len(statuses) == 2 {
				statuses = statuses[1:]
			}
			if !slices.Equal(statuses, []int{http.StatusBadRequest}) {
				t.Errorf("answers %v, want 400 alone and the connection closed", statuses)
			}
		})
	}
}

func TestC67BothListenersAreWatched(t *testing.T) {
	s := start(t, settings(t, t.TempDir()), Options{})
	for _, address := range []string{s.Addr(), s.OperatorAddr()} {
		statuses := talk(t, address, attacks["length and chunked"]+"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if !slices.Equal(statuses, []int{http.StatusBadRequest}) {
			t.Errorf("%s answers %v, want 400 alone and the connection closed", address, statuses)
		}
	}
}

func TestPlainFramingPasses(t *testing.T) {
	address := serveBodies(t)
	statuses := talk(t, address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"+
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"+
		"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n"+
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"+
		"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if !slices.Equal(statuses, []int{200, 200, 200, 200, 200}) {
		t.Errorf("answers %v, want five of 200", statuses)
	}
}

func TestForeignTransferEncodingIsNotImplemented(t *testing.T) {
	statuses := talk(t, serveBodies(t), "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if !slices.Equal(statuses, []int{http.StatusNotImplemented}) {
		t.Errorf("answers %v, want 501 alone", statuses)
	}
}

func TestC66HeadersOf16KiB(t *testing.T) {
	address := serveBodies(t)
	const around = "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: \r\nConnection: close\r\n\r\n"
	const limit = 16384
	for size, want := range map[int]int{
		limit:        http.StatusOK,
		limit + 1:    http.StatusRequestHeaderFieldsTooLarge,
		limit + 4096: http.StatusRequestHeaderFieldsTooLarge,
		64 * limit:   http.StatusRequestHeaderFieldsTooLarge,
	} {
		request := strings.Replace(around, "X-A: ", "X-A: "+strings.Repeat("a", size-len(around)), 1)
		if statuses := talk(t, address, request); !slices.Equal(statuses, []int{want}) {
			t.Errorf("headers of %d bytes: %v, want %d", size, statuses, want)
		}
	}
}

// serveBodies serves a handler that reads bodies, as the server does.
func serveBodies(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}), discardLog())
	go server.Serve(watched{listener})
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

// talk sends bytes and gives the status of every answer until the server closes.
func talk(t *testing.T, address, request string) []int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(conn, request) // the server may stop reading half-way
	var statuses []int
	for answers := bufio.NewReader(conn); ; {
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatalf("after answers %v the connection stayed open", statuses)
			}
			return statuses
		}
		statuses = append(statuses, answer.StatusCode)
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return statuses
		}
	}
}

// FuzzFraming compares the watch with net/http: of what the watch lets pass,
// both must see requests end at the same bytes.
func FuzzFraming(f *testing.F) {
	for _, attack := range attacks {
		f.Add([]byte(attack))
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\nHost: h\r\n\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var watch framing
		var ends []int
		good := 0
		for good < len(stream) {
			n, ok := watch.read(stream[good : good+1])
			if good += n; !ok || watch.step == tooLarge || watch.step == unreadable {
				break
			}
			if watch.step == requestLine && watch.size == 0 {
				ends = append(ends, good)
			}
		}
		if err := sameEnds(stream[:good], ends); err != nil {
			t.Error(err)
		}
	})
}

// sameEnds reads requests as net/http does and compares where they end.
func sameEnds(stream []byte, ends []int) error {
	source := bytes.NewReader(stream)
	reader := bufio.NewReader(source)
	for i := 0; ; i++ {
		request, err := http.ReadRequest(reader)
		if err == nil {
			_, err = io.Copy(io.Discard, request.Body)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			if i < len(ends) {
				return fmt.Errorf("request %d ends at %d for the watch, and goes on for net/http", i, ends[i])
			}
			return nil
		}
		if err != nil {
			return nil // the server closes here
		}
		end := len(stream) - source.Len() - reader.Buffered()
		if i >= len(ends) || ends[i] != end {
			return fmt.Errorf("request %d ends at %d for net/http, the watch has %v", i, end, ends)
		}
	}
}
