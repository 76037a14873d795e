package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/config"
	"github.com/countersign/countersign/internal/server"
)

// The benchmarks of this package run a whole server and its callers in one
// process, and print "ratio": how many requests it answers for each that a bare
// net/http handler answers, which reads as much and answers as much, to the same
// client, in turns with it. A ratio means the same on a fast machine and on a
// busy one. What they should reach on two cores: GET /v1/me 0.34, a refresh
// 0.21, a whole sign-in by code (two requests) 0.08.

const (
	callers  = 16
	turn     = 50  // what each caller does in a turn
	bareTurn = 200 // as bare is faster, and its time is to be as exact
)

// side is one of the two that take turns: what each of its callers does again
// and again.
type side []func() error

// effort is what operations took: time, and processor time of this process.
type effort struct {
	n         int
	took, cpu time.Duration
}

// run lets every caller work n times.
func (s side) run(b *testing.B, n int, e *effort) {
	begun, cpu := time.Now(), processorTime(b)
	var all sync.WaitGroup
	for _, work := range s {
		all.Go(func() {
			for range n {
				if err := work(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	e.n += n * len(s)
	e.took += time.Since(begun)
	e.cpu += processorTime(b) - cpu
}

func (e effort) perSecond() float64 { return float64(e.n) / e.took.Seconds() }
func (e effort) cpuEach() float64   { return float64(e.cpu.Microseconds()) / float64(e.n) }

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inTurns runs ours and bare in turns, so that what else the machine does meets
// both alike.
func inTurns(b *testing.B, ours, bare side) {
	b.Helper()
	var warm, our, theirs effort
	bare.run(b, bareTurn, &warm)
	ours.run(b, 8*turn, &warm) // a server that has run for a while: its write-ahead log has its size
	for b.Loop() {
		ours.run(b, turn, &our)
		bare.run(b, bareTurn, &theirs)
	}
	b.ReportMetric(0, "ns/op") // of a turn: it says nothing
	b.ReportMetric(our.perSecond(), "ours/s")
	b.ReportMetric(theirs.perSecond(), "bare/s")
	b.ReportMetric(our.perSecond()/theirs.perSecond(), "ratio")
	b.ReportMetric(our.cpuEach(), "cpu-µs")
	b.ReportMetric(theirs.cpuEach()/our.cpuEach(), "cpu-ratio")
}

// startBench starts a server whose clock runs, over a fresh data folder.
func startBench(b *testing.B, settings ...string) (address string) {
	b.Helper()
	c, err := config.Load(config.Sources{Limits: server.LimitTable(), Env: append(append(wide(), settings...),
		"COUNTERSIGN_LISTEN=127.0.0.1:0", "COUNTERSIGN_OPERATOR_LISTEN=127.0.0.1:0", "COUNTERSIGN_DATA_DIR="+b.TempDir())})
	if err != nil {
		b.Fatal(err)
	}
	s, err := server.Start(context.Background(), c, server.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			b.Errorf("stopping: %v", err)
		}
	})
	return s.Addr()
}

// startBare starts what is compared with: a handler that reads a body and
// answers so many bytes.
func startBare(b *testing.B, size int) (address string) {
	b.Helper()
	answer := []byte(strings.Repeat("x", size))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})}
	go func() { _ = s.Serve(listener) }()
	b.Cleanup(func() { _ = s.Close() })
	return listener.Addr().String()
}

func dial(b *testing.B, address string) *lean {
	b.Helper()
	l, err := newLean(address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.conn.Close() })
	return l
}

// testNumber is a number that needs no message; its code is benchCode.
func testNumber(n int) string { return fmt.Sprintf("+4915112%06d", n) }

const benchCode = "135790"

func testNumbers(n int) string {
	var all strings.Builder
	all.WriteString("COUNTERSIGN_TEST_NUMBERS=")
	for i := range n {
		fmt.Fprintf(&all, "%s=%s,", testNumber(i), benchCode)
	}
	return strings.TrimSuffix(all.String(), ",")
}

func beginBody(number string) string { return `{"phone_number":"` + number + `"}` }

// signIn begins at path, and redeems the code; it answers the TokenSet.
func (l *lean) signIn(path, number string) ([]byte, error) {
	begun, err := l.call(http.StatusAccepted, http.MethodPost, path, "", beginBody(number))
	if err != nil {
		return nil, err
	}
	return l.call(http.StatusOK, http.MethodPost, "/v1/challenges/"+textIn(begun, "challenge_id")+"/verify", "", `{"code":"`+benchCode+`"}`)
}

// signedUp makes each caller's account, and gives their token sets.
func signedUp(b *testing.B, address string, n int) (sets [][]byte) {
	b.Helper()
	l := dial(b, address)
	for i := range n {
		set, err := l.signIn("/v1/signup", testNumber(i))
		if err != nil {
			b.Fatal(err)
		}
		sets = append(sets, bytes.Clone(set))
	}
	return sets
}

// bare gives every caller the same request to a handler that reads it and
// answers so many bytes.
func bare(b *testing.B, size int, method, path, bearer, body string) (all side) {
	b.Helper()
	address := startBare(b, size)
	for range callers {
		l := dial(b, address)
		all = append(all, l.asks(method, path, bearer, body))
	}
	return all
}

// GET /v1/me: the token judged, session and user read, the number opened.
func BenchmarkMe(b *testing.B) {
	address := startBench(b, testNumbers(callers))
	var ours side
	var l *lean
	var token string
	for _, set := range signedUp(b, address, callers) {
		l, token = dial(b, address), textIn(set, "access_token")
		ours = append(ours, l.asks(http.MethodGet, "/v1/me", token, ""))
	}
	if err := ours[callers-1](); err != nil {
		b.Fatal(err)
	}
	inTurns(b, ours, bare(b, len(l.body), http.MethodGet, "/v1/me", token, ""))
}

// Each caller refreshes its own session again and again.
func BenchmarkRefresh(b *testing.B) {
	address := startBench(b, testNumbers(callers))
	sets := signedUp(b, address, callers)
	var ours side
	for _, set := range sets {
		l, token := dial(b, address), textIn(set, "refresh_token")
		ours = append(ours, func() error {
			set, err := l.call(http.StatusOK, http.MethodPost, "/v1/token/refresh", "", refreshBody(token))
			token = textIn(set, "refresh_token")
			return err
		})
	}
	inTurns(b, ours, bare(b, len(sets[0]), http.MethodPost, "/v1/token/refresh", "", refreshBody(textIn(sets[0], "refresh_token"))))
}

func refreshBody(token string) string { return `{"refresh_token":"` + token + `"}` }

// A whole sign-in by code, begun and verified, beside one bare request. Each
// caller takes the next of its own accounts, whose codes are fixed: the message
// is not what is measured.
func BenchmarkSignInByCode(b *testing.B) {
	const accounts = 20 * callers
	address := startBench(b, testNumbers(accounts))
	sets := signedUp(b, address, accounts)
	var ours side
	for i := range callers {
		l, next := dial(b, address), i
		ours = append(ours, func() error {
			next = (next + callers) % accounts
			_, err := l.signIn("/v1/login/sms", testNumber(next))
			return err
		})
	}
	inTurns(b, ours, bare(b, len(sets[0]), http.MethodPost, "/v1/login/sms", "", beginBody(testNumber(0))))
}
