package dialect

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// C-67 as it comes over a socket: what the server's parser lets through must
// not reach another route either, and ambiguous framing reaches none.
func TestC67RawSocket(t *testing.T) {
	server := httptest.NewServer(edge(new(bytes.Buffer)).Wrap(NewTable(echoRoutes())))
	defer server.Close()
	const auth = "Host: x\r\nAuthorization: Bearer good\r\n"
	for request, want := range map[string]int{
		"GET /v1/me HTTP/1.1\r\n" + auth + "\r\n":                                                 200,
		"GET //v1/me HTTP/1.1\r\n" + auth + "\r\n":                                                404,
		"GET /v1/./me HTTP/1.1\r\n" + auth + "\r\n":                                               404,
		"GET /v1/x/../me HTTP/1.1\r\n" + auth + "\r\n":                                            404,
		"GET /v1%2Fme HTTP/1.1\r\n" + auth + "\r\n":                                               404,
		"GET /v1/%6de HTTP/1.1\r\n" + auth + "\r\n":                                               404,
		"GET http://evil.example//v1/me HTTP/1.1\r\n" + auth + "\r\n":                             404,
		"BREW /v1/me HTTP/1.1\r\n" + auth + "\r\n":                                                405,
		"OPTIONS * HTTP/1.1\r\n" + auth + "\r\n":                                                  200,
		"POST /v1/echo HTTP/1.1\r\n" + auth + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}":  400,
		"POST /v1/echo HTTP/1.1\r\n" + auth + "Content-Length: +2\r\n\r\n{}":                      400,
		"POST /v1/echo HTTP/1.1\r\n" + auth + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n": 501,
		"POST /v1/echo HTTP/1.1\r\n" + auth + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n":      400,
		"GET /v1/me HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n":                                       400,
		"GET /v1/me HTTP/1.1\r\nAuthorization: Bearer good\r\n\r\n":                               400,
	} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != want || answer.Header.Get("Location") != "" {
			t.Errorf("%q: %d, want %d", request, answer.StatusCode, want)
		}
		_ = answer.Body.Close()
		_ = conn.Close()
	}
}
