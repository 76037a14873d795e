package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestStopLeavesNothingRunning(t *testing.T) {
	s, err := Start(t.Context(), settings(t, t.TempDir()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	signIn(t, "http://"+s.Addr())
	http.DefaultClient.CloseIdleConnections()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "countersign/internal/") && !strings.Contains(stack, "testing.tRunner") {
			t.Errorf("still running:\n%s", stack)
		}
	}
}

// A request that was begun is answered, while nobody new gets in.
func TestStopAnswersWhatIsInHand(t *testing.T) {
	s, err := Start(t.Context(), settings(t, t.TempDir()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = `{"phone_number":"` + number + `"}`
	head := fmt.Sprintf("POST /v1/signup HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	answer, err := http.ReadResponse(answers, nil)
	if err != nil || answer.StatusCode != http.StatusContinue {
		t.Fatalf("%v %v, want 100: the handler waits for the body", answer, err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(t.Context()) }()
	for deadline := time.Now().Add(10 * time.Second); ; {
		extra, err := net.Dial("tcp", s.Addr())
		if err != nil {
			break
		}
		extra.Close()
		if time.Now().After(deadline) {
			t.Fatal("the listener is still open")
		}
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	answer, err = http.ReadResponse(answers, nil)
	if err != nil || answer.StatusCode != http.StatusAccepted {
		t.Errorf("%v %v, want the begun signup answered with 202", answer, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
