package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	connectTimeout = 5 * time.Second
	callTimeout    = 10 * time.Second // of a whole call
	longestAnswer  = 64 << 10         // bytes of a provider's answer that are read, and of its header
	longestCode    = 64
	longestPause   = time.Hour // of those that a provider may ask for
)

// NewHTTPClient makes a client for calls of providers: TLS is verified, no
// redirect is followed, connecting takes 5 s at most and a call 10 s.
func NewHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}).DialContext
	transport.TLSHandshakeTimeout = connectTimeout
	transport.MaxIdleConnsPerHost = 32
	transport.MaxResponseHeaderBytes = longestAnswer
	return &http.Client{
		Transport:     transport,
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is what a provider said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// call makes a request and reads its answer. Its error is a *SendError: Retry
// where the request was not written, Ambiguous where it may have been read.
func call(ctx context.Context, client *http.Client, method, to string, header http.Header, body []byte) (answer, error) {
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { written.Store(true) },
	})
	request, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return answer{}, &SendError{Class: Failover, Alarm: true, Cause: errors.New("the address of the provider cannot be called")}
	}
	request.Header = header
	request.Header.Set("User-Agent", "countersign")
	response, err := client.Do(request)
	if err != nil {
		return answer{}, lost(written.Load(), err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer+1))
	if err != nil {
		return answer{}, lost(true, err)
	}
	if len(text) > longestAnswer {
		return answer{}, &SendError{Class: Ambiguous, Cause: fmt.Errorf("the answer has more than %d bytes", longestAnswer)}
	}
	return answer{status: response.StatusCode, header: response.Header, body: text}, nil
}

// lost is an exchange without an answer. The URL, which may hold an account, is not
// repeated, nor is what came back in place of an answer: it may hold what we said.
func lost(written bool, err error) *SendError {
	if written {
		return &SendError{Class: Ambiguous, Cause: silence(err)}
	}
	var in *url.Error
	if errors.As(err, &in) {
		err = in.Err
	}
	return &SendError{Class: Retry, Cause: err}
}

// silence says in words of ours why no answer came.
func silence(err error) error {
	var slow net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before the answer ended")
	default:
		return errors.New("the connection broke before the answer ended")
	}
}

// byStatus classifies an answer by its HTTP status alone, for codes that the
// provider's table does not have: 429, 502, 503, 504 are Retry; 401, 402, 403
// Failover with an alarm; 500 and what is no success, no refusal Ambiguous; any
// other refusal Failover.
func (a answer) byStatus(code string) *SendError {
	e := &SendError{Code: cleanCode(code), RetryAfter: a.retryAfter(), Cause: fmt.Errorf("HTTP status %d", a.status)}
	switch {
	case a.status == 429 || a.status == 502 || a.status == 503 || a.status == 504:
		e.Class = Retry
	case a.status >= 401 && a.status <= 403:
		e.Class, e.Alarm = Failover, true
	case a.status >= 400 && a.status < 500, a.status >= 300 && a.status < 400:
		e.Class = Failover
	default:
		e.Class = Ambiguous
	}
	return e
}

// retryAfter reads the header of that name, in seconds, within bounds.
func (a answer) retryAfter() time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(a.header.Get("Retry-After")))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, int(longestPause/time.Second))) * time.Second
}

// cleanCode makes a provider's word fit for logs and events: letters, digits and
// ._- alone, 64 at most. A word with six digits and more in a row, which is longer than any
// code of a provider's, could be a number or our code: it is dropped.
func cleanCode(code string) string {
	digits := 0
	for _, r := range code {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-", r)
		switch {
		case r >= '0' && r <= '9':
			digits++
		case letter:
			digits = 0
		default:
			return ""
		}
		if digits > 5 {
			return ""
		}
	}
	if len(code) > longestCode {
		return ""
	}
	return code
}
